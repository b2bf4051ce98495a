//! A mapping that was applied to a file's header and reads the file's rows.

use super::attribute::{self, Attribute};
use super::cell::{Cell, Common, Refusal, Rule, is_format, refused};
use super::document::Document;
use super::header::{Header, tidy};
use super::tally::Tally;
use super::target::{Target, nearest_field};
use super::{FILL_IN, Mapping, Source, Unread};
use crate::check::{Fault, Faults, brief};
use crate::fields::{escaped, shown};
use crate::names::folded;
use crate::record::explain::{allowed, fits};
use crate::record::{AdmissionDataPoint, Decision};
use serde_json::Value;
use std::collections::BTreeMap;

/// How the rows of one file are read.
#[derive(Debug, Clone)]
pub struct Plan {
    inputs: Vec<Input>,
    constants: Vec<(Target, Value)>,
    attributes: Vec<Attribute>,
    /// Decisions by folded word.
    decisions: BTreeMap<String, Decision>,
    /// Folded words of rows that are left out.
    leave_out: Vec<String>,
    threshold: Option<f64>,
    id_prefix: Option<String>,
    width: usize,
    unread: Vec<Unread>,
    /// Rules for members that the header lacks (`Late`), and the targets that are already taken.
    common: Common,
    taken: Vec<Target>,
}

/// A member of a JSON object that was not found at the head of its file. It has the name of a field that no column is
/// read into.
#[derive(Debug, Clone, Copy)]
pub struct Late<'c> {
    target: Target,
    name: &'c str,
    text: &'c str,
    is_number: bool,
}

#[derive(Debug, Clone)]
struct Input {
    target: Target,
    column: usize,
    /// The column's name in the file.
    name: String,
    rule: Rule,
}

/// The faults found so far, and the targets that are taken, each with a description of what took it.
#[derive(Default)]
struct Making {
    faults: Vec<Fault>,
    taken: Vec<(Target, String)>,
}

impl Making {
    fn fault(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.faults.push(Fault { pointer: pointer.into(), message: message.into() });
    }

    /// The field of this name, unless another entry of the mapping has it.
    fn target(&mut self, section: &str, name: &str) -> Option<Target> {
        let pointer = format!("/{section}/{}", escaped(name));
        let Some(target) = Target::parse(name) else {
            let hint = nearest_field(name).map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default();
            self.fault(pointer, format!("`{}` is no field of a data point{hint}", brief(name, 60)));
            return None;
        };
        if let Some((_, other)) = self.taken.iter().find(|(t, _)| *t == target) {
            let message = format!("`{name}` is given twice: here and as {other}");
            self.fault(pointer, message);
            return None;
        }
        self.taken.push((target, format!("`{name}` in [{section}]")));
        Some(target)
    }
}

impl Mapping {
    /// Applies the mapping to a file's header. If the mapping says that the file has no header, `header` gives the
    /// numbers of the columns in place of names.
    ///
    /// # Errors
    /// All faults at once. They point to the mapping's entries (`/columns/...`) or, with an empty pointer, say what the
    /// file lacks.
    pub fn plan<'h>(&self, header: impl IntoIterator<Item = &'h str>) -> Result<Plan, Faults> {
        let header = Header { names: header.into_iter().map(tidy).collect(), named: self.header.unwrap_or(true) };
        let mut making = Making { faults: self.faults.clone(), taken: Vec::new() };
        self.check(&mut making);
        let common = Common {
            missing: self.missing.clone(),
            decimal_comma: self.decimal_comma,
            separators: self.separators,
            date_format: self.date_format.clone(),
        };
        let mut inputs: Vec<Input> = Vec::new();
        let mut used = vec![false; header.names.len()];
        let attributes = attribute::of_mapping(self, &header, &common, &mut used).unwrap_or_else(|faults| {
            making.faults.extend(faults);
            Vec::new()
        });
        for (name, source) in self.columns.iter().filter(|(name, _)| attribute::name(name).is_none()) {
            let Some(target) = making.target("columns", name) else { continue };
            let pointer = format!("/columns/{}", escaped(name));
            let rule = Rule::new(target.kind(), target.scale(), source, &common);
            match (header.find(&source.column), rule) {
                (Ok(column), Ok(rule)) => {
                    used[column] = true;
                    let name = if header.named { header.names[column].to_owned() } else { format!("column {column}") };
                    inputs.push(Input { target, column, name, rule });
                }
                (found, rule) => {
                    if let Err(why) = found {
                        making.fault(pointer.clone(), why);
                    }
                    for (tail, message) in rule.err().into_iter().flatten() {
                        making.fault(format!("{pointer}{tail}"), message);
                    }
                }
            }
        }
        let mut constants = Vec::new();
        for (name, value) in self.constants.iter().filter(|(name, _)| attribute::name(name).is_none()) {
            let Some(target) = making.target("constants", name) else { continue };
            if *value == FILL_IN {
                let message = format!("`{name}` still holds the placeholder `{FILL_IN}`: write its value there");
                making.fault(format!("/constants/{}", escaped(name)), message);
            } else if fits(target.kind(), value) {
                constants.push((target, value.clone()));
            } else {
                let message = format!("`{name}` is {}; {} is allowed", shown(value), allowed(target.kind()));
                making.fault(format!("/constants/{}", escaped(name)), message);
            }
        }
        if header.named {
            by_own_names(&header, &common, &used, &mut inputs, &mut making);
        }
        let unread = unread(&header, &inputs, &attributes, &making);
        self.needed(&header, &mut making);
        if !making.faults.is_empty() {
            return Err(Faults(making.faults));
        }
        let decision = |(found, meaning): (&String, &String)| Some((folded(found), Decision::parse(meaning)?));
        Ok(Plan {
            inputs,
            constants,
            attributes,
            decisions: self.decisions.iter().filter_map(decision).collect(),
            leave_out: self.leave_out.iter().map(|word| folded(word)).collect(),
            threshold: self.threshold,
            id_prefix: self.id_prefix.clone(),
            width: header.names.len(),
            unread,
            common,
            taken: making.taken.into_iter().map(|(target, _)| target).collect(),
        })
    }

    /// Checks what does not depend on the file.
    fn check(&self, making: &mut Making) {
        for (found, meaning) in self.decisions.iter().filter(|(_, m)| Decision::parse(m).is_none()) {
            let message = format!("`{meaning}` is no decision; one of {} is allowed", decisions().join(", "));
            making.fault(format!("/decisions/{}", escaped(found)), message);
        }
        let mut known: BTreeMap<String, (&String, &String)> = BTreeMap::new();
        for (found, meaning) in &self.decisions {
            let (first, other) = *known.entry(folded(found)).or_insert((found, meaning));
            if Decision::parse(meaning) != Decision::parse(other) {
                let message = format!("`{found}` and `{first}` are one word, and mean different decisions");
                making.fault(format!("/decisions/{}", escaped(found)), message);
            }
        }
        for word in &self.leave_out {
            if self.decisions.keys().any(|key| folded(key) == folded(word)) {
                making.fault("/leave_out", format!("`{word}` is left out, and has a meaning in `decisions`"));
            }
        }
        if let Some(format) = self.date_format.as_deref().filter(|f| !is_format(f)) {
            making.fault("/date_format", format!("`date_format` is {format:?}; one such as \"%d %b %Y\" is allowed"));
        }
    }

    /// Checks that the mapping gives what every data point needs.
    fn needed(&self, header: &Header<'_>, making: &mut Making) {
        let before = making.faults.len();
        for part in ["profile", "program"] {
            if !making.taken.iter().any(|(t, _)| t.part() == Some(part)) {
                let some = if part == "profile" { "gpa, gre_verbal" } else { "university_name, program_name" };
                making.fault("", format!("no column and no constant belongs to `{part}` ({some}, …)"));
            }
        }
        for (path, given) in [("decision", false), ("data_point_id", self.id_prefix.is_some())] {
            if !given && !making.taken.iter().any(|(t, _)| t.is(path)) {
                let hint = if path == "data_point_id" { " (`id_prefix` numbers the rows)" } else { "" };
                making.fault("", format!("no column is the `{path}`{hint}"));
            }
        }
        if let [_, ..] = &making.faults[before..]
            && let Some(last) = making.faults.last_mut()
        {
            last.message = format!("{}; {}", last.message, header.all());
        }
    }
}

/// Columns that the mapping does not name are found by their own names.
fn by_own_names(header: &Header<'_>, common: &Common, used: &[bool], inputs: &mut Vec<Input>, making: &mut Making) {
    let given = making.taken.len();
    for (column, name) in header.names.iter().enumerate().filter(|(column, _)| !used[*column]) {
        let Some(target) = Target::parse(name) else { continue };
        match making.taken.iter().position(|(t, _)| *t == target) {
            // The mapping's entry is preferred; the column is listed as not read.
            Some(at) if at < given => {}
            Some(at) => {
                let (name, other) = (brief(name, 60), making.taken[at].1.clone());
                let message = format!(
                    "{other} and column `{name}` (number {column}) are both `{}`; a mapping can say which is read",
                    target.name()
                );
                making.fault(format!("/columns/{}", escaped(&name)), message);
            }
            None => {
                making.taken.push((target, format!("column `{name}` (number {column})")));
                if let Ok(rule) = by_itself(target, common) {
                    inputs.push(Input { target, column, name: (*name).to_owned(), rule });
                }
            }
        }
    }
}

/// The rule of a column that is found by its own name.
fn by_itself(target: Target, common: &Common) -> Result<Rule, Vec<(String, String)>> {
    Rule::new(target.kind(), target.scale(), &Source::default(), common)
}

fn unread(header: &Header<'_>, inputs: &[Input], attributes: &[Attribute], making: &Making) -> Vec<Unread> {
    let columns = (0..header.names.len())
        .filter(|column| !inputs.iter().any(|i| i.column == *column) && !attributes.iter().any(|a| a.reads(*column)));
    let free = |name: &String| Target::parse(name).is_some_and(|t| !making.taken.iter().any(|(taken, _)| *taken == t));
    columns
        .map(|column| {
            let name = header.names[column];
            Unread {
                column: match (header.named, name) {
                    (true, "") => format!("the one without a name (number {column})"),
                    (true, name) => brief(name, 60).into_owned(),
                    (false, _) => column.to_string(),
                },
                nearest: nearest_field(name).filter(free).filter(|_| header.named),
            }
        })
        .collect()
}

fn decisions() -> Vec<&'static str> {
    Decision::ALL.iter().map(|d| d.as_str()).collect()
}

impl Plan {
    /// The columns that no field is read from.
    pub fn unread(&self) -> &[Unread] {
        &self.unread
    }

    /// Reads a row of `width` cells; `cell` returns a cell by its number. `row` is the row's number in its file, for
    /// rows without an id. Blank cells are absent values. None: the mapping leaves the row out.
    ///
    /// # Errors
    /// All faults of the row.
    pub fn row<'c>(
        &self,
        row: u64,
        width: usize,
        cell: impl Fn(usize) -> &'c str,
        tally: &mut Tally,
    ) -> Result<Option<AdmissionDataPoint>, Faults> {
        self.members(row, width, |i| (cell(i), false), &[], tally)
    }

    /// A member of an object that is not among the plan's columns, if it has the name of a field that no column is read
    /// into.
    pub fn late<'c>(&self, name: &'c str, text: &'c str, is_number: bool) -> Option<Late<'c>> {
        let target = Target::parse(tidy(name)).filter(|target| !self.taken.contains(target))?;
        Some(Late { target, name, text, is_number })
    }

    /// As [`Plan::row`], for the members of a JSON object. `cell` also tells whether the member is a JSON number;
    /// `late` has the members that are not among the plan's columns.
    ///
    /// # Errors
    /// As [`Plan::row`].
    pub fn members<'c>(
        &self,
        row: u64,
        width: usize,
        cell: impl Fn(usize) -> (&'c str, bool),
        late: &[Late<'c>],
        tally: &mut Tally,
    ) -> Result<Option<AdmissionDataPoint>, Faults> {
        let mut doc = Document::default();
        let (mut faults, mut found) = (Vec::new(), Tally::default());
        for (target, value) in &self.constants {
            doc.set(*target, value.clone());
        }
        if width != self.width {
            let message = format!("the row has {width} cells; {} are expected", self.width);
            return Err(Faults(vec![Fault { pointer: String::new(), message }]));
        }
        for input in &self.inputs {
            let (text, plain) = cell(input.column);
            let text = text.trim();
            let is_decision = input.target.is("decision");
            let read =
                if is_decision { self.decision(&input.rule, text) } else { input.rule.read(text, plain).map(Some) };
            match read {
                Ok(None) => {
                    tally.left_out += 1;
                    return Ok(None);
                }
                Ok(Some(read)) => doc.take(input.target, read, text, &mut found),
                Err(why) => faults.push(refused(&input.name, text, &why)),
            }
        }
        for attribute in &self.attributes {
            if let Err(fault) = attribute.take(&cell, &mut doc, &mut found) {
                faults.push(fault);
            }
        }
        for (i, Late { target, name, text, is_number }) in late.iter().enumerate() {
            if let Some(other) = late[..i].iter().find(|other| other.target == *target) {
                let message =
                    format!("`{}` and `{name}` are both `{}`; one of them is allowed", other.name, target.name());
                faults.push(Fault { pointer: format!("/{}", escaped(name)), message });
                continue;
            }
            // The rule of a column without any settings has no faults.
            let Ok(rule) = by_itself(*target, &self.common) else { continue };
            match rule.read(text.trim(), *is_number) {
                Ok(read) => doc.take(*target, read, text, &mut found),
                Err(why) => faults.push(refused(name, text.trim(), &why)),
            }
        }
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        let point = AdmissionDataPoint::from_value(doc.finish(self.id_prefix.as_deref(), row))?;
        tally.unmatched += found.unmatched;
        tally.by_scale += found.by_scale;
        Ok(Some(point))
    }

    /// The decision of a cell; None if the row is left out.
    fn decision(&self, rule: &Rule, cell: &str) -> Result<Option<Cell>, Refusal> {
        let text = rule.captured(cell).unwrap_or(cell);
        let word = folded(text);
        if self.leave_out.contains(&word) {
            return Ok(None);
        }
        // A word for a missing value counts as a blank cell.
        let blank = || if rule.is_missing(text) { self.decisions.get("") } else { None };
        if let Some(meaning) = self.decisions.get(&word).or_else(blank) {
            return Ok(Some(Cell::Value(Value::from(meaning.as_str()))));
        }
        if let (Some(threshold), Ok(x)) = (self.threshold, text.parse::<f64>())
            && x.is_finite()
        {
            let decision = if x >= threshold { Decision::Accepted } else { Decision::Rejected };
            return Ok(Some(Cell::Value(Value::from(decision.as_str()))));
        }
        match rule.read(cell, false)? {
            Cell::Value(Value::String(word)) if Decision::parse(&word).is_none() => {
                let own = self.decisions.keys().map(|key| match key.as_str() {
                    "" => "a blank cell".to_owned(),
                    key => format!("`{key}`"),
                });
                let allowed: Vec<String> = decisions().into_iter().map(str::to_owned).chain(own).collect();
                let number = if self.threshold.is_some() { " or a number" } else { "" };
                Err(Refusal::Allowed(format!("one of {}{number}", allowed.join(", "))))
            }
            read => Ok(Some(read)),
        }
    }
}
