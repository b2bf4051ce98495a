//! Metrics as plain data: families of samples, independent of the output format.

use super::histogram::Observed;
use std::borrow::Cow;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only increases. Its samples are named with `_total`.
    Counter,
    Gauge,
    Histogram,
    /// A constant 1 whose labels hold the information. Its sample is named with `_info`.
    Info,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Whole(u64),
    Number(f64),
    Observed(Observed),
}

pub type Labels = Vec<(&'static str, Cow<'static, str>)>;

#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub labels: Labels,
    pub value: Value,
}

/// All samples of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Without `_total` or `_info`.
    pub name: &'static str,
    /// One sentence without a full stop.
    pub help: &'static str,
    pub kind: Kind,
    pub samples: Vec<Sample>,
}

impl Family {
    fn new(name: &'static str, help: &'static str, kind: Kind) -> Self {
        Self { name, help, kind, samples: Vec::new() }
    }

    pub fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, Kind::Counter)
    }

    pub fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, Kind::Gauge)
    }

    pub fn histogram(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, Kind::Histogram)
    }

    pub fn info(name: &'static str, help: &'static str, labels: Labels) -> Self {
        Self::new(name, help, Kind::Info).with(labels, Value::Whole(1))
    }

    pub fn add(&mut self, labels: Labels, value: Value) {
        self.samples.push(Sample { labels, value });
    }

    #[must_use]
    pub fn with(mut self, labels: Labels, value: Value) -> Self {
        self.add(labels, value);
        self
    }

    /// With its only sample.
    #[must_use]
    pub fn of(self, value: impl Into<Value>) -> Self {
        self.with(Vec::new(), value.into())
    }

    /// With its only sample, where that is known.
    #[must_use]
    pub fn of_known<V: Into<Value>>(self, value: Option<V>) -> Self {
        match value {
            Some(value) => self.of(value),
            None => self,
        }
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Value::Whole(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Whole(u64::from(value))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Number(value)
    }
}

impl From<Observed> for Value {
    fn from(observed: Observed) -> Self {
        Value::Observed(observed)
    }
}
