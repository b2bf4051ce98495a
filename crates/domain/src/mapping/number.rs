//! Numbers as people write them: `3.75`, `3,75`, `$30,000`. A number with one separator before three digits, such as
//! `3,125`, has two readings. The mapping states which one is meant; else it is detected from the file or follows from
//! the field's scale.

use std::borrow::Cow;

/// Signs before an amount.
const CURRENCIES: [char; 6] = ['$', '€', '£', '¥', '₹', '₩'];

/// How the numbers of a file are written, as detected from its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Separators {
    /// `3.75`; a comma separates thousands.
    #[default]
    Points,
    /// `3,75`; a point separates thousands.
    Commas,
    /// No cell shows what a comma means: `1,234` has two readings.
    Unsure,
    /// Both are in use: `1,234` and `1.234` have two readings.
    Mixed,
}

/// The values that a field can have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub low: f64,
    pub high: f64,
    pub whole: bool,
}

impl Scale {
    fn has(self, x: f64) -> bool {
        (self.low..=self.high).contains(&x) && !(self.whole && x.fract() != 0.0)
    }
}

/// Result of reading a text as a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reading {
    Number(f64),
    /// The text has two readings, of which only this one is on the field's scale.
    ByScale(f64),
    /// The text has two readings, and nothing settles which one is meant.
    Either {
        thousands: f64,
        fraction: f64,
    },
    /// The text is not a number.
    None,
}

/// How the numbers of a column are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Notation {
    /// Whether `3,75` is a number, where the mapping says so.
    pub decimal_comma: Option<bool>,
    /// What was detected in the file.
    pub separators: Separators,
    /// Scale of the field, if it has one.
    pub scale: Option<Scale>,
    /// Each number is multiplied by the first and increased by the second.
    pub linear: Option<(f64, f64)>,
}

impl Notation {
    pub fn read(&self, text: &str) -> Reading {
        let text = &*without_gaps(text.trim());
        if self.decimal_comma.is_none()
            && let Some((separator, thousands, fraction)) = two_readings(text)
        {
            return self.choose(text, separator, self.scaled(thousands), self.scaled(fraction));
        }
        let comma = self.decimal_comma.unwrap_or(self.separators == Separators::Commas);
        number(text, comma).map_or(Reading::None, |x| Reading::Number(self.scaled(x)))
    }

    /// Reads a number whose decimal separator is a point, as in JSON.
    pub fn plain(&self, text: &str) -> Option<f64> {
        number(text, false).map(|x| self.scaled(x))
    }

    fn scaled(&self, x: f64) -> f64 {
        self.linear.map_or(x, |(factor, add)| x * factor + add)
    }

    fn choose(&self, text: &str, separator: char, thousands: f64, fraction: f64) -> Reading {
        use Separators::{Commas, Mixed, Points, Unsure};
        let usual = match (self.separators, separator) {
            (Points, ',') | (Commas, '.') => Some(thousands),
            (Points | Unsure, '.') | (Commas, ',') => Some(fraction),
            // No amount of money has three decimals.
            (Unsure | Mixed, _) => text.starts_with(CURRENCIES).then_some(thousands),
            _ => None,
        };
        let (many, few) = self.scale.map_or((true, true), |scale| (scale.has(thousands), scale.has(fraction)));
        let only = match (many, few) {
            (true, false) => Some(thousands),
            (false, true) => Some(fraction),
            _ => None,
        };
        match (usual, only) {
            (Some(x), None) => Reading::Number(x),
            (Some(x), Some(only)) if x == only => Reading::Number(x),
            (_, Some(only)) => Reading::ByScale(only),
            (None, None) => Reading::Either { thousands, fraction },
        }
    }
}

/// The separator and both readings of a number whose separator may be of thousands or of decimals: `1,234`, `12.345`.
fn two_readings(text: &str) -> Option<(char, f64, f64)> {
    let text = without_sign(text);
    let at = text.find([',', '.'])?;
    let (whole, rest) = (&text[..at], &text[at + 1..]);
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if !(1..=3).contains(&whole.len()) || rest.len() != 3 || whole.starts_with('0') || !digits(whole) || !digits(rest) {
        return None;
    }
    let separator = if text.as_bytes()[at] == b',' { ',' } else { '.' };
    Some((separator, format!("{whole}{rest}").parse().ok()?, format!("{whole}.{rest}").parse().ok()?))
}

/// The text without blanks and apostrophes that separate thousands: `30 000`, `30'000`.
fn without_gaps(text: &str) -> Cow<'_, str> {
    const GAPS: [char; 6] = [' ', '\u{a0}', '\u{2009}', '\u{202f}', '\'', '\u{2019}'];
    let number = without_sign(text);
    let mut groups = number.split(GAPS);
    let digits = |part: &str| part.bytes().take_while(u8::is_ascii_digit).count();
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    let Some((last, middle)) = rest.split_last() else { return Cow::Borrowed(text) };
    let whole = |part: &&str| part.len() == 3 && digits(part) == 3;
    let parted =
        (1..=3).contains(&first.len()) && digits(first) == first.len() && middle.iter().all(whole) && digits(last) == 3;
    if parted { Cow::Owned(text.replace(GAPS, "")) } else { Cow::Borrowed(text) }
}

fn without_sign(text: &str) -> &str {
    text.trim_start_matches(CURRENCIES).trim()
}

/// Reads a number. The decimal separator is a comma or a point; the other character may separate thousands: `$30,000`,
/// `1,234.5`.
pub fn number(text: &str, decimal_comma: bool) -> Option<f64> {
    let text = without_sign(text);
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
    // The last group has three digits. The groups before it have two digits in Indian notation, else three.
    let grouped = rest.split_last().is_none_or(|(last, middle)| {
        // A group of thousands does not begin with a zero: `0,125` is a fraction with a decimal comma.
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
    fn a_number_with_two_readings_has_the_one_that_is_said_or_told_or_on_the_scale() {
        use Reading::{ByScale, Either, Number};
        use Separators::{Commas, Mixed, Points, Unsure};
        let either = |thousands, fraction| Either { thousands, fraction };
        let grade = Some(Scale { low: 0.0, high: 100.0, whole: false });
        let year = Some(Scale { low: 0.0, high: 3000.0, whole: true });
        for (text, separators, scale, expected) in [
            ("3,125", Points, None, Number(3125.0)),
            ("3,125", Commas, None, Number(3.125)),
            ("3,125", Unsure, None, either(3125.0, 3.125)),
            ("3,125", Mixed, None, either(3125.0, 3.125)),
            ("3.125", Points, None, Number(3.125)),
            ("3.125", Commas, None, Number(3125.0)),
            ("3.125", Unsure, None, Number(3.125)),
            ("3.125", Mixed, None, either(3125.0, 3.125)),
            ("3,125", Points, grade, ByScale(3.125)),
            ("3,125", Unsure, grade, ByScale(3.125)),
            ("3.125", Commas, grade, ByScale(3.125)),
            ("3,125", Commas, grade, Number(3.125)),
            ("2,019", Unsure, year, ByScale(2019.0)),
            ("2,019", Points, year, Number(2019.0)),
            // Neither is on the scale: as the file has it, or refused.
            ("300,125", Points, grade, Number(300_125.0)),
            ("300,125", Unsure, grade, either(300_125.0, 300.125)),
            ("$30,000", Unsure, None, Number(30_000.0)),
            ("30 000", Unsure, None, Number(30_000.0)),
            ("€ 30\u{202f}000,50", Commas, None, Number(30_000.5)),
            ("1'234'567.8", Points, None, Number(1_234_567.8)),
            ("30 00", Unsure, None, Reading::None),
            ("3 3.5", Points, None, Reading::None),
            ("1 200 300,125", Unsure, None, Reading::None),
            ("€1.234", Mixed, None, Number(1234.0)),
            ("1,234,567", Unsure, None, Number(1_234_567.0)),
            ("1,234.5", Unsure, None, Number(1234.5)),
            ("0.125", Mixed, None, Number(0.125)),
            ("160", Mixed, None, Number(160.0)),
            ("3,75", Mixed, None, Reading::None),
            ("3,75", Unsure, None, Reading::None),
        ] {
            let notation = Notation { separators, scale, ..Notation::default() };
            assert_eq!(notation.read(text), expected, "{text} {separators:?} {scale:?}");
        }
        for (said, expected) in [(true, 3.125), (false, 3125.0)] {
            let notation = Notation { decimal_comma: Some(said), separators: Mixed, scale: grade, linear: None };
            assert_eq!(notation.read("3,125"), Number(expected));
        }
        let months = Notation { separators: Unsure, scale: grade, linear: Some((12.0, 1.0)), ..Notation::default() };
        assert_eq!(months.read("1,250"), ByScale(16.0));
        assert_eq!(months.plain("1.5"), Some(19.0));
    }
}
