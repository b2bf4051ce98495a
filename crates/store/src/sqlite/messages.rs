//! What crosses the system's border exactly once in effect: stored responses, the inbox, the outbox.

use super::documents::{self, encode};
use super::points::{self, Encoded};
use crate::error::Result;
use crate::store::{InboxEntry, InboxOutcome, OutboxMessage, RESPONSE_LIFETIME_HOURS, StoredResponse};
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// Responses that were stored at this time or before (microseconds) have expired.
fn expired_at(now: DateTime<Utc>) -> i64 {
    (now - TimeDelta::hours(RESPONSE_LIFETIME_HOURS)).timestamp_micros()
}

pub fn stored_response(c: &Connection, key: &str, now: DateTime<Utc>) -> Result<Option<StoredResponse>> {
    let sql = "SELECT document FROM responses WHERE key = ?1 AND created_at > ?2";
    documents::one(c, "a stored response", sql, params![key, expired_at(now)])
}

/// Stores a response unless its key has one, and removes those that have expired by its time.
pub fn store_response(transaction: &Transaction<'_>, response: &StoredResponse) -> Result<StoredResponse> {
    transaction.prepare_cached("DELETE FROM responses WHERE created_at <= ?1")?.execute([expired_at(response.at)])?;
    if let Some(known) = stored_response(transaction, &response.key, response.at)? {
        return Ok(known);
    }
    transaction
        .prepare_cached("INSERT INTO responses (key, created_at, document) VALUES (?1, ?2, ?3)")?
        .execute(params![response.key, response.at.timestamp_micros(), encode("a response", response)?])?;
    Ok(response.clone())
}

pub fn record_inbox(transaction: &Transaction<'_>, events: &[(InboxEntry, Vec<Encoded>)]) -> Result<Vec<InboxOutcome>> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO inbox (source, id, payload_hash, created_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?;
    let mut stored = transaction.prepare_cached("SELECT payload_hash FROM inbox WHERE source = ?1 AND id = ?2")?;
    let mut outcomes = Vec::with_capacity(events.len());
    for (entry, points) in events {
        let row = params![entry.source, entry.id, entry.payload_hash, entry.at.timestamp_micros()];
        outcomes.push(if insert.execute(row)? == 1 {
            points::record(transaction, points)?;
            InboxOutcome::New
        } else {
            let hash: Option<String> = stored.query_row([&entry.source, &entry.id], |row| row.get(0)).optional()?;
            if hash.as_ref() == Some(&entry.payload_hash) { InboxOutcome::Duplicate } else { InboxOutcome::Mismatch }
        });
    }
    Ok(outcomes)
}

/// Writes announcements into the outbox; one whose id is there already was written before.
pub fn announce(transaction: &Transaction<'_>, messages: &[OutboxMessage]) -> Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO outbox (message_id, document) VALUES (?1, ?2) ON CONFLICT (message_id) DO NOTHING",
    )?;
    for message in messages {
        insert.execute(params![message.id, encode(&format!("outbox message {}", message.id), message)?])?;
    }
    Ok(())
}

pub fn pending(c: &Connection, channel: &str, limit: u32) -> Result<Vec<OutboxMessage>> {
    let sql = "SELECT document FROM outbox WHERE sent = 0 AND channel = ?1 ORDER BY position LIMIT ?2";
    documents::all(c, "an outbox message", sql, params![channel, limit])
}

pub fn sent(transaction: &Transaction<'_>, ids: &[String]) -> Result<()> {
    let mut update = transaction.prepare_cached("UPDATE outbox SET sent = 1 WHERE message_id = ?1")?;
    for id in ids {
        update.execute([id])?;
    }
    Ok(())
}
