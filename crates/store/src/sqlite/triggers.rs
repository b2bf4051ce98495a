//! Triggers.

use super::rows;
use crate::damage::Damage;
use crate::documents::{Cursor, encode, page_size};
use crate::error::Result;
use crate::page::Page;
use crate::roles::triggers::TriggerRecord;
use provost_domain::JobId;
use rusqlite::{Connection, Transaction, params};

/// Records a trigger unless there is one of this id; answers whether it is new.
pub fn add(transaction: &Transaction<'_>, record: &TriggerRecord) -> Result<bool> {
    let inserted = transaction
        .prepare_cached(
            "INSERT INTO triggers (trigger_id, created_at, document) VALUES (?1, ?2, ?3)
             ON CONFLICT (trigger_id) DO NOTHING",
        )?
        .execute(params![
            record.id,
            record.trigger.triggered_at.timestamp_micros(),
            encode(&format!("trigger {}", record.id), record)?
        ])?;
    Ok(inserted == 1)
}

pub fn pending(c: &Connection, damage: &Damage) -> Result<Vec<TriggerRecord>> {
    let sql = "SELECT document, trigger_id FROM triggers WHERE pending ORDER BY created_at, trigger_id";
    rows::intact(c, damage, "trigger", sql, [])
}

fn get(c: &Connection, id: &str) -> Result<Option<TriggerRecord>> {
    rows::one(c, &format!("trigger {id}"), "SELECT document FROM triggers WHERE trigger_id = ?1", [id])
}

fn replace(transaction: &Transaction<'_>, record: &TriggerRecord) -> Result<()> {
    transaction
        .prepare_cached("UPDATE triggers SET document = ?2 WHERE trigger_id = ?1")?
        .execute(params![record.id, encode(&format!("trigger {}", record.id), record)?])?;
    Ok(())
}

pub fn settle(transaction: &Transaction<'_>, id: &str, outcome: String) -> Result<bool> {
    match get(transaction, id)? {
        Some(mut record) if record.is_pending() => {
            record.outcome = Some(outcome);
            replace(transaction, &record)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Whether one of these has led to something already.
pub fn any_settled(transaction: &Transaction<'_>, triggers: &[TriggerRecord]) -> Result<bool> {
    for trigger in triggers {
        if get(transaction, &trigger.id)?.is_some_and(|stored| !stored.is_pending()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Records triggers as having led to a job.
pub fn lead_to(transaction: &Transaction<'_>, triggers: Vec<TriggerRecord>, job: &JobId) -> Result<()> {
    for trigger in triggers {
        let trigger = TriggerRecord { job_id: Some(job.clone()), ..trigger };
        if !add(transaction, &trigger)? {
            replace(transaction, &trigger)?;
        }
    }
    Ok(())
}

pub fn list(c: &Connection, damage: &Damage, cursor: Option<&str>, limit: u32) -> Result<Page<TriggerRecord>> {
    let Cursor { at, id } = Cursor::parse('t', cursor)?;
    let limit = page_size(limit);
    rows::page(
        c,
        damage,
        't',
        "trigger",
        limit,
        "SELECT document, created_at, trigger_id FROM triggers WHERE (created_at, trigger_id) < (?1, ?2)
         ORDER BY created_at DESC, trigger_id DESC LIMIT ?3",
        params![at, id, i64::from(limit) + 1],
    )
}
