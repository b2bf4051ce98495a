//! Triggers and the schedule.

use super::documents::{self, Cursor, encode};
use crate::error::Result;
use crate::store::{Page, TriggerRecord};
use provost_domain::schedule::ScheduledTrainingConfig;
use rusqlite::{Connection, Transaction, params};

pub fn record(transaction: &Transaction<'_>, record: &TriggerRecord) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO triggers (trigger_id, created_at, document) VALUES (?1, ?2, ?3)
             ON CONFLICT (trigger_id) DO UPDATE SET document = ?3",
        )?
        .execute(params![
            record.id,
            record.trigger.triggered_at.timestamp_micros(),
            encode(&format!("trigger {}", record.id), record)?
        ])?;
    Ok(())
}

pub fn list(c: &Connection, cursor: Option<&str>, limit: u32) -> Result<Page<TriggerRecord>> {
    let Cursor { at, id } = Cursor::parse('t', cursor)?;
    let limit = documents::page_size(limit);
    documents::page(
        c,
        't',
        "trigger",
        limit,
        "SELECT document, created_at, trigger_id FROM triggers WHERE (created_at, trigger_id) < (?1, ?2)
         ORDER BY created_at DESC, trigger_id DESC LIMIT ?3",
        params![at, id, i64::from(limit) + 1],
    )
}

pub fn schedule(c: &Connection) -> Result<Option<ScheduledTrainingConfig>> {
    documents::one(c, "the schedule", "SELECT document FROM settings WHERE name = 'schedule'", [])
}

pub fn put_schedule(transaction: &Transaction<'_>, schedule: &ScheduledTrainingConfig) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO settings (name, document) VALUES ('schedule', ?1) ON CONFLICT (name) DO UPDATE SET document = ?1",
        )?
        .execute([encode("the schedule", schedule)?])?;
    Ok(())
}
