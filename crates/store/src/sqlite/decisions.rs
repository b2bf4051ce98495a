//! Decisions of the gate, one per job.

use super::models::{self, Switch};
use super::{audit, messages, rows};
use crate::documents::{Cursor, encode, page_size};
use crate::error::{Result, StoreError};
use crate::page::Page;
use crate::roles::outbox::OutboxMessage;
use chrono::{DateTime, Utc};
use provost_domain::JobId;
use provost_domain::audit::Deed;
use provost_domain::gate::{GateDecision, GateOutcome};
use rusqlite::{Connection, Transaction, params};

/// Who the history says has activated what the gate let through.
const GATE: &str = "gate";

pub fn decide(transaction: &Transaction<'_>, decision: GateDecision, outbox: &[OutboxMessage]) -> Result<GateDecision> {
    if let Some(known) = get(transaction, &decision.job_id)? {
        return Ok(known);
    }
    if models::active(transaction)? != decision.champion_id {
        return Err(StoreError::Conflict { what: "the active model, on which", id: decision.job_id.to_string() });
    }
    if decision.outcome == GateOutcome::Activated {
        let switch =
            Switch { by: Some(GATE.to_owned()), reason: Some(decision.reason.clone()), at: decision.decided_at };
        models::activate(transaction, &decision.challenger_id, switch, &[])?;
        audit::append(transaction, vec![Deed::activated_by_gate(&decision)])?;
    }
    transaction.prepare_cached("INSERT INTO decisions (job_id, created_at, document) VALUES (?1, ?2, ?3)")?.execute(
        params![decision.job_id.as_str(), decision.decided_at.timestamp_micros(), encode("a decision", &decision)?],
    )?;
    messages::announce(transaction, outbox)?;
    Ok(decision)
}

pub fn get(c: &Connection, job: &JobId) -> Result<Option<GateDecision>> {
    rows::one(c, "a decision", "SELECT document FROM decisions WHERE job_id = ?1", [job.as_str()])
}

pub fn page(
    c: &Connection,
    since: Option<DateTime<Utc>>,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<GateDecision>> {
    let since = since.map_or(i64::MIN, |at| at.timestamp_micros());
    let Cursor { at, id } = Cursor::parse('d', cursor)?;
    let limit = page_size(limit);
    let sql = "SELECT document, created_at, job_id FROM decisions
               WHERE created_at >= ?1 AND (created_at, job_id) < (?2, ?3)
               ORDER BY created_at DESC, job_id DESC LIMIT ?4";
    let params = params![since, at, id, i64::from(limit) + 1];
    let (items, last) = rows::part(c, None, "decision on job", limit, sql, params)?;
    Ok(Page { items, next: last.map(|last| last.encode('d')) })
}
