//! Model versions, which of them is active, and how it became so.

use super::{evaluations, messages, rows};
use crate::damage::Damage;
use crate::documents::{Cursor, decode, encode, page_size};
use crate::error::{Result, StoreError};
use crate::page::Page;
use crate::roles::evaluations::EvaluationRecord;
use crate::roles::outbox::OutboxMessage;
use chrono::{DateTime, Utc};
use provost_domain::model::{Activation, ModelRecord};
use provost_domain::{ModelId, ModelVersion};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

pub fn register(
    transaction: &Transaction<'_>,
    mut model: ModelRecord,
    evaluation: &EvaluationRecord,
    outbox: &[OutboxMessage],
) -> Result<()> {
    let id = model.version.model_id.clone();
    evaluation.check_is_of(&id)?;
    model.version.is_active = false;
    let inserted = transaction
        .prepare_cached(
            "INSERT INTO models (model_id, created_at, document) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            id.as_str(),
            model.version.training_date.timestamp_micros(),
            encode(&format!("model {id}"), &model)?
        ])?;
    if inserted == 1 {
        evaluations::start(transaction, evaluation)?;
        messages::announce(transaction, outbox)?;
    }
    Ok(())
}

pub fn get(c: &Connection, id: &ModelId) -> Result<Option<ModelRecord>> {
    // One statement, so that document and pointer are of one moment.
    let row: Option<(String, bool)> = c
        .prepare_cached(
            "SELECT document, model_id IN (SELECT model_id FROM active_model) FROM models WHERE model_id = ?1",
        )?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((text, active)) = row else { return Ok(None) };
    let mut record: ModelRecord = decode(&format!("model {id}"), &text)?;
    record.version.is_active = active;
    Ok(Some(record))
}

pub fn list(
    c: &Connection,
    damage: &Damage,
    active_only: bool,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<ModelVersion>> {
    let Cursor { at, id } = Cursor::parse('m', cursor)?;
    let limit = page_size(limit);
    // A read transaction, so that the page and the pointer are of one moment.
    let view = c.unchecked_transaction()?;
    let active = active(&view)?;
    let page: Page<ModelRecord> = rows::page(
        &view,
        damage,
        'm',
        "model",
        limit,
        "SELECT document, created_at, model_id FROM models
         WHERE (created_at, model_id) < (?1, ?2) AND (?4 IS NULL OR model_id = ?4)
         ORDER BY created_at DESC, model_id DESC LIMIT ?3",
        params![
            at,
            id,
            i64::from(limit) + 1,
            active_only.then(|| active.as_ref().map_or("", ModelId::as_str)) // no model has the id ""
        ],
    )?;
    let items = page.items.into_iter().map(|record| {
        let mut version = record.version;
        version.is_active = active.as_ref() == Some(&version.model_id);
        version
    });
    Ok(Page { items: items.collect(), next: page.next })
}

pub fn count(c: &Connection) -> Result<u64> {
    let count: i64 = c.prepare_cached("SELECT count(*) FROM models")?.query_row([], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

fn pointer(c: &Connection) -> Result<Option<(ModelId, u64)>> {
    let row: Option<(String, i64)> = c
        .prepare_cached("SELECT model_id, rev FROM active_model")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((id, rev)) = row else { return Ok(None) };
    let id = ModelId::parse(&id)
        .map_err(|e| StoreError::Corrupt { what: "the active model's pointer".to_owned(), why: e.to_string() })?;
    Ok(Some((id, rev.cast_unsigned())))
}

pub fn active(c: &Connection) -> Result<Option<ModelId>> {
    Ok(pointer(c)?.map(|(id, _)| id))
}

/// Who makes a model the active one, why and when.
pub struct Switch {
    pub by: Option<String>,
    pub reason: Option<String>,
    pub at: DateTime<Utc>,
}

pub fn activate(
    transaction: &Transaction<'_>,
    id: &ModelId,
    switch: Switch,
    outbox: &[OutboxMessage],
) -> Result<ModelRecord> {
    let mut record = get(transaction, id)?.ok_or_else(|| StoreError::NotFound { what: "model", id: id.to_string() })?;
    if record.version.is_active {
        return Ok(record);
    }
    let (previous, rev) = pointer(transaction)?.map_or((None, 0), |(previous, rev)| (Some(previous), rev));
    let activation = Activation {
        rev: rev + 1,
        model_id: id.clone(),
        previous_model_id: previous,
        activated_at: switch.at,
        activated_by: switch.by,
        reason: switch.reason,
    };
    let rev = activation.rev.cast_signed();
    transaction
        .prepare_cached("INSERT INTO activations (rev, document) VALUES (?1, ?2)")?
        .execute(params![rev, encode("an activation", &activation)?])?;
    transaction
        .prepare_cached(
            "INSERT INTO active_model (one, model_id, rev) VALUES (1, ?1, ?2)
             ON CONFLICT (one) DO UPDATE SET model_id = ?1, rev = ?2",
        )?
        .execute(params![id.as_str(), rev])?;
    messages::announce(transaction, outbox)?;
    record.version.is_active = true;
    Ok(record)
}

pub fn activations(c: &Connection, before: Option<u64>, limit: u32) -> Result<Page<Activation>> {
    let before = before.map_or(i64::MAX, |rev| i64::try_from(rev).unwrap_or(i64::MAX));
    let limit = page_size(limit);
    let sql = "SELECT document, rev, CAST(rev AS TEXT) FROM activations WHERE rev < ?1 ORDER BY rev DESC LIMIT ?2";
    let (items, last) = rows::part(c, None, "activation", limit, sql, params![before, i64::from(limit) + 1])?;
    Ok(Page { items, next: last.map(|last| last.id) })
}

/// The newest that is not later: looked for row by row, since times need not rise with the numbers.
pub fn activation_at(c: &Connection, at: DateTime<Utc>) -> Result<Option<Activation>> {
    let mut statement = c.prepare_cached("SELECT document FROM activations ORDER BY rev DESC")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        let activation: Activation = decode("an activation", text)?;
        if activation.activated_at <= at {
            return Ok(Some(activation));
        }
    }
    Ok(None)
}
