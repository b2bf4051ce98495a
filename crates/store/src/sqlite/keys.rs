//! API keys, each with the deeds that it came and went by.

use super::{audit, rows};
use crate::documents::encode;
use crate::error::{Result, StoreError};
use chrono::{DateTime, Utc};
use provost_domain::audit::Deed;
use provost_domain::key::ApiKey;
use rusqlite::{Connection, Transaction, params};

pub fn add(transaction: &Transaction<'_>, key: &ApiKey, deed: Deed) -> Result<()> {
    let inserted = transaction
        .prepare_cached("INSERT INTO keys (key_id, created_at, document) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute(params![key.id, key.created_at.timestamp_micros(), encode(&key.id, key)?])?;
    if inserted == 0 {
        return Err(StoreError::Conflict { what: "key", id: key.id.clone() });
    }
    audit::append(transaction, vec![deed]).map(|_| ())
}

pub fn all(c: &Connection) -> Result<Vec<ApiKey>> {
    rows::all(c, "a key", "SELECT document FROM keys ORDER BY created_at, key_id", [])
}

pub fn revoke(transaction: &Transaction<'_>, id: &str, from: DateTime<Utc>, deed: Deed) -> Result<ApiKey> {
    let found: Option<ApiKey> = rows::one(transaction, id, "SELECT document FROM keys WHERE key_id = ?1", [id])?;
    let mut key = found.ok_or_else(|| StoreError::NotFound { what: "key", id: id.to_owned() })?;
    key.revoked_at = key.revoked_at.into_iter().chain([from]).min();
    transaction
        .prepare_cached("UPDATE keys SET document = ?2 WHERE key_id = ?1")?
        .execute(params![id, encode(id, &key)?])?;
    audit::append(transaction, vec![deed])?;
    Ok(key)
}
