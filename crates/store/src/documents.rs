//! Records as JSON texts, and the cursors of pages: what both backends share.

use crate::error::{Result, StoreError};
use provost_domain::hash::hex;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The record as JSON. A value that could not be read back (a NaN where a number must be) is refused here, so that its writer
/// gets the error.
pub fn encode<T: Serialize + DeserializeOwned>(what: &str, value: &T) -> Result<String> {
    let bad = |e: serde_json::Error| StoreError::Invalid(format!("{what} cannot be stored: {e}"));
    let text = serde_json::to_string(value).map_err(bad)?;
    serde_json::from_str::<T>(&text).map_err(bad)?;
    Ok(text)
}

/// What [`encode`] wrote. `what` names the record in the error `Corrupt`.
pub fn decode<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt { what: what.to_owned(), why: e.to_string() })
}

/// The end of a page: time and id of its last element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Time in microseconds since 1970.
    pub at: i64,
    /// Id of the element; it orders elements of the same time.
    pub id: String,
}

impl Cursor {
    /// The position before the newest element.
    pub fn start() -> Self {
        Self { at: i64::MAX, id: String::new() }
    }

    /// The text that clients send back; `kind` names the list.
    pub fn encode(&self, kind: char) -> String {
        hex(format!("{kind}{}/{}", self.at, self.id).as_bytes())
    }

    /// Reads a cursor. `kind` names the list: the cursor of another list is refused.
    pub fn parse(kind: char, text: Option<&str>) -> Result<Self> {
        let Some(text) = text else { return Ok(Self::start()) };
        Self::read(kind, text).ok_or_else(|| {
            let shown: String = text.chars().take(200).collect();
            StoreError::Invalid(format!("cursor `{shown}` is not one that this list gave out"))
        })
    }

    fn read(kind: char, text: &str) -> Option<Self> {
        let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        let (at, id) = std::str::from_utf8(&bytes).ok()?.strip_prefix(kind)?.split_once('/')?;
        Some(Self { at: at.parse().ok()?, id: id.to_owned() })
    }
}

/// The size of a page: at least 1, so that reading page after page ends.
pub fn page_size(limit: u32) -> u32 {
    limit.max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursors_survive_the_way_there_and_back(at: i64, id in ".{0,40}") {
            let cursor = Cursor { at, id };
            prop_assert_eq!(Cursor::parse('j', Some(&cursor.encode('j'))).unwrap(), cursor.clone());
            prop_assert!(Cursor::parse('m', Some(&cursor.encode('j'))).is_err());
        }

        #[test]
        fn no_text_makes_a_cursor_panic(text in ".{0,60}") {
            let _ = Cursor::parse('j', Some(&text));
        }

        #[test]
        fn numbers_come_back_bit_for_bit(bits: u64) {
            let x = f64::from_bits(bits);
            prop_assume!(x.is_finite());
            let back: f64 = decode("number", &encode("number", &x).unwrap()).unwrap();
            prop_assert_eq!(back.to_bits(), x.to_bits());
        }
    }

    #[test]
    fn a_bad_cursor_is_named() {
        let error = Cursor::parse('j', Some("zz")).unwrap_err();
        assert!(matches!(&error, StoreError::Invalid(text) if text.contains("`zz`")), "{error}");
    }

    #[test]
    fn what_could_not_be_read_back_is_refused() {
        let error = encode("model x", &vec![f64::NAN]).unwrap_err();
        assert!(matches!(&error, StoreError::Invalid(text) if text.contains("model x")), "{error}");
    }
}
