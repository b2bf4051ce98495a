//! Reading of JSON documents of any shape with a bound on the number of values. A value takes 72 bytes in memory and
//! may take only two in the text; an object with one member takes 600 bytes and may take only eight in the text, so
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
    /// There are more values than the limit that is given here.
    #[error("it has more than {0} values (texts, numbers, lists, objects and the like); at most {0} are allowed")]
    TooMany(usize),
    /// There are more lists and objects than the limit that is given here.
    #[error("it has more than {0} lists and objects; at most {0} are allowed")]
    TooManyLists(usize),
}

/// Reads one JSON document of at most `most` values. Lists and objects count as values, too.
///
/// # Errors
/// `Json` if the bytes are not one JSON document, `TooMany` as soon as there is one value too many.
pub fn value_from_slice(bytes: &[u8], most: usize) -> Result<Value, ReadError> {
    value_of_few_lists(bytes, most, most)
}

/// As [`value_from_slice`], with at most `lists` lists and objects among the values.
///
/// # Errors
/// As [`value_from_slice`], and `TooManyLists` as soon as there is one list or object too many.
pub fn value_of_few_lists(bytes: &[u8], most: usize, lists: usize) -> Result<Value, ReadError> {
    let (values_left, lists_left) = (Cell::new(Some(most)), Cell::new(Some(lists)));
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match (Counted { values: &values_left, lists: &lists_left }).deserialize(&mut reader) {
        Ok(value) => {
            reader.end()?;
            Ok(value)
        }
        Err(_) if values_left.get().is_none() => Err(ReadError::TooMany(most)),
        Err(_) if lists_left.get().is_none() => Err(ReadError::TooManyLists(lists)),
        Err(error) => Err(error.into()),
    }
}

/// Length in bytes of the longest string in a JSON document, as it is written there. The document is only scanned: no
/// string is copied.
pub fn longest_text(json: &[u8]) -> usize {
    let (mut longest, mut start, mut is_escaped) = (0, None, false);
    for (at, byte) in json.iter().enumerate() {
        match (byte, start) {
            _ if is_escaped => is_escaped = false,
            (b'\\', Some(_)) => is_escaped = true,
            (b'"', Some(from)) => {
                longest = longest.max(at - from);
                start = None;
            }
            (b'"', None) => start = Some(at + 1),
            _ => {}
        }
    }
    // A string without a closing quote is invalid, but a parser would still read to its end.
    longest.max(start.map_or(0, |from| json.len() - from))
}

/// Reads a value and counts it. The cells hold how many more values and lists are allowed; None after one too many.
#[derive(Clone, Copy)]
struct Counted<'c> {
    values: &'c Cell<Option<usize>>,
    lists: &'c Cell<Option<usize>>,
}

/// Counts one more value.
///
/// # Errors
/// If it is one too many.
fn count<E: Error>(left: &Cell<Option<usize>>) -> Result<(), E> {
    left.set(left.get().and_then(|left| left.checked_sub(1)));
    left.get().map(drop).ok_or_else(|| E::custom("too many values"))
}

impl<'de> DeserializeSeed<'de> for Counted<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        count::<D::Error>(self.values)?;
        reader.deserialize_any(self)
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
        count::<A::Error>(self.lists)?;
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        count::<A::Error>(self.lists)?;
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
    fn lists_and_objects_are_counted_by_themselves() {
        let text = br#"{"a": [1, 2, {}], "b": 3}"#;
        assert_eq!(value_of_few_lists(text, 9, 3).unwrap(), serde_json::from_slice::<Value>(text).unwrap());
        assert!(matches!(value_of_few_lists(text, 9, 2), Err(ReadError::TooManyLists(2))));
        assert!(matches!(value_of_few_lists(text, 5, 2), Err(ReadError::TooManyLists(2))));
        assert!(matches!(value_of_few_lists(b"[[", 9, 3), Err(ReadError::Json(_))));
    }

    #[test]
    fn the_longest_text_is_found_among_escapes_and_where_it_does_not_end() {
        for (text, longest) in [
            (r#"{"a": "bcd", "e": 12345678}"#, 3),
            (r#"["\"", "\\", ""]"#, 2),
            (r#"["a\"b,\\", 1]"#, 7),
            ("[1, 2]", 0),
            (r#"["abc"#, 3),
            (r#""abc\"#, 4),
            ("", 0),
        ] {
            assert_eq!(longest_text(text.as_bytes()), longest, "{text}");
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
