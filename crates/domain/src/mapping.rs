//! Mappings from the rows of files to data points. A column is found by its field's name (`gpa`, `university_name`),
//! its dotted path (`profile.gpa`) or a test's short name (`gre_verbal`, `toefl`). A mapping assigns columns that have
//! other names.

mod attribute;
mod cell;
mod document;
pub mod guess;
mod header;
mod number;
mod plan;
mod tally;
mod target;
#[cfg(test)]
mod tests;
mod unread;

pub use number::Separators;
pub use plan::{Late, Plan};
pub use tally::Tally;
pub use target::unread_member;
pub use unread::{Unread, listed};

use crate::check::{Fault, Faults, brief};
use crate::fields::{Fields, Texts, escaped, shown};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Placeholder in a guessed mapping for a constant that the file does not give. A mapping that still has the
/// placeholder is refused.
pub const FILL_IN: &str = "FILL IN";

/// The names of all fields that a column can be read into, each once.
pub fn field_names() -> Vec<String> {
    target::Target::all().map(target::Target::name).collect()
}

/// Maximum number of characters of a pattern.
const MAX_PATTERN: usize = 500;
/// Maximum number of characters of other texts.
const MAX_TEXT: usize = 200;
/// Limits of a list of words.
const WORDS: Texts = Texts { items: 1000, characters: MAX_TEXT };
/// Maximum number of entries of one table of a mapping.
const MAX_ENTRIES: usize = 10_000;

/// How the rows of a file are to be read; an empty mapping reads columns by their names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapping {
    /// Field to where its value comes from.
    pub columns: BTreeMap<String, Source>,
    /// Field to the value that it has in every row.
    pub constants: BTreeMap<String, Value>,
    /// A word in the column of decisions to the decision that it means; the key `""` stands for a blank cell.
    pub decisions: BTreeMap<String, String>,
    /// Decisions whose rows are left out.
    pub leave_out: Vec<String>,
    /// For a numeric column of decisions: a row with this number or a greater one is accepted.
    pub threshold: Option<f64>,
    /// Prefix of each id. Without a column of ids, the id is this prefix and the row's number.
    pub id_prefix: Option<String>,
    /// Words that mean a missing value, in every column.
    pub missing: Vec<String>,
    /// Whether `3,75` is a number; None: detected from the file.
    pub decimal_comma: Option<bool>,
    /// Detected from the file, for numbers whose reading `decimal_comma` does not settle.
    pub separators: Separators,
    /// How dates are written (`%d %b %Y`), unless a column says otherwise.
    pub date_format: Option<String>,
    /// `,`, `;`, a tab or `|`; None: detected from the file.
    pub delimiter: Option<u8>,
    /// A label such as `windows-1252`; None: detected from the file.
    pub encoding: Option<String>,
    /// Lines before the header.
    pub skip_lines: u64,
    /// Whether the first row names the columns.
    pub header: Option<bool>,
    /// Faults of the mapping's document, which are reported together with those of the file.
    faults: Vec<Fault>,
}

/// Where a field's value comes from, and how it is read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Source {
    /// The column.
    pub column: Column,
    /// A regular expression. The value is the text of its first group that matched, or of the whole match. A cell that
    /// the pattern does not match is a missing value.
    pub pattern: Option<String>,
    /// Words that mean a missing value.
    pub missing: Vec<String>,
    /// A word in the column to the value that it means.
    pub values: BTreeMap<String, Value>,
    /// Factor of the number: 12 turns years into months.
    pub factor: Option<f64>,
    /// Added to the number after that: 2000 turns `19` into a year.
    pub add: Option<f64>,
    /// As [`Mapping::decimal_comma`], for this column.
    pub decimal_comma: Option<bool>,
    /// As [`Mapping::date_format`], for this column.
    pub date_format: Option<String>,
}

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// The column with this name in the header.
    Name(String),
    /// The column with this number, from 0.
    Number(usize),
}

impl Default for Column {
    fn default() -> Self {
        Column::Number(0)
    }
}

impl Mapping {
    /// Reads a mapping's document. Its faults are kept, and returned by [`Mapping::plan`] together with those of
    /// the mapping for a file.
    pub fn from_json(body: &Value) -> Self {
        let mut f = match Fields::new(body, "a mapping") {
            Ok(fields) => fields,
            Err(faults) => return Self { faults: faults.0, ..Self::default() },
        };
        let mut mapping = Self {
            leave_out: f.texts("leave_out", Vec::new(), WORDS),
            threshold: number(&mut f, "threshold"),
            id_prefix: f.optional_text("id_prefix", MAX_TEXT),
            missing: f.texts("missing", Vec::new(), WORDS),
            decimal_comma: flag(&mut f, "decimal_comma"),
            date_format: f.optional_text("date_format", MAX_TEXT),
            encoding: f.optional_text("encoding", MAX_TEXT),
            skip_lines: f.whole("skip_lines", 0, 0, 1_000_000),
            header: flag(&mut f, "header"),
            ..Self::default()
        };
        if let Some(text) = f.optional_text("delimiter", MAX_TEXT) {
            match text.as_bytes() {
                [byte @ (b',' | b';' | b'\t' | b'|')] => mapping.delimiter = Some(*byte),
                _ => f.fault(
                    "delimiter",
                    format!("`delimiter` is {text:?}; one of \",\" \";\" \"\\t\" \"|\" is allowed"),
                ),
            }
        }
        for (name, value) in table(&mut f, "columns", "") {
            match source(value) {
                Ok(source) => {
                    mapping.columns.insert(name.clone(), source);
                }
                Err(faults) => {
                    for fault in faults.0 {
                        f.fault(&format!("columns/{}{}", escaped(name), fault.pointer), fault.message);
                    }
                }
            }
        }
        mapping.constants.extend(table(&mut f, "constants", "").map(|(name, value)| (name.clone(), undated(value))));
        for (name, value) in table(&mut f, "decisions", "") {
            match value.as_str() {
                Some(meaning) => {
                    mapping.decisions.insert(name.clone(), meaning.to_owned());
                }
                None => {
                    let message = format!("`{}` means {}; a decision is allowed", brief(name, 60), shown(value));
                    f.fault(&format!("decisions/{}", escaped(name)), message);
                }
            }
        }
        mapping.faults = f.finish(()).err().map(|faults| faults.0).unwrap_or_default();
        mapping
    }

    /// Whether a member of this name may be read: the mapping names it, or it has the name of a field.
    pub fn wants(&self, name: &str) -> bool {
        let is = |column: &Column| matches!(column, Column::Name(wanted) if wanted.trim() == name.trim());
        attribute::name(name.trim()).is_some()
            || target::Target::parse(name.trim()).is_some()
            || self.columns.values().any(|source| is(&source.column))
    }

    /// Adds a fault that only the reader of the file can see.
    pub fn fault(&mut self, pointer: &str, message: String) {
        self.faults.push(Fault { pointer: pointer.to_owned(), message });
    }
}

/// The members of a table. A value that is not a table is a fault.
fn table<'a>(
    f: &mut Fields<'a>,
    name: &'static str,
    hint: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    let map: Option<&Map<String, Value>> = match f.get(name) {
        None => None,
        Some(Value::Object(map)) if map.len() <= MAX_ENTRIES => Some(map),
        Some(Value::Object(map)) => {
            f.fault(name, format!("`{name}` has {} entries; up to {MAX_ENTRIES} are allowed", map.len()));
            None
        }
        Some(other) => {
            f.fault(name, format!("`{name}` is {}; a table is allowed{hint}", shown(other)));
            None
        }
    };
    map.into_iter().flatten()
}

fn number(f: &mut Fields<'_>, name: &'static str) -> Option<f64> {
    let value = f.get(name)?;
    let read = value.as_f64().filter(|x| x.is_finite());
    if read.is_none() {
        f.fault(name, format!("`{name}` is {}; a finite number is allowed", shown(value)));
    }
    read
}

fn flag(f: &mut Fields<'_>, name: &'static str) -> Option<bool> {
    f.get(name).is_some().then(|| f.flag(name, false))
}

fn source(value: &Value) -> Result<Source, Faults> {
    let column = |value: &Value| match value {
        Value::String(name) => Some(Column::Name(name.clone())),
        Value::Number(n) => n.as_u64().and_then(|n| usize::try_from(n).ok()).map(Column::Number),
        _ => None,
    };
    let wrong = |pointer: &str, value: &Value| Fault {
        pointer: pointer.to_owned(),
        message: format!("is {}; a column's name, or its number from 0, is allowed", shown(value)),
    };
    if !value.is_object() {
        let column = column(value).ok_or_else(|| Faults(vec![wrong("", value)]))?;
        return Ok(Source { column, ..Source::default() });
    }
    let mut f = Fields::new(value, "a column's rules")?;
    let mut source = Source {
        pattern: f.optional_text("pattern", MAX_PATTERN),
        missing: f.texts("missing", Vec::new(), WORDS),
        factor: number(&mut f, "factor"),
        add: number(&mut f, "add"),
        decimal_comma: flag(&mut f, "decimal_comma"),
        date_format: f.optional_text("date_format", MAX_TEXT),
        ..Source::default()
    };
    source.values.extend(table(&mut f, "values", "").map(|(name, value)| (name.clone(), undated(value))));
    match f.get("column") {
        None => f.fault("column", "`column` is missing; a column's name, or its number from 0, is expected"),
        Some(value) => match column(value) {
            Some(column) => source.column = column,
            None => f.fault("column", wrong("", value).message),
        },
    }
    f.finish(source)
}

/// Replaces a date of TOML by its text; other values stay.
fn undated(value: &Value) -> Value {
    match value {
        Value::Object(map) if map.len() == 1 => map.get("$__toml_private_datetime").unwrap_or(value).clone(),
        other => other.clone(),
    }
}
