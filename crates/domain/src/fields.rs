//! Reads the fields of a JSON object one by one with defaults and ranges, and collects every fault instead of stopping
//! at the first.

use crate::check::{Fault, Faults, brief};
use crate::limits::{self, fits};
use serde_json::{Map, Value};
use std::fmt::Write;

/// A closed set of words.
pub trait Word: Copy + PartialEq + 'static {
    /// Every value, in the order in which faults list them.
    const WORDS: &'static [Self];
    /// The word in JSON.
    fn word(self) -> &'static str;
    /// The value that this word, or another accepted spelling of it, names.
    fn from_word(s: &str) -> Option<Self> {
        Self::WORDS.iter().copied().find(|w| w.word() == s)
    }
}

pub(crate) fn all_words<W: Word>() -> Vec<&'static str> {
    W::WORDS.iter().map(|w| w.word()).collect()
}

/// A writer that keeps the first `left` characters and then returns an error.
struct Shortened {
    text: String,
    left: usize,
}

impl Write for Shortened {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        for c in part.chars() {
            self.left = self.left.checked_sub(1).ok_or(std::fmt::Error)?;
            self.text.push(c);
        }
        Ok(())
    }
}

/// A value as a message shows it: compact JSON of at most 60 characters. The time does not depend on the value's
/// length.
pub fn shown(value: &Value) -> String {
    let mut shortened = Shortened { text: String::new(), left: 60 };
    if write!(shortened, "{value}").is_ok() {
        return shortened.text;
    }
    shortened.text.chars().take(57).collect::<String>() + "..."
}

/// A name, escaped as one step of an RFC 6901 pointer.
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Longer names are not compared. A comparison takes time and memory in proportion to the product of the lengths, and a
/// client may send a megabyte in place of a word.
const LONGEST_NAME: usize = 100;
/// The allowed name that is most similar to `name` by the normalised Damerau–Levenshtein or the Jaro–Winkler
/// similarity; None if none is similar enough.
pub fn nearest<'a>(name: &str, allowed: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    allowed
        .into_iter()
        .filter(|a| a.len() <= LONGEST_NAME)
        .map(|a| (strsim::normalized_damerau_levenshtein(name, a).max(strsim::jaro_winkler(name, a) - 0.25), a))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, a)| a)
}

/// ` (did you mean `x`?)`, or nothing.
pub(crate) fn did_you_mean<'a>(name: &str, allowed: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, allowed).map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default()
}

/// The largest integer that may be written as 50.0 or 5e1: above it, an f64 cannot tell neighbouring integers apart.
pub(crate) const EXACT: u64 = (1 << 53) - 1;

/// The note on spelling that a message adds to a range that ends above `EXACT`.
pub(crate) fn spelling(high: i128) -> String {
    let wide = high > i128::from(EXACT);
    if wide { format!(" (with a decimal point or an exponent up to {EXACT})") } else { String::new() }
}

/// An integer, also when it is spelled as 50.0.
pub(crate) fn as_whole(value: &Value) -> Option<i128> {
    let Value::Number(n) = value else { return None };
    let float = || n.as_f64().filter(|x| x.fract() == 0.0 && x.abs() <= EXACT as f64).map(|x| x as i128);
    n.as_u64().map(i128::from).or_else(|| n.as_i64().map(i128::from)).or_else(float)
}

/// The limits of a list of texts.
#[derive(Debug, Clone, Copy)]
pub struct Texts {
    /// Maximum number of texts in the list.
    pub items: usize,
    /// Maximum number of characters of each text.
    pub characters: usize,
}

/// Reads the members of a JSON object. A member that is never asked for is unknown, and `finish` reports it.
pub struct Fields<'a> {
    map: &'a Map<String, Value>,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
    /// Faults beyond [`limits::FAULTS`].
    untold: usize,
}

impl<'a> Fields<'a> {
    /// Begins to read a document, which `what` names in the message if the document is not an object.
    ///
    /// # Errors
    /// If the document is not an object.
    pub fn new(body: &'a Value, what: &str) -> Result<Self, Faults> {
        match body {
            Value::Object(map) => Ok(Self { map, known: Vec::new(), faults: Vec::new(), untold: 0 }),
            other => Err(Faults(vec![Fault {
                pointer: String::new(),
                message: format!("the document is {}; {what} is an object", shown(other)),
            }])),
        }
    }

    /// Adds a fault. `tail` is its pointer without the leading slash.
    pub fn fault(&mut self, tail: &str, message: impl Into<String>) {
        self.fault_with(tail, || message.into());
    }

    /// Adds a fault; its message is made only if the fault is among those that are listed.
    pub(crate) fn fault_with(&mut self, tail: &str, message: impl FnOnce() -> String) {
        if self.faults.len() < limits::FAULTS {
            let pointer = brief(&format!("/{tail}"), limits::POINTER).into_owned();
            self.faults.push(Fault { pointer, message: message() });
        } else {
            self.untold += 1;
        }
    }

    /// Whether a fault was found at the field or inside it.
    pub fn is_faulty(&self, name: &str) -> bool {
        self.faults.iter().any(|f| f.pointer.split('/').nth(1) == Some(name))
    }

    /// The member of this name; it counts as known from now on.
    pub fn get(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.map.get(name)
    }

    fn wrong(&mut self, name: &str, value: &Value, allowed: &str) {
        self.fault_with(name, || format!("`{}` is {}; {allowed} is allowed", field_of(name), shown(value)));
    }

    /// A member that is true or false.
    pub fn flag(&mut self, name: &'static str, default: bool) -> bool {
        match self.get(name) {
            None => default,
            Some(Value::Bool(b)) => *b,
            Some(other) => {
                self.wrong(name, other, "true or false");
                default
            }
        }
    }

    /// An integer from `low` to `high`.
    pub fn whole<T: TryFrom<i128>>(&mut self, name: &'static str, default: T, low: i128, high: i128) -> T {
        let Some(value) = self.get(name) else { return default };
        let read = as_whole(value).filter(|n| (low..=high).contains(n)).and_then(|n| T::try_from(n).ok());
        read.unwrap_or_else(|| {
            // The message leaves out an upper end of `i32::MAX` or more where the value is not a number or is below the
            // lower end.
            let open = high >= i128::from(i32::MAX) && value.as_f64().is_none_or(|x| x < low as f64);
            let range =
                if open { format!("of at least {low}") } else { format!("from {low} to {high}{}", spelling(high)) };
            self.wrong(name, value, &format!("an integer {range}"));
            default
        })
    }

    /// An integer from `low` to `high`, or the special value `other`, given with its meaning and outside of that range.
    pub fn whole_or<T: TryFrom<i128>>(
        &mut self,
        name: &'static str,
        default: T,
        other: (i128, &str),
        low: i128,
        high: i128,
    ) -> T {
        let Some(value) = self.get(name) else { return default };
        let read = as_whole(value).filter(|n| *n == other.0 || (low..=high).contains(n));
        read.and_then(|n| T::try_from(n).ok()).unwrap_or_else(|| {
            let (other, meaning) = other;
            self.wrong(name, value, &format!("{other} ({meaning}) or an integer from {low} to {high}"));
            default
        })
    }

    /// A number from `low` to `high`.
    pub fn real(&mut self, name: &'static str, default: f64, low: f64, high: f64) -> f64 {
        let Some(value) = self.get(name) else { return default };
        value.as_f64().filter(|x| (low..=high).contains(x)).unwrap_or_else(|| {
            self.wrong(name, value, &format!("a number from {low} to {high}"));
            default
        })
    }

    fn too_long(&mut self, at: &str, text: &str, most: usize) {
        self.fault_with(at, || {
            let length = text.chars().count();
            format!("`{}` has {length} characters; at most {most} are allowed", field_of(at))
        });
    }

    fn too_many(&mut self, at: &str, found: usize, most: usize) {
        self.fault_with(at, || format!("`{}` has {found} items; at most {most} are allowed", field_of(at)));
    }

    /// A text of at most `most` characters.
    pub fn text(&mut self, name: &'static str, default: String, most: usize) -> String {
        match self.get(name) {
            None => return default,
            Some(Value::String(s)) if fits(s, most) => return s.clone(),
            Some(Value::String(s)) => self.too_long(name, s, most),
            Some(other) => self.wrong(name, other, "a string"),
        }
        default
    }

    /// A text of at most `most` characters, or null.
    pub fn optional_text(&mut self, name: &'static str, most: usize) -> Option<String> {
        match self.get(name)? {
            Value::Null => {}
            Value::String(s) if fits(s, most) => return Some(s.clone()),
            Value::String(s) => self.too_long(name, s, most),
            other => self.wrong(name, other, "a string or null"),
        }
        None
    }

    fn text_list(&mut self, name: &'static str, list: &'a [Value], most: Texts) -> Vec<String> {
        if list.len() > most.items {
            self.too_many(name, list.len(), most.items);
            return Vec::new();
        }
        let mut texts = Vec::with_capacity(list.len());
        for (i, item) in list.iter().enumerate() {
            match item {
                Value::String(s) if fits(s, most.characters) => texts.push(s.clone()),
                Value::String(s) => self.too_long(&format!("{name}/{i}"), s, most.characters),
                other => self.wrong(&format!("{name}/{i}"), other, "a string"),
            }
        }
        texts
    }

    /// A list of texts.
    pub fn texts(&mut self, name: &'static str, default: Vec<String>, most: Texts) -> Vec<String> {
        match self.get(name) {
            None => default,
            Some(Value::Array(list)) => self.text_list(name, list, most),
            Some(other) => {
                self.wrong(name, other, "a list of strings");
                default
            }
        }
    }

    /// A list of texts that may be missing.
    pub fn optional_texts(&mut self, name: &'static str, most: Texts) -> Option<Vec<String>> {
        match self.get(name)? {
            Value::Null => None,
            Value::Array(list) => Some(self.text_list(name, list, most)),
            other => {
                self.wrong(name, other, "a list of strings or null");
                None
            }
        }
    }

    fn word_at<W: Word>(&mut self, at: &str, value: &Value) -> Option<W> {
        let read = value.as_str().and_then(W::from_word);
        if read.is_none() {
            self.fault_with(at, || {
                let words = all_words::<W>();
                let hint = did_you_mean(value.as_str().unwrap_or_default(), words.iter().copied());
                let (field, found) = (field_of(at), shown(value));
                format!("`{field}` is {found}{hint}; one of {} is allowed", words.join(", "))
            });
        }
        read
    }

    /// A member that is one of a list of words.
    pub fn word<W: Word>(&mut self, name: &'static str, default: W) -> W {
        let Some(value) = self.get(name) else { return default };
        self.word_at(name, value).unwrap_or(default)
    }

    /// A member that is a document of its own; its faults are named below it.
    pub fn document<T>(&mut self, name: &'static str, default: T, read: impl FnOnce(&Value) -> Result<T, Faults>) -> T {
        let Some(value) = self.get(name) else { return default };
        read(value).unwrap_or_else(|faults| {
            for fault in faults.below(name).0 {
                self.fault(fault.pointer.trim_start_matches('/'), fault.message);
            }
            default
        })
    }

    /// A list of words, not empty and without repeats.
    pub fn words<W: Word>(&mut self, name: &'static str, default: Vec<W>) -> Vec<W> {
        let list = match self.get(name) {
            None => return default,
            // In a list that is too long, the repeats are not named one by one.
            Some(Value::Array(list)) if list.len() > W::WORDS.len() && list.len() > limits::FAULTS => {
                self.too_many(name, list.len(), W::WORDS.len());
                return default;
            }
            Some(Value::Array(list)) if !list.is_empty() => list,
            Some(other) => {
                self.wrong(name, other, &format!("a list of one or more of {}", all_words::<W>().join(", ")));
                return default;
            }
        };
        let mut words = Vec::with_capacity(list.len());
        for (i, item) in list.iter().enumerate() {
            let at = format!("{name}/{i}");
            match self.word_at::<W>(&at, item) {
                Some(word) if words.contains(&word) => {
                    self.fault(&at, format!("`{}` is named twice in `{name}`", word.word()));
                }
                Some(word) => words.push(word),
                None => {}
            }
        }
        words
    }

    /// Ends reading; unknown members are faults.
    ///
    /// # Errors
    /// All faults that were found.
    pub fn finish<T>(mut self, value: T) -> Result<T, Faults> {
        let known = std::mem::take(&mut self.known);
        for name in self.map.keys().filter(|k| !known.contains(&k.as_str())) {
            self.fault_with(&escaped(name), || {
                let hint = did_you_mean(name, known.iter().copied());
                format!("`{}` is no known field{hint}", brief(name, 60))
            });
        }
        if self.untold > 0 {
            let message = format!("and {} more faults", self.untold);
            self.faults.push(Fault { pointer: String::new(), message });
        }
        if self.faults.is_empty() { Ok(value) } else { Err(Faults(self.faults)) }
    }
}

/// `algorithms/2` is shown as `algorithms[2]`.
fn field_of(tail: &str) -> String {
    match tail.split_once('/') {
        Some((name, index)) => format!("{name}[{index}]"),
        None => tail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn no_range_holds_what_it_refuses() {
        let refused = |value: Value, low, high| {
            let body = json!({ "n": value });
            let mut f = Fields::new(&body, "a test").unwrap();
            f.whole::<i128>("n", 0, low, high);
            f.finish(()).unwrap_err().0.remove(0).message
        };
        let most = i128::from(u32::MAX);
        for (value, said) in [
            (json!(-1), "`n` is -1; an integer of at least 0 is allowed"),
            (json!(2.5), "`n` is 2.5; an integer from 0 to 4294967295 is allowed"),
            (json!("5"), "`n` is \"5\"; an integer of at least 0 is allowed"),
            (json!(5_000_000_000u64), "`n` is 5000000000; an integer from 0 to 4294967295 is allowed"),
        ] {
            assert_eq!(refused(value, 0, most), said);
        }
        assert_eq!(refused(json!(201), 10, 200), "`n` is 201; an integer from 10 to 200 is allowed");
        let large = refused(json!(1e16), 0, u64::MAX.into());
        assert!(large.ends_with("(with a decimal point or an exponent up to 9007199254740991) is allowed"), "{large}");
    }

    proptest! {
        /// The digits that a message shows are the number's own, so that one beyond a bound never reads as the bound.
        #[test]
        fn a_refused_number_is_shown_whole(low in 0.0f64..1.0, width in 0.0f64..1.0, ulps in 1u64..4) {
            let high = low + width;
            let value = f64::from_bits(high.to_bits() + ulps);
            let body = json!({ "x": value });
            let mut f = Fields::new(&body, "a test").unwrap();
            f.real("x", 0.0, low, high);
            let message = f.finish(()).unwrap_err().0.remove(0).message;
            let shown = |before: &str| -> f64 {
                message.split(before).nth(1).unwrap().split([' ', ';']).next().unwrap().parse().unwrap()
            };
            prop_assert!(shown(" is ") > shown(" to "), "{message}");
        }
    }
}
