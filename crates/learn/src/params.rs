//! Reads typed parameters from a JSON map, and collects every fault.

use provost_domain::{Fault, Faults};
use serde_json::{Map, Value};
use std::fmt::Display;
use std::ops::{Bound, Deref, RangeBounds, RangeInclusive};

/// Parameter name to value, as in the contract's grids (scikit-learn's names).
pub type Params = Map<String, Value>;

/// Parameters that a learner has checked and completed: every parameter is there, and within its range. Only
/// [`Learner::check`](crate::learner::Learner::check) makes them, so that an unchecked map cannot reach a fit (the
/// pattern of linfa's `ParamGuard`).
///
/// ```
/// use provost_domain::Algorithm;
/// use provost_learn::learners::learner;
/// use serde_json::json;
///
/// let forest = learner(Algorithm::RandomForest).unwrap();
/// let checked = forest.check(json!({"n_estimators": 50}).as_object().unwrap()).unwrap();
/// assert_eq!((checked["n_estimators"].as_u64(), checked["min_samples_leaf"].as_u64()), (Some(50), Some(1)));
/// assert!(forest.check(json!({"n_estimators": 0}).as_object().unwrap()).is_err());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedParams(Params);

impl CheckedParams {
    /// The plain map.
    pub fn into_map(self) -> Params {
        self.0
    }

    /// The same parameters with another value of one of them, which the learner is known to accept.
    #[must_use]
    pub(crate) fn with_accepted(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }
}

impl Deref for CheckedParams {
    type Target = Params;

    fn deref(&self) -> &Params {
        &self.0
    }
}

/// Reads parameters one by one. An absent parameter gets its default; for an invalid one a fault is noted and the
/// default is returned. `finish` gives the completed map in reading order, or all faults, those of names that were not
/// read included.
///
/// The same reader serves `Learner::check` (keep `finish`'s map) and `Learner::fit` (keep the values).
pub struct Reader<'a> {
    given: &'a Params,
    defaults: &'a Params,
    read: Params,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    /// `defaults` has every parameter of the algorithm.
    pub fn new(given: &'a Params, defaults: &'a Params) -> Self {
        Self { given, defaults, read: Params::new(), faults: Vec::new() }
    }

    /// A whole number; 100.0 counts as 100.
    pub fn int(&mut self, name: &str, allowed: RangeInclusive<u64>) -> u64 {
        self.int_or_null(name, allowed, false).unwrap_or_default()
    }

    /// A whole number, or null (also spelled "none") for no limit.
    pub fn int_or_none(&mut self, name: &str, allowed: RangeInclusive<u64>) -> Option<u64> {
        self.int_or_null(name, allowed, true)
    }

    fn int_or_null(&mut self, name: &str, allowed: RangeInclusive<u64>, null: bool) -> Option<u64> {
        let or_null = if null { ", or null" } else { "" };
        let expected = format!("a whole number from {} to {}{or_null}", allowed.start(), allowed.end());
        let parse = |value: &Value| match value {
            v if null && is_none(v) => Some(Value::Null),
            v => whole(v).filter(|n| allowed.contains(n)).map(Value::from),
        };
        self.take(name, &expected, parse).as_u64()
    }

    /// A finite number, e.g. within `0.0..=1.0` or `(Bound::Excluded(0.0), Bound::Included(1.0))`.
    pub fn float(&mut self, name: &str, allowed: impl RangeBounds<f64>) -> f64 {
        let expected = format!("a number {}", describe(&allowed));
        let parse = |v: &Value| v.as_f64().filter(|n| n.is_finite() && allowed.contains(n)).map(Value::from);
        self.take(name, &expected, parse).as_f64().unwrap_or_default()
    }

    /// True or false.
    pub fn bool(&mut self, name: &str) -> bool {
        self.take(name, "true or false", |v| v.as_bool().map(Value::from)).as_bool().unwrap_or_default()
    }

    /// One of `allowed`.
    pub fn word(&mut self, name: &str, allowed: &[&str]) -> String {
        self.word_or_null(name, allowed, false).unwrap_or_default()
    }

    /// One of `allowed`, or null (also spelled "none").
    pub fn word_or_none(&mut self, name: &str, allowed: &[&str]) -> Option<String> {
        self.word_or_null(name, allowed, true)
    }

    fn word_or_null(&mut self, name: &str, allowed: &[&str], null: bool) -> Option<String> {
        let or_null = if null { ", or null" } else { "" };
        let expected = format!("one of {}{or_null}", allowed.join(", "));
        let parse = |value: &Value| match value {
            v if null && is_none(v) => Some(Value::Null),
            v => v.as_str().filter(|w| allowed.contains(w)).map(Value::from),
        };
        self.take(name, &expected, parse).as_str().map(str::to_owned)
    }

    /// A parameter of any other type: `parse` returns the canonical value, or None if the value is not `expected` (the
    /// fault says "… is not {expected}").
    pub fn take(&mut self, name: &str, expected: &str, parse: impl Fn(&Value) -> Option<Value>) -> Value {
        let default = || self.defaults.get(name).cloned().unwrap_or_default();
        let value = match self.given.get(name) {
            None => default(),
            Some(given) => parse(given).unwrap_or_else(|| {
                // Written in digits, the same number may be allowed.
                let inexact = whole(given).is_none() && given.as_f64().is_some_and(|n| n > 9e15 && n.fract() == 0.0);
                let digits = if inexact { ", in digits without a point or an exponent" } else { "" };
                let expected = format!("{expected}{digits}");
                self.faults.push(fault(name, format!("{name}: {} is not {expected}", shown(given))));
                default()
            }),
        };
        self.read.insert(name.to_owned(), value.clone());
        value
    }

    /// A fault that concerns several parameters, noted at one of them.
    pub fn fault(&mut self, name: &str, message: impl Display) {
        self.faults.push(fault(name, message.to_string()));
    }

    /// Returns the completed parameters in reading order.
    ///
    /// # Errors
    ///
    /// All faults, those of names that were not read included.
    pub fn finish(mut self) -> Result<CheckedParams, Faults> {
        let known = self.read.keys().cloned().collect::<Vec<_>>().join(", ");
        for name in self.given.keys().filter(|name| !self.read.contains_key(*name)) {
            self.faults.push(fault(name, format!("{name} is not a parameter of this algorithm; it has {known}")));
        }
        if self.faults.is_empty() { Ok(CheckedParams(self.read)) } else { Err(Faults(self.faults)) }
    }
}

fn fault(name: &str, message: String) -> Fault {
    Fault { pointer: format!("/{}", name.replace('~', "~0").replace('/', "~1")), message }
}

fn is_none(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("none")
}

fn whole(value: &Value) -> Option<u64> {
    let exact = |f: f64| (f >= 0.0 && f.fract() == 0.0 && f <= 9e15).then_some(f as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(exact))
}

/// A value for a message, cut after 60 characters.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn describe(range: &impl RangeBounds<f64>) -> String {
    let low = match range.start_bound() {
        Bound::Included(v) => Some(format!("of at least {v}")),
        Bound::Excluded(v) => Some(format!("above {v}")),
        Bound::Unbounded => None,
    };
    let high = match range.end_bound() {
        Bound::Included(v) => Some(format!("at most {v}")),
        Bound::Excluded(v) => Some(format!("below {v}")),
        Bound::Unbounded => None,
    };
    match (low, high) {
        (Some(low), Some(high)) => format!("{low} and {high}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "that is finite".into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Params {
        value.as_object().unwrap().clone()
    }

    fn read(given: Value) -> Result<CheckedParams, Faults> {
        let (given, defaults) = (map(given), map(json!({"trees": 100, "depth": null, "rate": 0.1, "kind": "sqrt"})));
        let mut r = Reader::new(&given, &defaults);
        r.int("trees", 1..=1000);
        r.int_or_none("depth", 1..=64);
        r.float("rate", (Bound::Excluded(0.0), Bound::Included(1.0)));
        r.word("kind", &["sqrt", "log2"]);
        r.finish()
    }

    #[test]
    fn completes_and_canonicalises() {
        assert_eq!(*read(json!({})).unwrap(), map(json!({"trees": 100, "depth": null, "rate": 0.1, "kind": "sqrt"})));
        let got = read(json!({"kind": "log2", "trees": 5.0, "rate": 1, "depth": "none"})).unwrap();
        assert_eq!(*got, map(json!({"trees": 5, "depth": null, "rate": 1.0, "kind": "log2"})));
    }

    #[test]
    fn names_every_fault() {
        let faults = read(json!({"trees": 0, "depth": 65, "rate": 0, "kind": 7, "a/b": 1})).unwrap_err().0;
        let pointers: Vec<_> = faults.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(pointers, ["/trees", "/depth", "/rate", "/kind", "/a~1b"]);
        assert_eq!(faults[1].message, "depth: 65 is not a whole number from 1 to 64, or null");
        assert_eq!(faults[2].message, "rate: 0 is not a number above 0 and at most 1");
        assert!(faults[4].message.contains("trees, depth, rate, kind"), "{}", faults[4].message);
    }

    #[test]
    fn refuses_near_misses() {
        for bad in [json!(1.5), json!("100"), json!(-1), json!(true), json!(null), json!([1])] {
            assert!(read(json!({"trees": bad})).is_err());
        }
    }
}
