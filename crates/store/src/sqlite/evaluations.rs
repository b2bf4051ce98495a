//! Evaluations: asked for, finished, and read.

use super::rows;
use crate::damage::Damage;
use crate::documents::encode;
use crate::error::{Result, StoreError};
use crate::roles::evaluations::EvaluationRecord;
use provost_domain::ModelId;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

fn what(record: &EvaluationRecord) -> String {
    format!("evaluation {}", record.task_id)
}

fn is_finished(record: &EvaluationRecord) -> bool {
    record.results.is_some() || record.error.is_some()
}

/// Finished evaluations are numbered in the order in which they finished.
fn finish_number(c: &Connection) -> Result<i64> {
    Ok(c.prepare_cached("SELECT coalesce(max(finished), 0) + 1 FROM evaluations")?.query_row([], |row| row.get(0))?)
}

/// Records an evaluation; one that was recorded before stays as it is.
pub fn start(transaction: &Transaction<'_>, record: &EvaluationRecord) -> Result<()> {
    let known: Option<i64> = transaction
        .prepare_cached("SELECT 1 FROM models WHERE model_id = ?1")?
        .query_row([record.model_id.as_str()], |row| row.get(0))
        .optional()?;
    if known.is_none() {
        return Err(StoreError::NotFound { what: "model", id: record.model_id.to_string() });
    }
    let finished = is_finished(record).then(|| finish_number(transaction)).transpose()?;
    transaction
        .prepare_cached(
            "INSERT INTO evaluations (task_id, model_id, finished, scored, document) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            record.task_id,
            record.model_id.as_str(),
            finished,
            record.results.is_some(),
            encode(&what(record), record)?
        ])?;
    Ok(())
}

/// Adds the outcome of an evaluation that runs; one that is finished stays as it is.
pub fn finish(transaction: &Transaction<'_>, record: &EvaluationRecord) -> Result<()> {
    if !is_finished(record) {
        return Err(StoreError::Invalid(format!("{} has neither results nor an error", what(record))));
    }
    let stored: Option<Option<i64>> = transaction
        .prepare_cached("SELECT finished FROM evaluations WHERE task_id = ?1 AND model_id = ?2")?
        .query_row([record.task_id.as_str(), record.model_id.as_str()], |row| row.get(0))
        .optional()?;
    match stored {
        None => Err(StoreError::NotFound { what: "evaluation", id: record.task_id.clone() }),
        Some(Some(_)) => Ok(()),
        Some(None) => {
            let number = finish_number(transaction)?;
            transaction
                .prepare_cached("UPDATE evaluations SET finished = ?2, scored = ?3, document = ?4 WHERE task_id = ?1")?
                .execute(params![record.task_id, number, record.results.is_some(), encode(&what(record), record)?])?;
            Ok(())
        }
    }
}

/// The last that finished with results; if none did, the last that failed.
pub fn last(c: &Connection, model: &ModelId) -> Result<Option<EvaluationRecord>> {
    let sql = "SELECT document FROM evaluations WHERE model_id = ?1 AND finished IS NOT NULL
               ORDER BY scored DESC, finished DESC LIMIT 1";
    rows::one(c, &format!("the evaluation of model {model}"), sql, [model.as_str()])
}

pub fn unfinished(c: &Connection, damage: &Damage) -> Result<Vec<EvaluationRecord>> {
    let sql = "SELECT document, task_id FROM evaluations WHERE finished IS NULL ORDER BY task_id";
    rows::intact(c, damage, "evaluation", sql, [])
}
