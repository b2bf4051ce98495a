//! Reads members of the service's answers as text for people. Foreign text is escaped.

use crate::cli::show;
use chrono::{DateTime, Utc};
use provost_domain::visible;
use serde_json::Value;
use std::borrow::Cow;

/// A text member, or a dash.
pub fn text<'a>(value: &'a Value, key: &str) -> Cow<'a, str> {
    visible::line(value.get(key).and_then(Value::as_str).unwrap_or("-"))
}

pub fn number(value: &Value, pointer: &str) -> Option<f64> {
    value.pointer(pointer).and_then(Value::as_f64)
}

/// `1,234`, or a dash.
pub fn count(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_u64).map_or_else(|| "-".to_owned(), show::thousands)
}

pub fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub fn texts(value: &Value) -> impl Iterator<Item = Cow<'_, str>> {
    items(value).iter().filter_map(Value::as_str).map(visible::line)
}

pub fn time(value: &Value, key: &str) -> Option<DateTime<Utc>> {
    let written = value.get(key).and_then(Value::as_str)?;
    DateTime::parse_from_rfc3339(written).ok().map(|at| at.to_utc())
}

/// `2 hours ago`, or a dash.
pub fn ago(value: &Value, key: &str, now: DateTime<Utc>) -> String {
    time(value, key).map_or_else(|| "-".to_owned(), |at| show::relative(at, now))
}

/// `2026-11-30 14:02 UTC (2 hours ago)`, or a dash.
pub fn moment(value: &Value, key: &str, now: DateTime<Utc>) -> String {
    time(value, key).map_or_else(|| "-".to_owned(), |at| show::moment(at, now))
}
