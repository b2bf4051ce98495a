//! The audit log: a chain of entries, and where it ends.

use super::rows;
use crate::documents::{Cursor, encode, page_size};
use crate::error::{Result, StoreError};
use crate::page::Page;
use provost_domain::audit::{AuditEntry, Deed, Head};
use rusqlite::{Connection, Transaction, params};

pub fn append(transaction: &Transaction<'_>, deeds: Vec<Deed>) -> Result<Vec<AuditEntry>> {
    let mut entries = Vec::with_capacity(deeds.len());
    let first = head(transaction)?;
    let mut end = first.clone();
    let mut insert =
        transaction.prepare_cached("INSERT INTO audit (number, document) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    for deed in deeds {
        let entry = AuditEntry::after(&end, deed);
        let number = entry.number.cast_signed();
        if insert.execute(params![number, encode("an audit entry", &entry)?])? == 0 {
            let why = format!("entry {number} is there, but its head says that it is not");
            return Err(StoreError::Corrupt { what: "the audit log".to_owned(), why });
        }
        end = entry.head();
        entries.push(entry);
    }
    // The write lock keeps others out; the comparison holds whatever becomes of the lock.
    let moved = transaction
        .prepare_cached("UPDATE audit_head SET number = ?1, hash = ?2 WHERE one = 1 AND number = ?3 AND hash = ?4")?
        .execute(params![end.number.cast_signed(), end.hash, first.number.cast_signed(), first.hash])?;
    if moved == 1 { Ok(entries) } else { Err(StoreError::Conflict { what: "the audit log's", id: "head".to_owned() }) }
}

pub fn head(c: &Connection) -> Result<Head> {
    let sql = "SELECT number, hash FROM audit_head WHERE one = 1";
    let read = |row: &rusqlite::Row<'_>| Ok(Head { number: row.get::<_, i64>(0)?.cast_unsigned(), hash: row.get(1)? });
    Ok(c.prepare_cached(sql)?.query_row([], read)?)
}

/// An entry that cannot be read is an error: a list that leaves one out would hide it.
pub fn page(c: &Connection, cursor: Option<&str>, limit: u32) -> Result<Page<AuditEntry>> {
    let Cursor { at, .. } = Cursor::parse('a', cursor)?;
    let limit = page_size(limit);
    let sql =
        "SELECT document, number, CAST(number AS TEXT) FROM audit WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
    let (items, last) = rows::part(c, None, "audit entry", limit, sql, params![at, i64::from(limit) + 1])?;
    Ok(Page { items, next: last.map(|last| last.encode('a')) })
}

pub fn after(c: &Connection, number: u64, limit: u32) -> Result<Vec<AuditEntry>> {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    let sql = "SELECT document FROM audit WHERE number > ?1 ORDER BY number LIMIT ?2";
    rows::all(c, "an audit entry", sql, params![number, limit])
}
