//! Retention: what is over for long enough goes, in small steps; and which artifacts are still named. Every removal may be cut
//! off and done again.

use super::connection::{Db, Tries, within};
use super::documents::{self, flag, list};
use super::evaluations::EVALUATIONS;
use super::inbox::INBOX;
use super::jobs::{self, EVENTS, THERE, TRIALS};
use super::leases::LEASES;
use super::needs::NEEDS;
use super::outbox::OUTBOX;
use super::response_documents::RESPONSES;
use super::sessions::SESSIONS;
use super::watch::WINDOWS;
use super::{JOBS, MODELS, UNITS, model_documents};
use crate::error::Result;
use crate::roles::evaluations::EvaluationRecord;
use crate::roles::outbox::OutboxMessage;
use crate::roles::responses::RESPONSE_LIFETIME_HOURS;
use crate::roles::retention::{Cutoffs, Forgotten};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use provost_domain::job::JobRecord;
use std::collections::BTreeSet;

/// How many ended jobs are considered in one step at least, however few rows it may remove.
const JOBS_AT_LEAST: u32 = 50;

/// Removes at most `left` of what matches, in this order; answers how many.
async fn remove(db: &Db, collection: &str, filter: Document, order: Document, left: &mut u32) -> Result<u64> {
    let found = db.all(collection, filter, order, Some(*left)).await?;
    remove_these(db, collection, &found, left).await
}

async fn remove_these(db: &Db, collection: &str, found: &[Document], left: &mut u32) -> Result<u64> {
    if found.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Bson> = found.iter().filter_map(|row| row.get("_id").cloned()).collect();
    let removed = db.remove(collection, doc! {"_id": {"$in": ids}}).await?;
    *left = left.saturating_sub(u32::try_from(removed).unwrap_or(u32::MAX));
    Ok(removed)
}

pub async fn forget(db: &Db, before: &Cutoffs, limit: u32) -> Result<Forgotten> {
    let mut left = limit.max(1);
    let mut forgotten = Forgotten::default();
    let expired = (before.now - TimeDelta::hours(RESPONSE_LIFETIME_HOURS)).timestamp_micros();
    let unclaimed = doc! {"at": {"$lte": expired}, "provost.claim": {"$exists": false}};
    forgotten.responses = remove(db, RESPONSES, unclaimed, doc! {"at": 1}, &mut left).await?;
    let over = doc! {"expires_at_us": {"$lte": before.now.timestamp_micros()}};
    forgotten.sessions = remove(db, SESSIONS, over, doc! {"expires_at_us": 1}, &mut left).await?;
    let taken_in = doc! {"at": {"$lt": before.inbox.timestamp_micros()}, "pending": {"$exists": false}};
    forgotten.inbox = remove(db, INBOX, taken_in, doc! {"at": 1}, &mut left).await?;
    // Positions are nearly in the order of time, so only the first few are checked.
    let mut settled = Vec::new();
    for row in db.all(OUTBOX, doc! {"sent": {"$ne": 0}}, doc! {"position": 1}, Some(left)).await? {
        let message: OutboxMessage = documents::read(&row, "document", "an outbox message")?;
        if message.at < before.outbox {
            settled.push(row);
        }
    }
    forgotten.outbox = remove_these(db, OUTBOX, &settled, &mut left).await?;
    let dealt = doc! {"provost.dealt_at": {"$lt": before.needs.timestamp_micros()}};
    forgotten.needs = remove(db, NEEDS, dealt, doc! {"provost.dealt_at": 1}, &mut left).await?;
    let closed = doc! {"provost.at": {"$lt": before.windows.timestamp_micros()}};
    forgotten.windows = remove(db, WINDOWS, closed, doc! {"provost.at": 1}, &mut left).await?;
    for was in ended(db, "no_events", before.job_events, limit).await? {
        if left == 0 {
            return Ok(forgotten);
        }
        of_events(db, was, &mut left, &mut forgotten).await?;
    }
    for was in ended(db, "no_trials", before.trials, limit).await? {
        if left == 0 {
            return Ok(forgotten);
        }
        of_trials(db, was, &mut left, &mut forgotten).await?;
    }
    Ok(forgotten)
}

/// Jobs that ended before this time and do not say `done` yet, oldest first. A job that was created later did not end before.
async fn ended(db: &Db, done: &str, before: DateTime<Utc>, limit: u32) -> Result<Vec<JobRecord>> {
    let filter = doc! {
        "provost.state": THERE,
        "provost.status": {"$in": ["completed", "failed", "cancelled"]},
        "provost.at": {"$lt": before.timestamp_micros()},
        "provost.legacy": {"$exists": false},
        format!("provost.{done}"): {"$exists": false},
    };
    let order = doc! {"provost.at": 1, "provost.id": 1};
    let found = db.all(JOBS, filter, order, Some(limit.max(JOBS_AT_LEAST))).await?;
    let records = found.iter().map(jobs::read).collect::<Result<Vec<_>>>()?;
    Ok(records.into_iter().filter(|r| r.job.completed_at.unwrap_or(r.job.created_at) < before).collect())
}

async fn of_events(db: &Db, record: JobRecord, left: &mut u32, forgotten: &mut Forgotten) -> Result<()> {
    let id = record.job.job_id.as_str();
    forgotten.job_events += remove(db, EVENTS, doc! {"job_id": id}, doc! {"seq": 1}, left).await?;
    if *left == 0 {
        return Ok(());
    }
    let mut tries = Tries::default();
    loop {
        tries.spend("an ended job").await?;
        let Some(was) = jobs::find(db, &record.job.job_id).await? else { return Ok(()) };
        // Those that are still in the job's own document; a step takes them all.
        let events = list(&was, "provost.events").len();
        let mut record = jobs::read(&was)?;
        let logs = !record.job.logs.is_empty();
        record.job.logs.clear();
        let mut document = jobs::document(&record, Some(&was))?;
        documents::set_meta(&mut document, "events", Vec::<Bson>::new());
        documents::set_meta(&mut document, "no_events", true);
        if flag(&was, "provost.no_events") {
            return Ok(());
        }
        if db.put(JOBS, Some(&was), document).await? {
            forgotten.job_events += events as u64;
            forgotten.jobs += u64::from(logs);
            *left = left.saturating_sub(u32::try_from(events).unwrap_or(u32::MAX));
            return Ok(());
        }
    }
}

async fn of_trials(db: &Db, record: JobRecord, left: &mut u32, forgotten: &mut Forgotten) -> Result<()> {
    let id = record.job.job_id.as_str();
    forgotten.trials += remove(db, TRIALS, doc! {"job_id": id}, doc! {"_id": 1}, left).await?;
    if *left > 0 {
        forgotten.units += remove(db, UNITS, doc! {"job_id": id}, doc! {"_id": 1}, left).await?;
    }
    if *left == 0 {
        return Ok(());
    }
    // No process works on ended jobs.
    db.remove(LEASES, doc! {"_id": provost_domain::lease::of_job(&record.job.job_id)}).await?;
    let mut tries = Tries::default();
    loop {
        tries.spend("an ended job").await?;
        let Some(was) = jobs::find(db, &record.job.job_id).await? else { return Ok(()) };
        if flag(&was, "provost.no_trials") {
            return Ok(());
        }
        let mut record = jobs::read(&was)?;
        let named = record.units.values().any(|unit| unit.result.is_some());
        record.units.values_mut().for_each(|unit| unit.result = None);
        let mut document = jobs::document(&record, Some(&was))?;
        documents::set_meta(&mut document, "no_trials", true);
        if db.put(JOBS, Some(&was), document).await? {
            forgotten.jobs += u64::from(named);
            *left = left.saturating_sub(1);
            return Ok(());
        }
    }
}

/// Every artifact that a record names.
pub async fn artifacts_in_use(db: &Db) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let records = doc! {"provost.document": {"$exists": true}};
    let mut found = db.find(MODELS, records.clone(), doc! {}, None).await?;
    while let Some(document) = within(found.try_next()).await? {
        let record = model_documents::read(&document)?;
        names.extend([record.version.model_sha256, record.version.model_path, record.snapshot]);
        names.extend(record.version.scaler_path);
        if documents::at(&document, "provost.evaluation").is_some() {
            let registered: EvaluationRecord = documents::read(&document, "provost.evaluation", "an evaluation")?;
            names.extend(registered.plots.into_values());
        }
    }
    let mut found = db.find(JOBS, records, doc! {}, None).await?;
    while let Some(document) = within(found.try_next()).await? {
        let record = jobs::read(&document)?;
        names.extend(record.snapshot);
        names.extend(record.units.into_values().filter_map(|unit| unit.result));
    }
    let mut found = db.find(EVALUATIONS, doc! {}, doc! {}, None).await?;
    while let Some(document) = within(found.try_next()).await? {
        let record: EvaluationRecord = documents::read(&document, "document", "an evaluation")?;
        names.extend(record.plots.into_values());
    }
    names.remove("");
    Ok(names)
}
