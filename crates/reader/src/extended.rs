//! MongoDB's Extended JSON, canonical and relaxed: its types as plain JSON.

use provost_domain::{AdmissionDataPoint, Faults};
use serde_json::{Map, Number, Value};

/// Reads a data point. What is no plain JSON point is looked at again if it has names such as `$date`.
///
/// # Errors
/// Every fault of the document.
pub fn point(raw: &[u8]) -> Result<AdmissionDataPoint, Faults> {
    match AdmissionDataPoint::from_json(raw) {
        Err(faults) if is_extended(raw) => match serde_json::from_slice::<Value>(raw) {
            Ok(value) => AdmissionDataPoint::from_value(document(value)),
            Err(_) => Err(faults),
        },
        read => read,
    }
}

fn is_extended(raw: &[u8]) -> bool {
    raw.windows(2).any(|pair| pair == b"\"$")
}

/// A document as `mongoexport` writes it; Provost's own keep a large `seq` as digits.
fn document(value: Value) -> Value {
    let mut value = plain(value);
    if let Some(seq) = value.get_mut("seq")
        && let Some(number) = seq.as_str().and_then(|digits| digits.parse::<u64>().ok())
    {
        *seq = number.into();
    }
    value
}

/// The value with every type of Extended JSON as the plain value that it stands for. What has none (binary data, regular
/// expressions, NaN) stays as it is, and is a fault where a field expects something else.
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

/// The number; what is not finite as its text.
fn number(text: &str) -> Option<Value> {
    let read = text.trim().parse::<f64>().ok()?;
    Some(Number::from_f64(read).map_or_else(|| Value::from(text), Value::Number))
}

/// A text of RFC 3339, or milliseconds since 1970.
fn date(value: &Value) -> Option<Value> {
    let millis = match value {
        Value::String(text) => return Some(Value::from(text.as_str())),
        Value::Object(_) => plain(value.clone()).as_i64()?,
        other => other.as_i64()?,
    };
    chrono::DateTime::from_timestamp_millis(millis).map(|time| Value::from(time.to_rfc3339()))
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
