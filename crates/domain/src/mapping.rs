//! Flat CSV rows to data points. Columns go by their field's name (`gpa`, `university_name`), its dotted path
//! (`profile.gpa`) or a test's short name (`gre_verbal`, `toefl_total`); a mapping gives others a meaning.

#[cfg(test)]
mod tests;

use crate::check::brief;
use crate::fields::{did_you_mean, shown};
use crate::record::shape::{Kind, SPECS, TEST_SPECS};
use crate::record::{Decision, TestType};
use crate::{AdmissionDataPoint, Fault, Faults};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How the columns of a CSV file are to be read; an empty mapping reads columns by their names.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CsvMapping {
    /// Field to the column that it comes from.
    pub columns: BTreeMap<String, String>,
    /// Field to the value that it has in every row.
    pub constants: BTreeMap<String, Value>,
    /// What stands in the decision's column to the decision that it means.
    pub decisions: BTreeMap<String, String>,
    /// For a numeric decision's column: accepted from here on.
    pub threshold: Option<f64>,
    /// Put before the id's column; without such a column the id is this and the row's number.
    pub id_prefix: Option<String>,
}

/// Where a cell goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// Index into the table of fields.
    Field(usize),
    /// A test and the index of its member.
    Test(TestType, usize),
}

impl Target {
    fn parse(name: &str) -> Option<Self> {
        let leaf = |path: &'static str| path.rsplit('.').next().unwrap_or(path);
        if let Some(i) = SPECS.iter().position(|s| s.path == name || leaf(s.path) == name) {
            return Some(Self::Field(i));
        }
        let (test, member) = name.split_once('_')?;
        let member = match member {
            "total" | "total_score" | "score" => "total_score",
            "verbal" | "verbal_score" => "verbal_score",
            "quant" | "quantitative" | "quantitative_score" => "quantitative_score",
            "analytical" | "writing" | "awa" | "analytical_score" => "analytical_score",
            "date" | "date_taken" => "date_taken",
            _ => return None,
        };
        Some(Self::Test(TestType::parse(test)?, TEST_SPECS.iter().position(|s| s.path == member)?))
    }

    fn kind(self) -> Kind {
        match self {
            Self::Field(i) => SPECS[i].kind,
            Self::Test(_, i) => TEST_SPECS[i].kind,
        }
    }

    /// `profile` or `program`, for a field inside one.
    fn part(self) -> Option<&'static str> {
        match self {
            Self::Field(i) => SPECS[i].path.split_once('.').map(|(part, _)| part),
            Self::Test(..) => Some("profile"),
        }
    }

    fn is(self, path: &str) -> bool {
        matches!(self, Self::Field(i) if SPECS[i].path == path)
    }
}

/// A mapping applied to a file's header.
#[derive(Debug, Clone)]
pub struct CsvPlan {
    /// For each column of the file, what it is and what it is called.
    columns: Vec<Option<(Target, String)>>,
    constants: Vec<(Target, Value)>,
    decisions: BTreeMap<String, String>,
    threshold: Option<f64>,
    id_prefix: Option<String>,
}

/// Header names are compared without surrounding blanks.
fn tidy(name: &str) -> &str {
    name.trim_start_matches('\u{feff}').trim()
}

impl CsvMapping {
    /// Faults name the mapping's entries (`/columns/...`) or, with an empty pointer, what the file lacks. Columns that mean
    /// nothing are ignored.
    pub fn plan<'h>(&self, header: impl IntoIterator<Item = &'h str>) -> Result<CsvPlan, Faults> {
        let header: Vec<&str> = header.into_iter().map(tidy).collect();
        let all = header.join(", ");
        let all = brief(&all, 200);
        let mut faults = Vec::new();
        let mut fault = |pointer: String, message: String| faults.push(Fault { pointer, message });
        let mut columns: Vec<Option<(Target, String)>> = vec![None; header.len()];
        let target = |section: &str, name: &str, fault: &mut dyn FnMut(String, String)| {
            let target = Target::parse(name);
            if target.is_none() {
                let names = SPECS.iter().flat_map(|s| [s.path, s.path.rsplit('.').next().unwrap_or(s.path)]);
                fault(
                    format!("/{section}/{name}"),
                    format!("`{name}` is no field of a data point{}", did_you_mean(name, names)),
                );
            }
            target
        };
        for (name, source) in &self.columns {
            let Some(target) = target("columns", name, &mut fault) else { continue };
            match header.iter().position(|h| *h == tidy(source)) {
                Some(at) if columns[at].is_none() => columns[at] = Some((target, (*source).clone())),
                Some(_) => fault(format!("/columns/{name}"), format!("column `{source}` is mapped twice")),
                None => {
                    let hint = did_you_mean(source, header.iter().copied());
                    let message = format!("the file has no column `{source}`{hint}; it has {all}");
                    fault(format!("/columns/{name}"), message);
                }
            }
        }
        let mut constants = Vec::new();
        for (name, value) in &self.constants {
            if let Some(target) = target("constants", name, &mut fault) {
                constants.push((target, value.clone()));
            }
        }
        for (found, meaning) in self.decisions.iter().filter(|(_, m)| Decision::parse(m).is_none()) {
            let message = format!(
                "`{meaning}` is no decision; one of {} is allowed",
                Decision::ALL.iter().map(|d| d.as_str()).collect::<Vec<_>>().join(", ")
            );
            fault(format!("/decisions/{found}"), message);
        }
        if self.threshold.is_some_and(|t| !t.is_finite()) {
            fault("/threshold".into(), "`threshold` is not finite".into());
        }
        // What the mapping leaves open goes by the columns' own names.
        for (at, name) in header.iter().enumerate() {
            let Some(target) = Target::parse(name).filter(|_| columns[at].is_none()) else { continue };
            let taken =
                columns.iter().flatten().any(|(t, _)| *t == target) || constants.iter().any(|(t, _)| *t == target);
            if !taken {
                columns[at] = Some((target, (*name).to_owned()));
            }
        }
        let targets = || columns.iter().flatten().map(|(t, _)| *t).chain(constants.iter().map(|(t, _)| *t));
        for part in ["profile", "program"] {
            if !targets().any(|t| t.part() == Some(part)) {
                fault(String::new(), format!("no column and no constant belongs to `{part}`; the file has {all}"));
            }
        }
        for (path, given) in [("decision", false), ("data_point_id", self.id_prefix.is_some())] {
            if !given && !targets().any(|t| t.is(path)) {
                fault(String::new(), format!("no column is the `{path}`; the file has {all}"));
            }
        }
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        let (decisions, id_prefix) = (self.decisions.clone(), self.id_prefix.clone());
        Ok(CsvPlan { columns, constants, decisions, threshold: self.threshold, id_prefix })
    }
}

impl CsvPlan {
    /// `row` is the row's number in its file, for rows without an id. Blank cells are absent values.
    pub fn point<'c>(&self, row: u64, cells: impl IntoIterator<Item = &'c str>) -> Result<AdmissionDataPoint, Faults> {
        let mut doc = Document::default();
        let mut faults = Vec::new();
        for (target, value) in &self.constants {
            doc.set(*target, value.clone());
        }
        let mut seen = 0;
        for (i, cell) in cells.into_iter().enumerate() {
            seen = i + 1;
            let Some(Some((target, name))) = self.columns.get(i) else { continue };
            let cell = cell.trim();
            if cell.is_empty() {
                continue;
            }
            match self.read(*target, cell) {
                Ok(value) => doc.set(*target, value),
                Err(allowed) => faults.push(Fault {
                    pointer: format!("/{name}"),
                    message: format!("`{name}` is {}; {allowed} is allowed", shown(&Value::from(cell))),
                }),
            }
        }
        if seen != self.columns.len() {
            let message = format!("the row has {seen} cells; the header has {}", self.columns.len());
            faults.push(Fault { pointer: String::new(), message });
        }
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        AdmissionDataPoint::from_value(doc.finish(self.id_prefix.as_deref(), row))
    }

    /// A cell as the JSON value of its field, or what is allowed there.
    fn read(&self, target: Target, cell: &str) -> Result<Value, String> {
        if target.is("decision") {
            return self.decision(cell);
        }
        let kind = target.kind();
        let value = match kind {
            Kind::Number => cell.parse::<f64>().ok().filter(|x| x.is_finite() && *x >= 0.0).map(Value::from),
            Kind::Whole(_) => {
                cell.parse::<u64>().ok().map(Value::from).or_else(|| cell.parse::<f64>().ok().map(Value::from))
            }
            Kind::Flag => match cell.to_ascii_lowercase().as_str() {
                "true" | "1" | "1.0" | "yes" => Some(Value::Bool(true)),
                "false" | "0" | "0.0" | "no" => Some(Value::Bool(false)),
                _ => None,
            },
            Kind::Word(_) => Some(Value::from(cell.to_ascii_lowercase())),
            Kind::Id | Kind::Text | Kind::Date | Kind::Time => Some(Value::from(cell)),
        };
        value.ok_or_else(|| crate::record::explain::allowed(kind))
    }

    fn decision(&self, cell: &str) -> Result<Value, String> {
        if let Some(meaning) = self.decisions.get(cell) {
            return Ok(Value::from(meaning.as_str()));
        }
        if let (Some(threshold), Ok(x)) = (self.threshold, cell.parse::<f64>())
            && x.is_finite()
        {
            let decision = if x >= threshold { Decision::Accepted } else { Decision::Rejected };
            return Ok(Value::from(decision.as_str()));
        }
        let word = cell.to_ascii_lowercase();
        if Decision::parse(&word).is_some() {
            return Ok(Value::from(word));
        }
        let mut allowed: Vec<&str> = Decision::ALL.iter().map(|d| d.as_str()).collect();
        allowed.extend(self.decisions.keys().map(String::as_str));
        Err(format!("one of {}{}", allowed.join(", "), if self.threshold.is_some() { " or a number" } else { "" }))
    }
}

/// The JSON document of a point, as it grows cell by cell.
#[derive(Default)]
struct Document {
    top: Map<String, Value>,
    profile: Map<String, Value>,
    program: Map<String, Value>,
    tests: Vec<(TestType, Map<String, Value>)>,
}

impl Document {
    fn set(&mut self, target: Target, value: Value) {
        match target {
            Target::Field(i) => {
                let path = SPECS[i].path;
                let (map, name) = match path.split_once('.') {
                    Some(("profile", name)) => (&mut self.profile, name),
                    Some((_, name)) => (&mut self.program, name),
                    None => (&mut self.top, path),
                };
                map.insert(name.to_owned(), value);
            }
            Target::Test(kind, i) => {
                let at = self.tests.iter().position(|(k, _)| *k == kind).unwrap_or_else(|| {
                    self.tests.push((kind, Map::from_iter([("test_type".to_owned(), Value::from(kind.as_str()))])));
                    self.tests.len() - 1
                });
                self.tests[at].1.insert(TEST_SPECS[i].path.to_owned(), value);
            }
        }
    }

    fn finish(mut self, id_prefix: Option<&str>, row: u64) -> Value {
        if let Some(prefix) = id_prefix {
            let own = match self.top.get("data_point_id") {
                Some(Value::String(id)) => id.clone(),
                _ => row.to_string(),
            };
            self.top.insert("data_point_id".to_owned(), Value::from(format!("{prefix}{own}")));
        }
        let tests = self.tests.into_iter().map(|(_, t)| Value::Object(t)).collect::<Vec<_>>();
        self.profile.insert("test_scores".to_owned(), Value::Array(tests));
        self.top.insert("profile".to_owned(), Value::Object(self.profile));
        self.top.insert("program".to_owned(), Value::Object(self.program));
        Value::Object(self.top)
    }
}
