//! MongoDB's Extended JSON, canonical and relaxed, converted to plain JSON.

use provost_domain::check::brief;
use provost_domain::{AdmissionDataPoint, Fault, Faults};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::collections::BTreeSet;

/// Reads a data point. If plain JSON fails, the document is read again as Extended JSON if it has names such as `$date`.
///
/// # Errors
/// If the document is not a data point; the error holds every fault.
pub fn point(raw: &[u8]) -> Result<AdmissionDataPoint, Faults> {
    match AdmissionDataPoint::from_json(raw) {
        Err(faults) if is_extended(raw) => {
            // `Value` would silently keep the last of two members with the same name.
            if let Err(e) = serde_json::from_slice::<Once>(raw)
                && e.is_data()
            {
                return Err(Faults(vec![Fault { pointer: String::new(), message: e.to_string() }]));
            }
            match serde_json::from_slice::<Value>(raw) {
                Ok(value) => AdmissionDataPoint::from_value(document(value)),
                Err(_) => Err(faults),
            }
        }
        read => read,
    }
}

/// Accepts any document in which no object has two members of the same name.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Self;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            members.next_value::<Self>()?;
            if let Some(name) = seen.replace(name) {
                return Err(A::Error::custom(format!("duplicate field `{}`", brief(&name, 60))));
            }
        }
        Ok(self)
    }
}

fn is_extended(raw: &[u8]) -> bool {
    raw.windows(2).any(|pair| pair == b"\"$")
}

/// A document as `mongoexport` writes it. Documents of Provost's own store hold a large `seq` as a text of digits.
fn document(value: Value) -> Value {
    let mut value = plain(value);
    if let Some(seq) = value.get_mut("seq")
        && let Some(number) = seq.as_str().and_then(|digits| digits.parse::<u64>().ok())
    {
        *seq = number.into();
    }
    value
}

/// Replaces every type of Extended JSON by the plain value that it stands for. A type without a plain value (binary data,
/// regular expressions, NaN) stays as it is, and is a fault where a field expects another type.
pub fn plain(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        Value::Object(map) => typed(&map)
            .unwrap_or_else(|| Value::Object(map.into_iter().map(|(name, value)| (name, plain(value))).collect())),
        other => other,
    }
}

fn typed(map: &Map<String, Value>) -> Option<Value> {
    let (name, value) = map.iter().next().filter(|_| map.len() == 1)?;
    match name.as_str() {
        "$oid" | "$symbol" | "$uuid" => value.as_str().map(Value::from),
        "$numberInt" | "$numberLong" => {
            let text = value.as_str()?;
            text.parse::<i64>().ok().map(Value::from).or_else(|| text.parse::<u64>().ok().map(Value::from))
        }
        "$numberDouble" | "$numberDecimal" => value.as_str().and_then(number),
        "$undefined" => Some(Value::Null),
        "$date" => date(value),
        _ => None,
    }
}

/// The number as JSON; a number that is not finite as its text.
fn number(text: &str) -> Option<Value> {
    let read = text.trim().parse::<f64>().ok()?;
    Some(Number::from_f64(read).map_or_else(|| Value::from(text), Value::Number))
}

/// A date as RFC 3339 text; the value is a text of RFC 3339 or milliseconds since 1970.
fn date(value: &Value) -> Option<Value> {
    let millis = match value {
        Value::String(text) => return Some(Value::from(with_colon(text))),
        // Canonical dates hold milliseconds. Deeper values are not read, so that nesting costs nothing.
        Value::Object(map) if map.len() == 1 => map.get("$numberLong")?.as_str()?.parse::<i64>().ok()?,
        Value::Object(_) => return None,
        other => other.as_i64()?,
    };
    chrono::DateTime::from_timestamp_millis(millis).map(|time| Value::from(time.to_rfc3339()))
}

/// Older versions of `mongoexport` write the offset as `+0000`.
fn with_colon(text: &str) -> String {
    let old = chrono::DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z");
    match (chrono::DateTime::parse_from_rfc3339(text), old) {
        (Err(_), Ok(time)) => time.to_rfc3339(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn types_become_plain_values() {
        for (extended, expected) in [
            (json!({"$oid": "60f6d845caa1861dcf1631ae"}), json!("60f6d845caa1861dcf1631ae")),
            (json!({"$numberInt": "-3"}), json!(-3)),
            (json!({"$numberLong": "18446744073709551615"}), json!(u64::MAX)),
            (json!({"$numberDouble": "3.5"}), json!(3.5)),
            (json!({"$numberDouble": "NaN"}), json!("NaN")),
            (json!({"$numberDecimal": "1.25E+2"}), json!(125.0)),
            (json!({"$date": "2024-03-01T10:00:00Z"}), json!("2024-03-01T10:00:00Z")),
            (json!({"$date": {"$numberLong": "1709287200000"}}), json!("2024-03-01T10:00:00+00:00")),
            (json!({"$date": "2024-03-01T11:00:00.000+0100"}), json!("2024-03-01T11:00:00+01:00")),
            (json!({"$date": "noon"}), json!("noon")),
            (json!({"$date": 1_709_287_200_000i64}), json!("2024-03-01T10:00:00+00:00")),
            (json!({"$undefined": true}), json!(null)),
            (json!([{"a": {"$numberInt": "1"}}]), json!([{"a": 1}])),
            (json!({"$date": {"$numberLong": "9223372036854775807"}}), json!({"$date": i64::MAX})),
            (json!({"$binary": {"base64": "", "subType": "00"}}), json!({"$binary": {"base64": "", "subType": "00"}})),
            (json!({"$oid": "a", "more": 1}), json!({"$oid": "a", "more": 1})),
        ] {
            assert_eq!(plain(extended.clone()), expected, "{extended}");
        }
    }

    #[test]
    fn a_member_given_twice_is_refused_in_extended_rows_too() {
        let row = |id: &str, gpa: &str| {
            format!(
                r#"{{{id}"data_point_id": "a", "decision": "accepted", "profile": {{"gpa": 3.5{gpa}}},
                "program": {{"university_name": "U"}}, "created_at": "2024-03-01T10:00:00Z"}}"#
            )
        };
        let id = r#""_id": {"$oid": "60f6d845caa1861dcf1631ae"}, "decision_date": {"$date": "2024-03-01T00:00:00Z"}, "#;
        assert!(point(row(id, "").as_bytes()).is_ok());
        for id in ["", id] {
            let faults = point(row(id, r#", "gpa": 2"#).as_bytes()).unwrap_err();
            assert!(faults.to_string().contains("duplicate field `gpa`"), "{faults}");
        }
    }

    #[test]
    fn dates_in_dates_end_at_once() {
        let nested = (0..100).fold(json!(1), |inner, _| json!({ "$date": inner }));
        assert_eq!(plain(nested.clone()).to_string().matches("$date").count(), 99);
        for no_date in [json!({"$date": {"$numberInt": "1"}}), json!({"$date": {"$numberLong": "x"}})] {
            assert!(plain(no_date)["$date"] != Value::Null);
        }
    }

    #[test]
    fn points_are_read_canonical_and_relaxed() {
        let relaxed = json!({"_id": {"$oid": "60f6d845caa1861dcf1631ae"}, "data_point_id": "a", "decision": "accepted",
            "profile": {"gpa": 3.5}, "program": {"university_name": "U"}, "application_year": 2024, "seq": 3,
            "created_at": {"$date": "2024-03-01T10:00:00Z"}, "decision_date": {"$date": "2024-03-01T00:00:00Z"}});
        let canonical = json!({"_id": {"$oid": "60f6d845caa1861dcf1631ae"}, "data_point_id": "a", "decision": "accepted",
            "profile": {"gpa": {"$numberDouble": "3.5"}}, "program": {"university_name": "U"},
            "application_year": {"$numberInt": "2024"}, "seq": {"$numberLong": "3"},
            "created_at": {"$date": {"$numberLong": "1709287200000"}},
            "decision_date": {"$date": {"$numberLong": "1709251200000"}}});
        let read = |v: &Value| point(v.to_string().as_bytes()).unwrap();
        assert_eq!(read(&relaxed), read(&canonical));
        assert_eq!(read(&relaxed).seq, 3);
        let wrong = json!({"data_point_id": "a", "decision": "accepted", "program": {}, "seq": "3",
            "profile": {"gpa": {"$numberDouble": "NaN"}}});
        let faults = point(wrong.to_string().as_bytes()).unwrap_err();
        assert!(faults.to_string().contains("/profile/gpa"), "{faults}");
    }
}
