//! One cell as the JSON value of its field.

use super::Source;
use crate::names::folded;
use crate::record::explain::{allowed, fits};
use crate::record::shape::Kind;
use chrono::format::{Item, StrftimeItems};
use chrono::{Datelike, NaiveDate, NaiveDateTime};
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use std::collections::BTreeMap;

/// Bytes of a compiled pattern. The engine takes time in proportion to the cell, whatever the pattern.
const PATTERN_BYTES: usize = 1 << 20;
/// Years of dates.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2200;
/// Signs before an amount.
const CURRENCIES: [char; 6] = ['$', '€', '£', '¥', '₹', '₩'];

/// What a file's rules say of all its columns.
#[derive(Debug, Clone, Default)]
pub struct Common {
    pub missing: Vec<String>,
    pub decimal_comma: bool,
    /// Numbers are written with points and with commas: `1,234` and `1.234` could be either.
    pub mixed: bool,
    pub date_format: Option<String>,
}

/// A column's rules, checked and ready.
#[derive(Debug, Clone)]
pub struct Rule {
    kind: Kind,
    pattern: Option<Regex>,
    /// Folded.
    missing: Vec<String>,
    /// By folded text.
    values: BTreeMap<String, Value>,
    scale: Option<(f64, f64)>,
    decimal_comma: bool,
    mixed: bool,
    date_format: Option<String>,
}

/// What a cell holds.
pub enum Cell {
    Value(Value),
    /// Blank, or a word for it.
    Missing,
    /// The pattern found nothing.
    Unmatched,
}

impl Rule {
    /// Faults are the tail of a pointer and a message each.
    pub fn new(kind: Kind, source: &Source, common: &Common) -> Result<Self, Vec<(String, String)>> {
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
            scale: scaled.then(|| (source.factor.unwrap_or(1.0), source.add.unwrap_or(0.0))),
            decimal_comma: source.decimal_comma.unwrap_or(common.decimal_comma),
            mixed: common.mixed && source.decimal_comma.is_none(),
            date_format: source.date_format.clone().or_else(|| common.date_format.clone()).filter(|_| is_date),
        })
    }

    /// The text that counts: of the first group that took part, or of all that the pattern found. None: it found nothing.
    pub fn captured<'c>(&self, cell: &'c str) -> Option<&'c str> {
        let Some(pattern) = &self.pattern else { return Some(cell) };
        let found = pattern.captures(cell)?;
        let group = (1..found.len()).find_map(|i| found.get(i)).or_else(|| found.get(0));
        group.map(|m| m.as_str().trim())
    }

    pub fn is_missing(&self, cell: &str) -> bool {
        !self.missing.is_empty() && self.missing.contains(&folded(cell))
    }

    /// Reads a cell without blanks around it. `plain`: a number of JSON, whose point is a point whatever the texts have.
    ///
    /// # Errors
    /// What is allowed there.
    pub fn read(&self, cell: &str, plain: bool) -> Result<Cell, String> {
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
        self.value(text, plain).map(Cell::Value).ok_or_else(|| {
            let format = self.date_format.as_deref().map(|f| format!(" written as {f:?}")).unwrap_or_default();
            format!("{}{format}", allowed(self.kind))
        })
    }

    fn value(&self, text: &str, plain: bool) -> Option<Value> {
        match self.kind {
            Kind::Number => self.number(text, plain).map(Value::from),
            Kind::Whole(_) => match self.scale {
                None => text.parse::<u64>().ok().map(Value::from).or_else(|| self.number(text, plain).map(Value::from)),
                Some(_) => self.number(text, plain).map(Value::from),
            },
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
            Kind::Id | Kind::Text => Some(Value::from(text)),
        }
    }

    fn number(&self, text: &str, plain: bool) -> Option<f64> {
        if self.mixed && !plain && is_either(text) {
            return None;
        }
        let read = number(text, self.decimal_comma && !plain)?;
        let (factor, add) = self.scale.unwrap_or((1.0, 0.0));
        Some(read * factor + add).filter(|x| x.is_finite() && *x >= 0.0)
    }
}

/// Whether this is thousands to some and a fraction to others: `1,234`, `12.345`.
fn is_either(text: &str) -> bool {
    let text = text.trim_start_matches(CURRENCIES).trim();
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    text.split_once([',', '.']).is_some_and(|(whole, rest)| {
        (1..=3).contains(&whole.len()) && rest.len() == 3 && !whole.starts_with('0') && digits(whole) && digits(rest)
    })
}

/// A number as people write it: `3.75`, `3,75` with a decimal comma, `$30,000`, `1,234.5`.
pub fn number(text: &str, decimal_comma: bool) -> Option<f64> {
    let text = text.trim_start_matches(CURRENCIES).trim();
    if let Ok(read) = text.parse::<f64>()
        && !(decimal_comma && text.contains('.'))
    {
        return Some(read);
    }
    let (group, point) = if decimal_comma { ('.', ',') } else { (',', '.') };
    let (whole, fraction) = text.split_once(point).unwrap_or((text, ""));
    let mut groups = whole.split(group);
    let first = groups.next()?;
    let digits = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    let rest: Vec<&str> = groups.collect();
    // The last group has three digits; those before it two in India.
    let grouped = rest.split_last().is_none_or(|(last, middle)| {
        // No thousands begin with a zero: `0,125` is a fraction of someone else's.
        !first.starts_with('0')
            && digits(first, 1..=3)
            && digits(last, 3..=3)
            && middle.iter().all(|part| digits(part, 2..=3))
    });
    if !grouped || !digits(first, 1..=30) || !digits(fraction, 0..=30) {
        return None;
    }
    format!("{first}{}.{fraction}0", rest.concat()).parse().ok()
}

/// A day, or the day of a time. `%Y` takes `19` for the year 19: years that nobody means are no date.
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
    fn numbers_are_read_as_people_write_them() {
        for (text, expected) in [
            ("3.75", Some(3.75)),
            ("$30,000", Some(30_000.0)),
            ("€ 1,234.50", Some(1234.5)),
            ("1,00,000", Some(100_000.0)),
            ("1e3", Some(1000.0)),
            ("3,75", None),
            ("12,34", None),
            ("1,2345", None),
            ("3.7.5", None),
            (",5", None),
            ("0,125", None),
            ("00,125", None),
            ("three", None),
            ("", None),
        ] {
            assert_eq!(number(text, false), expected, "{text}");
        }
        for (text, expected) in [
            ("3,75", Some(3.75)),
            ("1.234,5", Some(1234.5)),
            ("1.234", Some(1234.0)),
            ("7", Some(7.0)),
            ("3.75", None),
            ("0.125", None),
            ("0,125", Some(0.125)),
        ] {
            assert_eq!(number(text, true), expected, "{text}");
        }
    }

    #[test]
    fn what_could_be_either_is_refused_in_a_mixed_file() {
        let common = Common { mixed: true, ..Common::default() };
        let rule = Rule::new(Kind::Number, &Source::default(), &common).ok();
        let read = |text, plain| matches!(rule.as_ref().map(|r| r.read(text, plain)), Some(Ok(Cell::Value(_))));
        assert!(!read("1,234", false) && !read("1.234", false) && !read("3,75", false));
        assert!(read("3.75", false) && read("0.125", false) && read("1.234", true) && read("160", false));
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
        let rule = |values| Rule::new(Kind::Number, &Source { values, ..Source::default() }, &Common::default());
        assert!(rule(values(&[("A", 4.0), ("a", 4.0)])).is_ok());
        let faults = rule(values(&[("A", 4.0), ("a", 3.0)])).err().unwrap_or_default();
        assert_eq!(faults.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>(), ["/values/a"]);
    }
}
