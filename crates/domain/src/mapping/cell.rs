//! Conversion of cells to the JSON values of their fields.

use super::Source;
use super::number::{Notation, Reading, Scale, Separators};
use crate::check::{Fault, brief};
use crate::fields::{escaped, shown};
use crate::names::folded;
use crate::record::explain::{allowed, fits};
use crate::record::shape::Kind;
use chrono::format::{Item, StrftimeItems};
use chrono::{Datelike, NaiveDate, NaiveDateTime};
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use std::collections::BTreeMap;

/// Maximum number of bytes of a compiled pattern. For every pattern the engine takes time in proportion to the length
/// of the cell.
const PATTERN_BYTES: usize = 1 << 20;
/// Years that a date may have.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2200;

/// Rules that hold for all columns of a file.
#[derive(Debug, Clone, Default)]
pub struct Common {
    pub missing: Vec<String>,
    pub decimal_comma: Option<bool>,
    /// What was detected about the numbers of the file.
    pub separators: Separators,
    pub date_format: Option<String>,
}

/// A column's rules, checked and ready.
#[derive(Debug, Clone)]
pub struct Rule {
    kind: Kind,
    pattern: Option<Regex>,
    /// Words that mean a missing value, folded.
    missing: Vec<String>,
    /// Values by folded word.
    values: BTreeMap<String, Value>,
    notation: Notation,
    date_format: Option<String>,
}

/// What a cell holds.
pub enum Cell {
    Value(Value),
    /// A number with two readings, of which only this one is on the field's scale.
    ByScale(Value),
    /// A blank cell, or a word that means a missing value.
    Missing,
    /// The pattern does not match.
    Unmatched,
}

/// Why a cell is refused: the end of a message that has already named the column and shown the cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// What is allowed in the cell.
    Allowed(String),
    /// Why the cell is not read.
    Reason(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Allowed(what) => write!(f, "; {what} is allowed"),
            Self::Reason(why) => write!(f, ", {why}"),
        }
    }
}

/// The fault of a cell that is not allowed; `name` is the column's.
pub fn refused(name: &str, text: &str, why: &Refusal) -> Fault {
    let message = format!("`{}` is {}{why}", brief(name, 60), shown(&Value::from(text)));
    Fault { pointer: format!("/{}", escaped(name)), message }
}

impl Rule {
    /// Checks the rules of a column; `scale` is that of its field.
    ///
    /// # Errors
    /// All faults, each as the tail of a pointer and a message.
    pub fn new(
        kind: Kind,
        scale: Option<Scale>,
        source: &Source,
        common: &Common,
    ) -> Result<Self, Vec<(String, String)>> {
        let mut faults = Vec::new();
        let mut fault = |at: &str, message: String| faults.push((at.to_owned(), message));
        let pattern = source.pattern.as_deref().and_then(|text| {
            let built = RegexBuilder::new(text).size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES).build();
            built.map_err(|e| fault("/pattern", format!("`pattern` cannot be used: {}", one_line(&e.to_string())))).ok()
        });
        for (word, value) in &source.values {
            if !value.is_null() && !fits(kind, value) {
                let message = format!("`{word}` means {}; {} is allowed", crate::fields::shown(value), allowed(kind));
                fault(&format!("/values/{}", crate::fields::escaped(word)), message);
            }
        }
        let mut known: BTreeMap<String, (&String, &Value)> = BTreeMap::new();
        for (word, value) in &source.values {
            let (first, meaning) = *known.entry(folded(word)).or_insert((word, value));
            if meaning != value {
                let message = format!("`{word}` and `{first}` are one word, and mean different values");
                fault(&format!("/values/{}", crate::fields::escaped(word)), message);
            }
        }
        let is_number = matches!(kind, Kind::Number | Kind::Whole(_));
        for (name, given) in [
            ("factor", source.factor.is_some()),
            ("add", source.add.is_some()),
            ("decimal_comma", source.decimal_comma.is_some()),
        ] {
            if given && !is_number {
                fault(&format!("/{name}"), format!("`{name}` is for numbers, and this field is {}", allowed(kind)));
            }
        }
        let is_date = matches!(kind, Kind::Date | Kind::Time);
        if source.date_format.is_some() && !is_date {
            fault("/date_format", format!("`date_format` is for dates, and this field is {}", allowed(kind)));
        }
        if let Some(format) = source.date_format.as_deref()
            && !is_format(format)
        {
            fault("/date_format", format!("`date_format` is {format:?}; one such as \"%d %b %Y\" is allowed"));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let missing = common.missing.iter().chain(&source.missing).map(|word| folded(word)).collect();
        let scaled = source.factor.is_some() || source.add.is_some();
        Ok(Self {
            kind,
            pattern,
            missing,
            values: source.values.iter().map(|(word, value)| (folded(word), value.clone())).collect(),
            notation: Notation {
                decimal_comma: source.decimal_comma.or(common.decimal_comma),
                separators: common.separators,
                scale,
                linear: scaled.then(|| (source.factor.unwrap_or(1.0), source.add.unwrap_or(0.0))),
            },
            date_format: source.date_format.clone().or_else(|| common.date_format.clone()).filter(|_| is_date),
        })
    }

    /// The part of the cell that is read: the first group that matched, or the whole match. None if the pattern does
    /// not match.
    pub fn captured<'c>(&self, cell: &'c str) -> Option<&'c str> {
        let Some(pattern) = &self.pattern else { return Some(cell) };
        let found = pattern.captures(cell)?;
        let group = (1..found.len()).find_map(|i| found.get(i)).or_else(|| found.get(0));
        group.map(|m| m.as_str().trim())
    }

    pub fn is_missing(&self, cell: &str) -> bool {
        !self.missing.is_empty() && self.missing.contains(&folded(cell))
    }

    /// Reads a cell without blanks around it. `plain`: the cell is a number of JSON, whose decimal separator is a
    /// point, whatever separators the texts of the file have.
    ///
    /// # Errors
    /// If the cell does not hold a value of the field.
    pub fn read(&self, cell: &str, plain: bool) -> Result<Cell, Refusal> {
        if self.is_missing(cell) {
            return Ok(Cell::Missing);
        }
        let Some(text) = self.captured(cell) else { return Ok(Cell::Unmatched) };
        if !self.values.is_empty()
            && let Some(value) = self.values.get(&folded(text))
        {
            return Ok(if value.is_null() { Cell::Missing } else { Cell::Value(value.clone()) });
        }
        if text.is_empty() {
            return Ok(Cell::Missing);
        }
        let not_allowed = || {
            let format = self.date_format.as_deref().map(|f| format!(" written as {f:?}")).unwrap_or_default();
            Refusal::Allowed(format!("{}{format}", allowed(self.kind)))
        };
        // A large integer would lose digits as a floating-point number.
        if let (Kind::Whole(_), None, Ok(whole)) = (self.kind, self.notation.linear, text.parse::<u64>()) {
            return Ok(Cell::Value(whole.into()));
        }
        match self.kind {
            Kind::Number | Kind::Whole(_) => self.number(text, plain, not_allowed),
            _ => self.other(text).map(Cell::Value).ok_or_else(not_allowed),
        }
    }

    fn number(&self, text: &str, plain: bool, not_allowed: impl Fn() -> Refusal) -> Result<Cell, Refusal> {
        let value = |x: f64| {
            if x.is_finite() && x >= 0.0 { Ok(Value::from(x)) } else { Err(not_allowed()) }
        };
        if plain {
            return self.notation.plain(text).map_or_else(|| Err(not_allowed()), value).map(Cell::Value);
        }
        match self.notation.read(text) {
            Reading::Number(x) => value(x).map(Cell::Value),
            Reading::ByScale(x) => value(x).map(Cell::ByScale),
            Reading::Either { thousands, fraction } => Err(Refusal::Reason(format!(
                "which can be read as {thousands} and as {fraction}; a mapping's `decimal_comma` says which (true or false)"
            ))),
            Reading::None => Err(not_allowed()),
        }
    }

    /// Reads a cell whose field is not a number.
    fn other(&self, text: &str) -> Option<Value> {
        match self.kind {
            Kind::Flag => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "1.0" | "yes" | "y" | "t" => Some(Value::Bool(true)),
                "false" | "0" | "0.0" | "no" | "n" | "f" => Some(Value::Bool(false)),
                _ => None,
            },
            Kind::Word(_) => Some(Value::from(folded(text))),
            Kind::Date | Kind::Time => match &self.date_format {
                Some(format) => day(text, format).map(|day| Value::from(day.to_string())),
                None => Some(Value::from(text)),
            },
            Kind::Number | Kind::Whole(_) | Kind::Id | Kind::Text => Some(Value::from(text)),
        }
    }
}

/// Reads a date, or the date of a date and time. `%Y` reads `19` as the year 19, so years outside of `YEARS` are
/// refused.
pub fn day(text: &str, format: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, format)
        .ok()
        .or_else(|| NaiveDateTime::parse_from_str(text, format).ok().map(|time| time.date()))
        .filter(|day| YEARS.contains(&day.year()))
}

pub fn is_format(format: &str) -> bool {
    !format.is_empty() && format.len() <= 100 && !StrftimeItems::new(format).any(|item| matches!(item, Item::Error))
}

fn one_line(text: &str) -> String {
    crate::check::brief(&text.split_whitespace().collect::<Vec<_>>().join(" "), 200).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_either_is_refused_with_both_readings() {
        let common = Common { separators: Separators::Mixed, ..Common::default() };
        let rule = Rule::new(Kind::Number, None, &Source::default(), &common).ok();
        let read = |text, plain| match rule.as_ref().map(|r| r.read(text, plain)) {
            Some(Ok(Cell::Value(value))) => value.to_string(),
            Some(Err(refusal)) => refusal.to_string(),
            _ => String::new(),
        };
        for text in ["1,234", "1.234"] {
            assert!(
                read(text, false).starts_with(", which can be read as 1234 and as 1.234; "),
                "{}",
                read(text, false)
            );
        }
        assert!(read("3,75", false).contains("is allowed"));
        assert_eq!((read("3.75", false), read("1.234", true)), ("3.75".to_owned(), "1.234".to_owned()));
    }

    #[test]
    fn years_that_nobody_means_are_no_dates() {
        assert_eq!(day("3/4/19", "%m/%d/%Y"), None);
        assert_eq!(day("3/4/19", "%m/%d/%y"), NaiveDate::from_ymd_opt(2019, 3, 4));
        assert_eq!(day("3/4/2019", "%m/%d/%Y"), NaiveDate::from_ymd_opt(2019, 3, 4));
        assert_eq!(day("3/4/2019", "%m/%d/%y"), None);
    }

    #[test]
    fn one_word_has_one_value() {
        let values = |list: &[(&str, f64)]| list.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect();
        let rule = |values| Rule::new(Kind::Number, None, &Source { values, ..Source::default() }, &Common::default());
        assert!(rule(values(&[("A", 4.0), ("a", 4.0)])).is_ok());
        let faults = rule(values(&[("A", 4.0), ("a", 3.0)])).err().unwrap_or_default();
        assert_eq!(faults.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>(), ["/values/a"]);
    }
}
