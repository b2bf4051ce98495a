//! Reading a document of any shape whose number of values is bounded: a value takes 72 bytes in memory and two in a text, so
//! that a text of 1 MB could take 75 MB.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// Why a document was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The text is not JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// There are more values than `0`.
    #[error("it has more than {0} values (texts, numbers, lists, objects and the like); at most {0} are allowed")]
    TooMany(usize),
}

/// Reads one JSON document of at most so many values, lists and objects among them.
///
/// # Errors
/// `Json` if it is none, `TooMany` as soon as one value is too many.
pub fn value_from_slice(bytes: &[u8], most: usize) -> Result<Value, ReadError> {
    let left = Cell::new(Some(most));
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match Counted(&left).deserialize(&mut reader) {
        Ok(value) => {
            reader.end()?;
            Ok(value)
        }
        Err(_) if left.get().is_none() => Err(ReadError::TooMany(most)),
        Err(error) => Err(error.into()),
    }
}

/// Takes a value; how many more there may be, None after one too many.
#[derive(Clone, Copy)]
struct Counted<'c>(&'c Cell<Option<usize>>);

impl<'de> DeserializeSeed<'de> for Counted<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        let left = self.0.get().and_then(|left| left.checked_sub(1));
        self.0.set(left);
        match left {
            Some(_) => reader.deserialize_any(self),
            None => Err(D::Error::custom("too many values")),
        }
    }
}

impl<'de> Visitor<'de> for Counted<'_> {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            all.insert(name, members.next_value_seed(self)?);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,9}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((".{0,3}", inner), 0..6)
                    .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    fn values(of: &Value) -> usize {
        match of {
            Value::Array(all) => 1 + all.iter().map(values).sum::<usize>(),
            Value::Object(all) => 1 + all.values().map(values).sum::<usize>(),
            _ => 1,
        }
    }

    proptest! {
        #[test]
        fn what_the_library_reads_is_read_up_to_the_bound(value in any_value()) {
            let text = value.to_string();
            let plain: Value = serde_json::from_str(&text).unwrap();
            let count = values(&plain);
            prop_assert_eq!(value_from_slice(text.as_bytes(), count).unwrap(), plain);
            let refused = value_from_slice(text.as_bytes(), count - 1);
            prop_assert!(matches!(refused, Err(ReadError::TooMany(most)) if most == count - 1));
        }
    }

    #[test]
    fn the_last_of_two_members_of_one_name_counts_and_what_is_no_json_is_told() {
        let text = br#"{"a": 1, "b": 2, "a": [3]}"#;
        assert_eq!(value_from_slice(text, 9).unwrap(), serde_json::from_slice::<Value>(text).unwrap());
        for text in [&b"{"[..], b"[1,]", b"1 2", b"NaN", b"\"\xff\"", b""] {
            let (own, plain) = (value_from_slice(text, 9), serde_json::from_slice::<Value>(text));
            assert_eq!(own.unwrap_err().to_string(), plain.unwrap_err().to_string());
        }
        assert!(value_from_slice("[".repeat(200).as_bytes(), 1000).is_err());
    }
}
