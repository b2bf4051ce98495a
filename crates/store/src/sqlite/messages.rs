//! What crosses the system's border exactly once in effect: stored responses, the inbox, the outbox.

use super::points::{self, Encoded, Moved};
use super::{audit, rows, triggers};
use crate::damage::Damage;
use crate::documents::encode;
use crate::error::Result;
use crate::roles::inbox::{InboxEffect, InboxEntry, InboxOutcome};
use crate::roles::outbox::OutboxMessage;
use crate::roles::responses::{RESPONSE_LIFETIME_HOURS, ResponsesHeld, StoredResponse};
use crate::roles::triggers::TriggerRecord;
use chrono::{DateTime, TimeDelta, Utc};
use provost_domain::audit::Deed;
use provost_domain::event::Retraction;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// Responses that were stored at this time or before (microseconds) have expired.
fn expired_at(now: DateTime<Utc>) -> i64 {
    (now - TimeDelta::hours(RESPONSE_LIFETIME_HOURS)).timestamp_micros()
}

pub fn stored_response(c: &Connection, key: &str, now: DateTime<Utc>) -> Result<Option<StoredResponse>> {
    let sql = "SELECT document FROM responses WHERE key = ?1 AND created_at > ?2";
    rows::one(c, "a stored response", sql, params![key, expired_at(now)])
}

/// Stores a response unless its key has one, and removes those that have expired by its time.
pub fn store_response(transaction: &Transaction<'_>, response: &StoredResponse) -> Result<StoredResponse> {
    transaction.prepare_cached("DELETE FROM responses WHERE created_at <= ?1")?.execute([expired_at(response.at)])?;
    if let Some(known) = stored_response(transaction, &response.key, response.at)? {
        return Ok(known);
    }
    let document = encode("a response", response)?;
    transaction
        .prepare_cached("INSERT INTO responses (key, created_at, document, owner, bytes) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            response.key,
            response.at.timestamp_micros(),
            document,
            response.owner,
            document.len().cast_signed()
        ])?;
    Ok(response.clone())
}

pub fn responses_held(c: &Connection, owner: &str, now: DateTime<Utc>) -> Result<ResponsesHeld> {
    let sql = "SELECT count(*), coalesce(sum(bytes), 0), min(created_at) FROM responses
               WHERE owner = ?1 AND created_at > ?2";
    let row =
        |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<i64>>(2)?));
    let (keys, bytes, oldest) = c.prepare_cached(sql)?.query_row(params![owner, expired_at(now)], row)?;
    Ok(ResponsesHeld {
        keys: keys.cast_unsigned(),
        bytes: bytes.cast_unsigned(),
        oldest: oldest.and_then(DateTime::from_timestamp_micros),
    })
}

/// An effect as the transaction writes it, made before the write lock is taken.
pub enum EncodedEffect {
    None,
    Points(Vec<Encoded>),
    Retraction(Retraction),
    Trigger(Box<TriggerRecord>),
}

impl EncodedEffect {
    pub fn new(effect: InboxEffect) -> Result<Self> {
        Ok(match effect {
            InboxEffect::None => Self::None,
            InboxEffect::Points(points) => Self::Points(points.into_iter().map(Encoded::new).collect::<Result<_>>()?),
            InboxEffect::Retraction(retraction) => Self::Retraction(retraction),
            InboxEffect::Trigger(trigger) => Self::Trigger(trigger),
        })
    }

    /// What it led to, for the inbox: of a batch its first point.
    fn led_to(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Points(points) => points.first().map(Encoded::id),
            Self::Retraction(retraction) => Some(&retraction.data_point_id),
            Self::Trigger(trigger) => Some(&trigger.id),
        }
    }
}

pub fn record_inbox(
    transaction: &Transaction<'_>,
    events: &[(InboxEntry, EncodedEffect)],
) -> Result<Vec<InboxOutcome>> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO inbox (source, id, payload_hash, created_at, led_to) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO NOTHING",
    )?;
    let mut stored = transaction.prepare_cached("SELECT payload_hash FROM inbox WHERE source = ?1 AND id = ?2")?;
    let mut outcomes = Vec::with_capacity(events.len());
    let mut moved = Moved::default();
    let mut mismatches = Vec::new();
    for (entry, effect) in events {
        let row = params![entry.source, entry.id, entry.payload_hash, entry.at.timestamp_micros(), effect.led_to()];
        outcomes.push(if insert.execute(row)? == 1 {
            InboxOutcome::New(match effect {
                EncodedEffect::None => Vec::new(),
                EncodedEffect::Points(points) => points::add(transaction, points, &mut moved)?,
                EncodedEffect::Retraction(retraction) => vec![points::retract(transaction, retraction, &mut moved)?],
                EncodedEffect::Trigger(trigger) => {
                    triggers::add(transaction, trigger)?;
                    Vec::new()
                }
            })
        } else {
            let hash: Option<String> = stored.query_row([&entry.source, &entry.id], |row| row.get(0)).optional()?;
            if hash.as_ref() == Some(&entry.payload_hash) {
                InboxOutcome::Duplicate
            } else {
                mismatches.push(Deed::event_mismatch(&entry.source, &entry.id, &entry.payload_hash, entry.at));
                InboxOutcome::Mismatch
            }
        });
    }
    moved.save(transaction)?;
    if !mismatches.is_empty() {
        audit::append(transaction, mismatches)?;
    }
    Ok(outcomes)
}

/// Writes announcements into the outbox; one whose id exists was written before.
pub fn announce(transaction: &Transaction<'_>, messages: &[OutboxMessage]) -> Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO outbox (message_id, document) VALUES (?1, ?2) ON CONFLICT (message_id) DO NOTHING",
    )?;
    for message in messages {
        insert.execute(params![message.id, encode(&format!("outbox message {}", message.id), message)?])?;
    }
    Ok(())
}

pub fn pending(c: &Connection, damage: &Damage, channel: &str, limit: u32) -> Result<Vec<OutboxMessage>> {
    let sql = "SELECT document, message_id FROM outbox WHERE sent = 0 AND channel = ?1 ORDER BY position";
    // Damaged ones take no place: enough of them would keep all others from being sent.
    rows::first_intact(c, damage, "outbox message", limit as usize, sql, params![channel])
}

pub fn sent(transaction: &Transaction<'_>, ids: &[String]) -> Result<()> {
    let mut update = transaction.prepare_cached("UPDATE outbox SET sent = 1 WHERE message_id = ?1")?;
    for id in ids {
        update.execute([id])?;
    }
    Ok(())
}

pub fn count(c: &Connection, channel: &str) -> Result<u64> {
    let sql = "SELECT count(*) FROM outbox WHERE sent = 0 AND channel = ?1";
    let count: i64 = c.prepare_cached(sql)?.query_row([channel], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

/// `sent` is 2 for a message that was given up.
pub fn trim(transaction: &Transaction<'_>, channel: &str, keep: u64) -> Result<u64> {
    // What is settled is kept for a while, so that its id is announced once. A range of the key: cheap when little is old.
    transaction
        .prepare_cached("DELETE FROM outbox WHERE position <= (SELECT max(position) FROM outbox) - ?1 AND sent <> 0")?
        .execute([i64::try_from(keep).unwrap_or(i64::MAX)])?;
    let pending = count(transaction, channel)?;
    let surplus = pending.saturating_sub(keep);
    if surplus == 0 {
        return Ok(0);
    }
    let sql = "UPDATE outbox SET sent = 2 WHERE position IN
               (SELECT position FROM outbox WHERE sent = 0 AND channel = ?1 ORDER BY position LIMIT ?2)";
    let given_up = transaction.prepare_cached(sql)?.execute(params![channel, surplus.cast_signed()])?;
    Ok(given_up as u64)
}
