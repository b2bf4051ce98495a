//! Retention: what is over for long enough goes, in small steps; and which artifacts are still named.

use super::jobs;
use crate::documents::encode;
use crate::error::{Result, StoreError};
use crate::roles::responses::RESPONSE_LIFETIME_HOURS;
use crate::roles::retention::{Cutoffs, Forgotten};
use chrono::{DateTime, TimeDelta, Utc};
use provost_domain::JobId;
use rusqlite::{Connection, Transaction, params};
use std::collections::BTreeSet;

/// Jobs that ended before the cutoffs and still have something to forget, oldest first.
pub struct EndedJobs {
    with_events: Vec<JobId>,
    with_trials: Vec<JobId>,
}

const WITH_EVENTS: &str = "EXISTS (SELECT 1 FROM job_events e WHERE e.job_id = jobs.job_id)";
const WITH_TRIALS: &str = "(EXISTS (SELECT 1 FROM trials t WHERE t.job_id = jobs.job_id)
     OR EXISTS (SELECT 1 FROM work_units w WHERE w.job_id = jobs.job_id)
     OR EXISTS (SELECT 1 FROM json_each(document, '$.units') u WHERE u.value ->> '$.result' IS NOT NULL))";

pub fn ended_jobs(c: &Connection, before: &Cutoffs, limit: u32) -> Result<EndedJobs> {
    let find = |something: &str, before: DateTime<Utc>| -> Result<Vec<JobId>> {
        // A job that was created after the cutoff did not end before it: the index leaves it out.
        let sql = format!(
            "SELECT job_id FROM jobs
             WHERE created_at < ?1 AND status IN ('completed', 'failed', 'cancelled') AND {something}
                 AND unixepoch(coalesce(document ->> '$.job.completed_at', document ->> '$.job.created_at')) < ?2
             ORDER BY created_at, job_id LIMIT ?3"
        );
        let mut statement = c.prepare_cached(&sql)?;
        let mut rows = statement.query(params![before.timestamp_micros(), before.timestamp(), limit])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let id: String = row.get(0)?;
            let parsed = JobId::parse(&id);
            found.push(parsed.map_err(|e| StoreError::Corrupt { what: "a job's id".to_owned(), why: e.to_string() })?);
        }
        Ok(found)
    };
    Ok(EndedJobs { with_events: find(WITH_EVENTS, before.job_events)?, with_trials: find(WITH_TRIALS, before.trials)? })
}

/// One step: at most about `limit` rows.
pub fn forget(t: &Transaction<'_>, before: &Cutoffs, ended: &EndedJobs, limit: u32) -> Result<Forgotten> {
    let mut left = i64::from(limit.max(1));
    let mut forgotten = Forgotten::default();
    let delete = |sql: &str, cutoff: i64, left: &mut i64| -> Result<u64> {
        let removed = t.prepare_cached(sql)?.execute(params![cutoff, *left])?;
        *left -= removed as i64;
        Ok(removed as u64)
    };
    let expired = (before.now - TimeDelta::hours(RESPONSE_LIFETIME_HOURS)).timestamp_micros();
    forgotten.responses = delete(
        "DELETE FROM responses WHERE key IN
         (SELECT key FROM responses WHERE created_at <= ?1 ORDER BY created_at LIMIT ?2)",
        expired,
        &mut left,
    )?;
    forgotten.sessions = delete(
        "DELETE FROM sessions WHERE sha256 IN
         (SELECT sha256 FROM sessions WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        before.now.timestamp_micros(),
        &mut left,
    )?;
    forgotten.inbox = delete(
        "DELETE FROM inbox WHERE (source, id) IN
         (SELECT source, id FROM inbox WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)",
        before.inbox.timestamp_micros(),
        &mut left,
    )?;
    // Positions are nearly in the order of time, so only the first few are checked, and a step is short however many
    // there are.
    forgotten.outbox = delete(
        "DELETE FROM outbox WHERE position IN
         (SELECT position FROM (SELECT position, document FROM outbox WHERE sent <> 0 ORDER BY position LIMIT ?2)
          WHERE unixepoch(document ->> '$.at') < ?1)",
        before.outbox.timestamp(),
        &mut left,
    )?;
    forgotten.needs = delete(
        "DELETE FROM needs WHERE need_id IN
         (SELECT need_id FROM needs WHERE dealt_at IS NOT NULL AND dealt_at < ?1 ORDER BY dealt_at LIMIT ?2)",
        before.needs.timestamp_micros(),
        &mut left,
    )?;
    forgotten.windows = delete(
        "DELETE FROM watched_windows WHERE window_id IN
         (SELECT window_id FROM watched_windows WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)",
        before.windows.timestamp_micros(),
        &mut left,
    )?;
    for id in &ended.with_events {
        if left <= 0 {
            return Ok(forgotten);
        }
        forgotten.job_events += of_job(t, JOB_EVENTS, id, &mut left)?;
        if is_empty(t, "SELECT 1 FROM job_events WHERE job_id = ?1 LIMIT 1", id)? {
            forgotten.jobs += edit(t, id, |record| record.job.logs.clear())?;
        }
    }
    for id in &ended.with_trials {
        if left <= 0 {
            return Ok(forgotten);
        }
        forgotten.trials += of_job(t, TRIALS, id, &mut left)?;
        forgotten.units += of_job(t, UNITS, id, &mut left)?;
        // No process works on ended jobs.
        t.prepare_cached("DELETE FROM leases WHERE name = ?1")?.execute([provost_domain::lease::of_job(id)])?;
        if is_empty(t, "SELECT 1 FROM trials WHERE job_id = ?1 LIMIT 1", id)? {
            forgotten.jobs += edit(t, id, |record| record.units.values_mut().for_each(|unit| unit.result = None))?;
            left -= 1;
        }
    }
    Ok(forgotten)
}

const JOB_EVENTS: &str = "DELETE FROM job_events WHERE (job_id, seq) IN
    (SELECT job_id, seq FROM job_events WHERE job_id = ?1 ORDER BY seq LIMIT ?2)";
const TRIALS: &str = "DELETE FROM trials WHERE (job_id, algorithm, number) IN
    (SELECT job_id, algorithm, number FROM trials WHERE job_id = ?1 LIMIT ?2)";

const UNITS: &str = "DELETE FROM work_units WHERE unit_id IN
    (SELECT unit_id FROM work_units WHERE job_id = ?1 LIMIT ?2)";

fn of_job(t: &Transaction<'_>, sql: &str, id: &JobId, left: &mut i64) -> Result<u64> {
    let removed = t.prepare_cached(sql)?.execute(params![id.as_str(), *left])?;
    *left -= removed as i64;
    Ok(removed as u64)
}

fn is_empty(t: &Transaction<'_>, sql: &str, id: &JobId) -> Result<bool> {
    Ok(!t.prepare_cached(sql)?.exists([id.as_str()])?)
}

/// Changes the record of an ended job; 1 if that changed anything.
fn edit(t: &Transaction<'_>, id: &JobId, change: impl FnOnce(&mut provost_domain::job::JobRecord)) -> Result<u64> {
    let Some(before) = jobs::get(t, id)?.filter(|record| record.job.status.is_final()) else { return Ok(0) };
    let mut after = before.clone();
    change(&mut after);
    if after == before {
        return Ok(0);
    }
    t.prepare_cached("UPDATE jobs SET document = ?2 WHERE job_id = ?1")?
        .execute(params![id.as_str(), encode(&format!("job {id}"), &after)?])?;
    Ok(1)
}

/// Every artifact that a record names. Works on every version of the schema, for backups.
pub fn artifacts_in_use(c: &Connection) -> Result<BTreeSet<String>> {
    let mut statement = c.prepare(
        "SELECT document ->> '$.version.model_sha256' FROM models
         UNION SELECT document ->> '$.version.model_path' FROM models
         UNION SELECT document ->> '$.version.scaler_path' FROM models
         UNION SELECT document ->> '$.snapshot' FROM models
         UNION SELECT document ->> '$.snapshot' FROM jobs
         UNION SELECT u.value ->> '$.result' FROM jobs, json_each(jobs.document, '$.units') u
         UNION SELECT p.value FROM evaluations, json_each(evaluations.document, '$.plots') p",
    )?;
    let mut rows = statement.query([])?;
    let mut names = BTreeSet::new();
    while let Some(row) = rows.next()? {
        names.extend(row.get::<_, Option<String>>(0)?);
    }
    Ok(names)
}
