//! JSON documents in and out of rows, and the cursors of pages.

use crate::artifacts::hex;
use crate::damage::Damage;
use crate::error::{Result, StoreError};
use crate::store::Page;
use provost_domain::limits;
use rusqlite::types::{FromSqlError, ValueRef};
use rusqlite::{Connection, OptionalExtension, Params};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The document's text. What could not be read back (a NaN where a number must be) is refused here, where its writer can
/// still be told.
pub fn encode<T: Serialize + DeserializeOwned>(what: &str, value: &T) -> Result<String> {
    let bad = |e: serde_json::Error| StoreError::Invalid(format!("{what} cannot be stored: {e}"));
    let text = serde_json::to_string(value).map_err(bad)?;
    serde_json::from_str::<T>(&text).map_err(bad)?;
    Ok(text)
}

pub fn decode<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt { what: what.to_owned(), why: e.to_string() })
}

fn read<T: DeserializeOwned>(what: &str, value: ValueRef<'_>) -> Result<T> {
    let no_text = |e: FromSqlError| StoreError::Corrupt { what: what.to_owned(), why: e.to_string() };
    decode(what, value.as_str().map_err(no_text)?)
}

/// The one document (first column) that a query finds, if any.
pub fn one<T: DeserializeOwned>(c: &Connection, what: &str, sql: &str, params: impl Params) -> Result<Option<T>> {
    let text: Option<String> = c.prepare_cached(sql)?.query_row(params, |row| row.get(0)).optional()?;
    text.map(|text| decode(what, &text)).transpose()
}

/// All documents (first column) that a query finds.
pub fn all<T: DeserializeOwned>(c: &Connection, what: &str, sql: &str, params: impl Params) -> Result<Vec<T>> {
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next()? {
        documents.push(decode(what, row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?);
    }
    Ok(documents)
}

/// The documents (first column) that a query finds and that can be read; the second column is their id.
pub fn intact<T: DeserializeOwned>(
    c: &Connection,
    damage: &Damage,
    what: &str,
    sql: &str,
    params: impl Params,
) -> Result<Vec<T>> {
    first_intact(c, damage, what, usize::MAX, sql, params)
}

/// As `intact`, the first `most` that can be read.
pub fn first_intact<T: DeserializeOwned>(
    c: &Connection,
    damage: &Damage,
    what: &str,
    most: usize,
    sql: &str,
    params: impl Params,
) -> Result<Vec<T>> {
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut documents = Vec::new();
    while documents.len() < most
        && let Some(row) = rows.next()?
    {
        let what = format!("{what} {}", row.get::<_, String>(1)?);
        documents.extend(damage.left_out(&what, read(&what, row.get_ref(0)?))?);
    }
    Ok(documents)
}

/// Where a page ended: the time (microseconds) and id of its last element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub at: i64,
    pub id: String,
}

impl Cursor {
    /// Before the newest.
    pub fn start() -> Self {
        Self { at: i64::MAX, id: String::new() }
    }

    pub fn encode(&self, kind: char) -> String {
        hex(format!("{kind}{}/{}", self.at, self.id).as_bytes())
    }

    /// `kind` keeps a cursor of one list from being taken for another's.
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

/// One page of a query whose columns are (document, created_at, id), newest first, asked for one row more than `limit`. It ends
/// early once its documents have [`limits::PAGE_BYTES`], and has one item at least. What cannot be read is left out of it.
pub fn page<T: DeserializeOwned>(
    c: &Connection,
    damage: &Damage,
    kind: char,
    what: &str,
    limit: u32,
    sql: &str,
    params: impl Params,
) -> Result<Page<T>> {
    let (items, last) = part(c, Some(damage), what, limit, sql, params)?;
    Ok(Page { items, next: last.map(|last| last.encode(kind)) })
}

/// The items of a page, and where it ended if there are more. Without `damage` what cannot be read is an error.
pub fn part<T: DeserializeOwned>(
    c: &Connection,
    damage: Option<&Damage>,
    what: &str,
    limit: u32,
    sql: &str,
    params: impl Params,
) -> Result<(Vec<T>, Option<Cursor>)> {
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut items = Vec::new();
    let (mut last, mut bytes, mut found) = (Cursor::start(), 0, 0);
    while let Some(row) = rows.next()? {
        let value = row.get_ref(0)?;
        bytes += value.as_bytes().map_or(0, <[u8]>::len);
        if found == limit || (found > 0 && bytes > limits::PAGE_BYTES) {
            return Ok((items, Some(last)));
        }
        last = Cursor { at: row.get(1)?, id: row.get(2)? };
        found += 1;
        let what = format!("{what} {}", last.id);
        let item = read(&what, value);
        match damage {
            Some(damage) => items.extend(damage.left_out(&what, item)?),
            None => items.push(item?),
        }
    }
    Ok((items, None))
}

/// Pages hold at least one element, so that every walk ends.
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
