//! A first mapping for a foreign file, guessed from its header and first rows: one line per field, each with a comment,
//! for a person to correct.

mod columns;
mod words;

use super::number::number;
use super::target::Target;
use super::{FILL_IN, Mapping};
use crate::check::brief;
use crate::names::folded;
use crate::record::Decision;
use crate::visible;
use columns::{Column, Field};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What is known of the file beside its rows.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The file, as messages name it.
    pub file: String,
    /// The delimiter of a CSV file, if it is not a comma.
    pub delimiter: Option<char>,
    /// The encoding, where it is neither UTF-8 nor stated by a byte order mark.
    pub encoding: Option<String>,
    /// Whether the file's numbers have decimal commas.
    pub decimal_comma: bool,
    /// Whether there are numbers such as `1,234` and nothing shows whether their comma separates thousands or decimals.
    pub unsure: bool,
    /// Whether the first row is no header.
    pub headerless: bool,
}

/// Whether a first row is a header: no cell is a number, and either some cell is a usual name of a column or no cell is
/// a usual value.
pub fn is_header(cells: &[&str]) -> bool {
    let filled = || cells.iter().map(|cell| cell.trim()).filter(|cell| !cell.is_empty());
    if filled().next().is_none() || filled().any(|cell| number(cell, false).is_some() || cell.len() > 100) {
        return false;
    }
    let is_value = |cell: &str| words::decision(cell).is_some() || words::season(cell).is_some();
    filled().any(|cell| words::of_name(cell).is_some() || Target::parse(cell).is_some()) || !filled().any(is_value)
}

/// What the most frequent words of one column mean as decisions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Each word that is not a decision's own name, and the decision that the word means.
    pub meanings: Vec<(String, &'static str)>,
    /// Words of applications that are not decided.
    pub open: Vec<String>,
}

/// The words among a column's cells that are known to mean a decision, and those that mean an open application.
pub fn decisions<'a>(cells: impl Iterator<Item = &'a str>) -> Decisions {
    let column = Column::new(0, None, cells.map(str::trim).collect(), false);
    let mut found = Decisions::default();
    for word in column.words(&Field::default()) {
        match words::decision(&word) {
            Some(meaning) if crate::names::folded(&word) == meaning => {}
            Some(meaning) => found.meanings.push((word, meaning)),
            None if words::is_open(&word) => found.open.push(word),
            None => {}
        }
    }
    found
}

/// Guesses a mapping, as TOML. Each of `rows` has its cells in the columns' order. Columns are named by the header if
/// there is one, else by their numbers.
pub fn guess(header: Option<&[String]>, rows: &[Vec<String>], facts: &Facts) -> String {
    let width = header.map_or_else(|| rows.iter().map(Vec::len).max().unwrap_or(0), <[String]>::len);
    let columns: Vec<Column<'_>> = (0..width)
        .map(|i| {
            let cells = rows.iter().map(|row| row.get(i).map_or("", |cell| cell.trim()));
            let cells = cells.map(|cell| if words::is_missing(cell) { "" } else { cell }).collect();
            Column::new(i, header.map(|names| names[i].trim()), cells, facts.decimal_comma)
        })
        .collect();
    let fields = columns::fields(&columns);
    let mut out = String::new();
    let line = |out: &mut String, text: &str, comment: &str| {
        let _ = writeln!(out, "{text:<56} # {comment}"); // writing to a string does not fail
    };
    let read = rows.len();
    if header.is_some_and(|names| goes_by_names(names, &columns, &fields)) {
        line(&mut out, "", "The import reads every column of the file by its name: no mapping is needed.");
    }
    line(&mut out, "", &format!("Guessed from {read} rows of {}: correct what is wrong.", one_line(&facts.file)));
    if let Some(delimiter) = facts.delimiter {
        line(&mut out, &format!("delimiter = {}", text(&delimiter.to_string())), "between the cells");
    }
    if let Some(encoding) = &facts.encoding {
        line(&mut out, &format!("encoding = {}", text(encoding)), "of the file");
    }
    if facts.decimal_comma {
        line(&mut out, "decimal_comma = true", "3,75 is a number");
    }
    if facts.unsure {
        line(&mut out, "# decimal_comma = false", "1,234 is 1234 (true: 1.234); refused where both can be meant");
    }
    if facts.headerless {
        line(&mut out, "header = false", "columns go by their numbers, from 0");
    }
    let missing = missing(rows);
    if !missing.is_empty() {
        line(&mut out, &format!("missing = [{}]", missing.join(", ")), "words for a blank cell");
    }
    let has = |name: &str| fields.iter().any(|f| f.name == name);
    if !has("data_point_id") {
        line(&mut out, "id_prefix = \"row-\"", "no column of ids: this and the row's number; make it the file's own");
    }
    decisions_above(&mut out, &columns, &fields);
    out.push_str("[columns]\n");
    for field in &fields {
        let column = &columns[field.column];
        line(&mut out, &format!("{} = {}", field.name, field.source(column)), &comment(column, field));
    }
    decisions_below(&mut out, &columns, &fields);
    let mut constants = Vec::new();
    if !has("university_name") {
        constants.push((format!("university_name = {}", text(FILL_IN)), "no column of universities".to_owned()));
    }
    if !has("gpa_scale")
        && let Some(scale) = fields.iter().find(|f| f.name == "gpa").and_then(|f| columns[f.column].gpa_scale(f))
    {
        constants.push((format!("gpa_scale = {scale:?}"), "from the highest gpa; 4.0 unless given".to_owned()));
    }
    if !constants.is_empty() {
        out.push_str("[constants]\n");
        constants.iter().for_each(|(text, comment)| line(&mut out, text, comment));
    }
    let unread: Vec<String> =
        columns.iter().filter(|c| !fields.iter().any(|f| f.column == c.at)).map(Column::label).collect();
    if !unread.is_empty() {
        line(&mut out, "", &format!("Not read: {}", brief(&one_line(&unread.join(", ")), 300)));
    }
    out.lines().map(str::trim).collect::<Vec<_>>().join("\n") + "\n"
}

/// The words for missing values that cells have, as TOML.
fn missing(rows: &[Vec<String>]) -> Vec<String> {
    let found = rows.iter().flatten().map(|cell| cell.trim()).filter(|cell| words::is_missing(cell));
    let by_word: BTreeMap<String, &str> = found.map(|cell| (folded(cell), cell)).collect();
    by_word.into_values().map(text).collect()
}

fn decision<'c, 'a>(columns: &'c [Column<'a>], fields: &'c [Field]) -> Option<(&'c Column<'a>, &'c Field)> {
    let field = fields.iter().find(|f| f.name == "decision")?;
    Some((&columns[field.column], field))
}

/// Whether the file is read in full without a mapping.
fn goes_by_names(names: &[String], columns: &[Column<'_>], fields: &[Field]) -> bool {
    let own = |(column, field): (&Column<'_>, &Field)| {
        let words = column.words(field);
        column.blanks() == 0 && !words.is_empty() && words.iter().all(|word| Decision::parse(&folded(word)).is_some())
    };
    decision(columns, fields).is_some_and(own)
        && Mapping::default().plan(names.iter().map(String::as_str)).is_ok_and(|plan| plan.unread().is_empty())
}

/// Writes what belongs before the tables: `threshold` or `leave_out`.
fn decisions_above(out: &mut String, columns: &[Column<'_>], fields: &[Field]) {
    let Some((column, field)) = decision(columns, fields) else { return };
    if column.is_share() {
        let _ = writeln!(out, "threshold = 0.5 # accepted from here on");
        return;
    }
    let left: Vec<String> = column.words(field).into_iter().filter(|w| words::is_open(w)).map(|w| text(&w)).collect();
    if !left.is_empty() {
        let _ = writeln!(out, "leave_out = [{}] # no decisions yet", left.join(", "));
    }
}

fn decisions_below(out: &mut String, columns: &[Column<'_>], fields: &[Field]) {
    let Some((column, field)) = decision(columns, fields) else {
        out.push_str("# No column of decisions was found: add `decision = \"its column\"` to [columns].\n");
        return;
    };
    if column.is_share() {
        return;
    }
    let mut lines = Vec::new();
    let mut rejected = false;
    for word in column.words(field) {
        match words::decision(&word) {
            Some(meaning) => {
                rejected |= meaning == "rejected";
                if folded(&word) != meaning {
                    lines.push(format!("{} = \"{meaning}\"", text(&word)));
                }
            }
            None if words::is_open(&word) => {}
            None => lines.push(format!("# {} = \"…\" # what does it mean?", text(&word))),
        }
    }
    let blank = column.blanks();
    if blank > 0 && !rejected {
        lines.push(format!("\"\" = \"rejected\" # {blank} cells are blank, and none says rejected"));
    } else if blank > 0 {
        lines.push(format!(
            "# \"\" = \"rejected\" # {blank} cells are blank: rejected rows unless this says what they mean"
        ));
    }
    if !lines.is_empty() {
        out.push_str("[decisions]\n");
        lines.iter().for_each(|line| out.push_str(&format!("{line}\n")));
    }
}

fn comment(column: &Column<'_>, field: &Field) -> String {
    let mut text = format!("such as {}", column.example());
    if field.note.is_empty() {
        text
    } else {
        let _ = write!(text, "; {}", field.note); // writing to a string does not fail
        text
    }
}

fn one_line(text: &str) -> String {
    visible::line(text).into_owned()
}

/// A text as TOML writes it.
fn text(value: &str) -> String {
    if !value.contains('\'') && value.contains(['\\', '"']) && visible::is_plain(value) {
        return format!("'{value}'");
    }
    let mut toml = String::with_capacity(value.len() + 2);
    toml.push('"');
    for c in value.chars() {
        let _ = match c {
            '"' | '\\' => write!(toml, "\\{c}"),
            '\n' => write!(toml, "\\n"),
            '\r' => write!(toml, "\\r"),
            '\t' => write!(toml, "\\t"),
            c if visible::is_plain_char(c) => write!(toml, "{c}"),
            c => write!(toml, "\\U{:08X}", u32::from(c)),
        }; // writing to a string does not fail
    }
    toml.push('"');
    toml
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_is_plain_toml_with_the_same_value(value: String) {
            let written = text(&value);
            prop_assert!(visible::is_plain(&written), "{written}");
            let read: toml::Table = toml::from_str(&format!("a = {written}")).unwrap();
            prop_assert_eq!(read["a"].as_str(), Some(&*value));
        }
    }

    #[test]
    fn a_name_with_invisible_characters_keeps_its_value() {
        for value in ["\u{200c}می\u{200c}شود", "a\\\u{ad}b", "👩\u{200d}🎓 \"quoted\""] {
            let read: toml::Table = toml::from_str(&format!("a = {}", text(value))).unwrap();
            assert_eq!(read["a"].as_str(), Some(value));
        }
    }
    use crate::record::shape::{Kind, SPECS};

    /// Two values that the field can have.
    fn values(target: Target) -> [String; 2] {
        if target.is("application_year") {
            return ["2024", "2025"].map(str::to_owned);
        }
        match target.kind() {
            Kind::Id | Kind::Text => ["first", "second"].map(str::to_owned),
            Kind::Number | Kind::Whole(_) => {
                let low = target.scale().map_or(0.0, |scale| scale.low);
                let step = if target.is("program.acceptance_rate") { 0.25 } else { 1.0 };
                [1.0, 2.0].map(|n| (low + n * step).to_string())
            }
            Kind::Flag => ["true", "false"].map(str::to_owned),
            Kind::Date => ["2024-03-01", "2025-03-01"].map(str::to_owned),
            Kind::Time => ["2024-03-01T10:00:00Z", "2025-03-01T10:00:00Z"].map(str::to_owned),
            Kind::Word(words) => [words()[0], words()[1]].map(str::to_owned),
        }
    }

    #[test]
    fn a_column_with_a_fields_own_name_is_that_field() {
        let targets: Vec<Target> = Target::all().collect();
        let names: Vec<String> = targets.iter().map(|target| target.name()).collect();
        let reads = |text: &str, field: &str, column: &str| {
            text.lines().any(|line| line.starts_with(&format!("{field} = \"{column}\"")))
        };
        for (target, name) in targets.iter().zip(&names) {
            let rows = values(*target).map(|value| vec![value]);
            let path = match target {
                Target::Field(i) => SPECS[*i].path.to_owned(),
                Target::Test(..) => name.clone(),
            };
            for header in [name.clone(), name.replace('_', " ").to_uppercase(), path] {
                let text = guess(Some(std::slice::from_ref(&header)), &rows, &Facts::default());
                assert!(reads(&text, name, &header), "{name}:\n{text}");
            }
        }
        let row = |n: usize| targets.iter().map(|target| values(*target)[n].clone()).collect::<Vec<String>>();
        let all = [row(0), row(1)];
        let text = guess(Some(&names), &all, &Facts::default());
        assert!(names.iter().all(|name| reads(&text, name, name)), "{text}");
    }

    #[test]
    fn usual_names_with_additions_and_usual_words_of_decisions_are_known() {
        let header = ["CGPA (out of 10)", "TOEFL iBT", "Univ applied", "Result of application", "GRE (Verbal)"]
            .map(str::to_owned);
        let row = |cells: [&str; 5]| cells.map(str::to_owned).to_vec();
        let rows = [
            row(["9.1", "110", "MIT", "Admit", "160"]),
            row(["8.2", "101", "UCLA", "Reject", "155"]),
            row(["8.0", "99", "ASU", "Wait list", "150"]),
        ];
        let text = guess(Some(&header), &rows, &Facts::default());
        for part in [
            "gpa = \"CGPA (out of 10)\"",
            "toefl_total = \"TOEFL iBT\"",
            "university_name = \"Univ applied\"",
            "decision = \"Result of application\"",
            "gre_verbal = \"GRE (Verbal)\"",
            "\"Admit\" = \"accepted\"",
            "\"Reject\" = \"rejected\"",
            "\"Wait list\" = \"waitlisted\"",
            "gpa_scale = 10.0",
        ] {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
        assert!(text.starts_with("# Guessed from 3 rows"), "{text}");
    }

    #[test]
    fn a_file_that_needs_no_mapping_is_told_so_first() {
        let header = ["data_point_id", "gpa", "university_name", "decision"].map(str::to_owned);
        let said = |decision: &str| {
            let rows = [["a", "3.1", "MIT", decision].map(str::to_owned).to_vec()];
            guess(Some(&header), &rows, &Facts::default()).starts_with("# The import reads every column")
        };
        assert!(said("accepted") && !said("Admit"));
    }

    #[test]
    fn a_column_of_texts_is_no_number_whatever_its_name() {
        let header = ["acceptance_rate".to_owned()];
        let text = guess(Some(&header), &[vec!["low".to_owned()], vec!["high".to_owned()]], &Facts::default());
        assert!(text.contains("# Not read: acceptance_rate"), "{text}");
    }
}
