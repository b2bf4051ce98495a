//! Documents out of rows: one, all, or a page of those that a query finds.

use crate::damage::Damage;
use crate::documents::{Cursor, decode};
use crate::error::{Result, StoreError};
use crate::page::Page;
use provost_domain::limits;
use rusqlite::types::{FromSqlError, ValueRef};
use rusqlite::{Connection, OptionalExtension, Params};
use serde::de::DeserializeOwned;

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
