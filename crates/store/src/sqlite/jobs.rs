//! Jobs with their event streams, and the trials of their searches.

use super::messages::{self, stored_response};
use super::{rows, triggers};
use crate::damage::Damage;
use crate::documents::{Cursor, encode, page_size};
use crate::error::{Result, StoreError};
use crate::page::Page;
use crate::roles::jobs::{JobCreation, JobRank, NewJob, NewJobEvent};
use crate::roles::outbox::OutboxMessage;
use crate::roles::triggers::TriggerRecord;
use provost_domain::job::{JobEvent, JobRecord, JobStatus, TrialRecord};
use provost_domain::queue::QueuedJob;
use provost_domain::{Algorithm, JobId, TrainingJob};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::Value;
use std::collections::BTreeMap;

fn what(id: &JobId) -> String {
    format!("job {id}")
}

fn conflict(id: &JobId) -> StoreError {
    StoreError::Conflict { what: "job", id: id.to_string() }
}

pub fn create(transaction: &Transaction<'_>, job: NewJob) -> Result<JobCreation> {
    let NewJob { mut record, events, outbox, triggers, response, max_waiting } = job;
    if let Some(response) = &response
        && let Some(known) = stored_response(transaction, &response.key, response.at)?
    {
        return Ok(JobCreation::Known(known));
    }
    let waiting: i64 = transaction
        .prepare_cached("SELECT count(*) FROM jobs WHERE status = 'pending'")?
        .query_row([], |row| row.get(0))?;
    if waiting.cast_unsigned() >= max_waiting {
        return Ok(JobCreation::QueueFull);
    }
    if triggers::any_settled(transaction, &triggers)? {
        return Ok(JobCreation::Settled);
    }
    let id = record.job.job_id.clone();
    record.rev = 1;
    record.next_event = 1;
    let numbered = number(&mut record, events);
    let inserted = transaction
        .prepare_cached("INSERT INTO jobs (job_id, created_at, document) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute(params![id.as_str(), record.job.created_at.timestamp_micros(), encode(&what(&id), &record)?])?;
    if inserted == 0 {
        return Err(conflict(&id));
    }
    append(transaction, &id, &numbered)?;
    messages::announce(transaction, &outbox)?;
    triggers::lead_to(transaction, triggers, &id)?;
    if let Some(response) = &response {
        messages::store_response(transaction, response)?;
    }
    Ok(JobCreation::Created(Box::new(record)))
}

pub fn get(c: &Connection, id: &JobId) -> Result<Option<JobRecord>> {
    rows::one(c, &what(id), "SELECT document FROM jobs WHERE job_id = ?1", [id.as_str()])
}

fn existing(c: &Connection, id: &JobId) -> Result<JobRecord> {
    get(c, id)?.ok_or_else(|| StoreError::NotFound { what: "job", id: id.to_string() })
}

pub fn list(
    c: &Connection,
    damage: &Damage,
    status: Option<JobStatus>,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<TrainingJob>> {
    let Cursor { at, id } = Cursor::parse('j', cursor)?;
    let limit = page_size(limit);
    let page: Page<JobRecord> = match status {
        None => rows::page(
            c,
            damage,
            'j',
            "job",
            limit,
            "SELECT document, created_at, job_id FROM jobs WHERE (created_at, job_id) < (?1, ?2)
             ORDER BY created_at DESC, job_id DESC LIMIT ?3",
            params![at, id, i64::from(limit) + 1],
        )?,
        Some(status) => rows::page(
            c,
            damage,
            'j',
            "job",
            limit,
            "SELECT document, created_at, job_id FROM jobs WHERE status = ?4 AND (created_at, job_id) < (?1, ?2)
             ORDER BY created_at DESC, job_id DESC LIMIT ?3",
            params![at, id, i64::from(limit) + 1, status.as_str()],
        )?,
    };
    Ok(Page { items: page.items.into_iter().map(|record| record.job).collect(), next: page.next })
}

pub(super) fn ranked_sql(rank: JobRank, of_status: bool) -> String {
    let column = match rank {
        JobRank::Duration => "took",
        JobRank::Score => "score",
    };
    let of_status = if of_status { "status = ?4 AND" } else { "?4 IS NULL AND" };
    format!(
        "SELECT document, {column}, job_id FROM jobs WHERE {of_status} ({column}, job_id) < (?1, ?2)
         ORDER BY {column} DESC, job_id DESC LIMIT ?3"
    )
}

pub fn ranked(
    c: &Connection,
    damage: &Damage,
    rank: JobRank,
    status: Option<JobStatus>,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<TrainingJob>> {
    let Cursor { at, id } = Cursor::parse(rank.kind(), cursor)?;
    let limit = page_size(limit);
    let sql = ranked_sql(rank, status.is_some());
    let status = status.map(JobStatus::as_str);
    let page: Page<JobRecord> =
        rows::page(c, damage, rank.kind(), "job", limit, &sql, params![at, id, i64::from(limit) + 1, status])?;
    Ok(Page { items: page.items.into_iter().map(|record| record.job).collect(), next: page.next })
}

/// Out of the index alone: a record is not read, and one that is damaged by now hides no other job.
pub(super) const UNFINISHED: &str = "SELECT job_id, status, queue FROM jobs INDEXED BY jobs_unfinished
     WHERE status IN ('pending', 'running') ORDER BY created_at, job_id";

pub fn unfinished(c: &Connection, damage: &Damage) -> Result<Vec<QueuedJob>> {
    let mut statement = c.prepare_cached(UNFINISHED)?;
    let mut rows = statement.query([])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, status): (String, String) = (row.get(0)?, row.get(1)?);
        let what = format!("job {id}");
        let read = queued(&id, &status, &row.get::<_, String>(2)?)
            .map_err(|why| StoreError::Corrupt { what: what.clone(), why });
        match read {
            Ok(job) => jobs.push(job),
            Err(error) => damage.note(&error),
        }
    }
    Ok(jobs)
}

/// `queue` as the schema makes it out of a record. What is missing in it is unknown.
fn queued(id: &str, status: &str, queue: &str) -> std::result::Result<QueuedJob, String> {
    let [config_hash, snapshot, cancel, running, estimated, remaining]: [Value; 6] =
        serde_json::from_str(queue).map_err(|e| e.to_string())?;
    Ok(QueuedJob {
        job_id: JobId::parse(id).map_err(|e| e.to_string())?,
        status: JobStatus::parse(status).ok_or_else(|| format!("status `{status}`"))?,
        config_hash: config_hash.as_str().unwrap_or_default().to_owned(),
        has_begun: !snapshot.is_null(),
        is_cancelled: !cancel.is_null(),
        running_seconds: running.as_f64().unwrap_or(0.0),
        estimated_minutes: estimated.as_f64(),
        remaining_seconds: remaining.as_f64(),
    })
}

pub fn save(
    transaction: &Transaction<'_>,
    mut record: JobRecord,
    events: Vec<NewJobEvent>,
    outbox: &[OutboxMessage],
) -> Result<JobRecord> {
    let id = record.job.job_id.clone();
    let stored = existing(transaction, &id)?;
    if (record.rev, record.epoch) != (stored.rev, stored.epoch) {
        return Err(conflict(&id));
    }
    record.rev += 1;
    record.next_event = stored.next_event;
    let numbered = number(&mut record, events);
    replace(transaction, &record)?;
    append(transaction, &id, &numbered)?;
    messages::announce(transaction, outbox)?;
    Ok(record)
}

pub fn join(
    transaction: &Transaction<'_>,
    record: JobRecord,
    events: Vec<NewJobEvent>,
    triggers: Vec<TriggerRecord>,
) -> Result<JobRecord> {
    let id = record.job.job_id.clone();
    if triggers::any_settled(transaction, &triggers)? {
        return Err(conflict(&id));
    }
    triggers::lead_to(transaction, triggers, &id)?;
    save(transaction, record, events, &[])
}

pub fn claim(transaction: &Transaction<'_>, id: &JobId, epoch: u64) -> Result<JobRecord> {
    let mut record = existing(transaction, id)?;
    if record.job.status.is_final() || record.epoch != epoch {
        return Err(conflict(id));
    }
    record.epoch += 1;
    record.rev += 1;
    replace(transaction, &record)?;
    Ok(record)
}

fn replace(transaction: &Transaction<'_>, record: &JobRecord) -> Result<()> {
    let id = &record.job.job_id;
    transaction
        .prepare_cached("UPDATE jobs SET document = ?2 WHERE job_id = ?1")?
        .execute(params![id.as_str(), encode(&what(id), record)?])?;
    Ok(())
}

/// Gives the events their numbers in the job's stream.
fn number(record: &mut JobRecord, events: Vec<NewJobEvent>) -> Vec<JobEvent> {
    let mut numbered = Vec::with_capacity(events.len());
    for NewJobEvent { at, kind, data } in events {
        numbered.push(JobEvent { seq: record.next_event, at, kind, data });
        record.next_event += 1;
    }
    numbered
}

fn append(transaction: &Transaction<'_>, id: &JobId, events: &[JobEvent]) -> Result<()> {
    let mut insert =
        transaction.prepare_cached("INSERT INTO job_events (job_id, seq, document) VALUES (?1, ?2, ?3)")?;
    for event in events {
        insert.execute(params![id.as_str(), event.seq.cast_signed(), encode("an event", event)?])?;
    }
    Ok(())
}

pub fn counts(c: &Connection) -> Result<BTreeMap<JobStatus, u64>> {
    let mut counts: BTreeMap<JobStatus, u64> = JobStatus::ALL.iter().map(|status| (*status, 0)).collect();
    let mut statement = c.prepare_cached("SELECT status, count(*) FROM jobs GROUP BY status")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let status: String = row.get(0)?;
        let status = JobStatus::parse(&status)
            .ok_or_else(|| StoreError::Corrupt { what: "a job".to_owned(), why: format!("status `{status}`") })?;
        counts.insert(status, row.get::<_, i64>(1)?.cast_unsigned());
    }
    Ok(counts)
}

pub fn events(c: &Connection, id: &JobId, after: u64, limit: u32) -> Result<Vec<JobEvent>> {
    let sql = "SELECT document FROM job_events WHERE job_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    rows::all(c, &format!("an event of job {id}"), sql, params![id.as_str(), after, limit])
}

/// Refuses what is done for a job under another epoch than its present one.
pub fn hold_epoch(transaction: &Transaction<'_>, id: &JobId, epoch: u64) -> Result<()> {
    let current: Option<i64> = transaction
        .prepare_cached("SELECT document ->> '$.epoch' FROM jobs WHERE job_id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?;
    let current = current.ok_or_else(|| StoreError::NotFound { what: "job", id: id.to_string() })?;
    if current.cast_unsigned() == epoch { Ok(()) } else { Err(conflict(id)) }
}

pub fn record_trial(transaction: &Transaction<'_>, epoch: u64, trial: &TrialRecord) -> Result<()> {
    let id = &trial.job_id;
    hold_epoch(transaction, id, epoch)?;
    let name = format!("trial {} of {} in job {id}", trial.index, trial.algorithm);
    transaction
        .prepare_cached(
            "INSERT INTO trials (job_id, algorithm, number, document) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )?
        .execute(params![id.as_str(), trial.algorithm.as_str(), trial.index, encode(&name, trial)?])?;
    Ok(())
}

pub fn trials_from(
    c: &Connection,
    id: &JobId,
    algorithm: Algorithm,
    from: u32,
    limit: u32,
) -> Result<Vec<TrialRecord>> {
    let limit = page_size(limit);
    let sql = "SELECT document, number, CAST(number AS TEXT) FROM trials
               WHERE job_id = ?1 AND algorithm = ?2 AND number >= ?3 ORDER BY number LIMIT ?4";
    let params = params![id.as_str(), algorithm.as_str(), from, i64::from(limit) + 1];
    rows::part(c, None, &format!("job {id}, trial"), limit, sql, params).map(|(trials, _)| trials)
}
