//! Jobs with their event streams, and the trials of their searches.
//!
//! A job's document has the record and its newest events, so that a save is one step. Older events lie in `job_events`: they
//! are copied there before the save that leaves them out, under (job, number), so that a copy made twice is one. Whoever reads
//! looks into the document first: what has left it by then is in the collection.

use super::connection::{Db, Tries};
use super::documents::{self, list, number, text};
use super::{JOBS, outbox};
use crate::documents::{Cursor, encode};
use crate::error::{Result, StoreError};
use crate::page::Page;
use crate::roles::jobs::{JobRank, NewJobEvent};
use crate::roles::outbox::OutboxMessage;
use mongodb::bson::{Bson, Document, doc};
use provost_domain::job::{JobEvent, JobRecord, JobStatus, TrialRecord};
use provost_domain::queue::QueuedJob;
use provost_domain::{Algorithm, JobId, TrainingJob};
use std::collections::BTreeMap;

pub const EVENTS: &str = "job_events";
pub const TRIALS: &str = "trials";
/// The states of a job's document: only an existing job counts as a job.
pub const PREPARING: &str = "preparing";
pub const REFUSED: &str = "refused";
pub const THERE: &str = "there";
/// Events that stay in the job's document at most, beyond those of the last save.
const EVENTS_KEPT: usize = 40;
/// Jobs of an older version that are ranked in one step.
const RANKED_AT_ONCE: u32 = 100;

fn what(id: &str) -> String {
    format!("job {id}")
}

pub fn conflict(id: &JobId) -> StoreError {
    StoreError::Conflict { what: "job", id: id.to_string() }
}

pub fn missing(id: &JobId) -> StoreError {
    StoreError::NotFound { what: "job", id: id.to_string() }
}

/// The document of an existing job.
pub async fn find(db: &Db, id: &JobId) -> Result<Option<Document>> {
    find_text(db, id.as_str()).await
}

pub async fn find_text(db: &Db, id: &str) -> Result<Option<Document>> {
    let found = match db.one(JOBS, doc! {"_id": id}).await? {
        Some(found) => Some(found),
        // One of the replaced service keeps its own id.
        None => db.one(JOBS, doc! {"provost.id": id}).await?,
    };
    Ok(found.filter(|document| text(document, "provost.state") == Some(THERE)))
}

pub fn id_of(document: &Document) -> Result<JobId> {
    let id = text(document, "provost.id").unwrap_or_default();
    JobId::parse(id).map_err(|e| StoreError::Corrupt { what: what(id), why: e.to_string() })
}

/// What errors call it.
fn named(document: &Document) -> String {
    what(text(document, "provost.id").unwrap_or_default())
}

pub fn read(document: &Document) -> Result<JobRecord> {
    documents::read(document, "provost.document", &named(document))
}

/// Whether the record's revision and epoch are the stored ones.
pub fn is_present(document: &Document, record: &JobRecord) -> bool {
    let stored = |name| number(document, name).map(i64::cast_unsigned);
    (stored("provost.rev"), stored("provost.epoch")) == (Some(record.rev), Some(record.epoch))
}

/// The document of a record; further members of the earlier document are kept.
pub fn document(record: &JobRecord, was: Option<&Document>) -> Result<Document> {
    let id = record.job.job_id.as_str();
    let mut document = documents::readable(&record.job)?;
    let mut meta = was.and_then(|was| was.get_document(documents::META).ok().cloned()).unwrap_or_default();
    meta.extend(documents::listed(id, record.job.created_at, &what(id), record)?);
    meta.insert("rev", record.rev.cast_signed());
    meta.insert("epoch", record.epoch.cast_signed());
    meta.insert("status", record.job.status.as_str());
    meta.insert("took", JobRank::Duration.value(&record.job));
    meta.insert("score", JobRank::Score.value(&record.job));
    meta.insert("queue", encode(&what(id), &QueuedJob::from(record))?);
    document.insert("_id", was.and_then(|was| was.get("_id").cloned()).unwrap_or_else(|| Bson::from(id)));
    document.insert(documents::META, meta);
    Ok(document)
}

/// Gives events their numbers and writes them into the document.
fn append(record: &mut JobRecord, events: Vec<NewJobEvent>, into: &mut Vec<Bson>) -> Result<()> {
    for NewJobEvent { at, kind, data } in events {
        let event = JobEvent { seq: record.next_event, at, kind, data };
        into.push(Bson::from(doc! {"seq": event.seq.cast_signed(), "document": encode("an event", &event)?}));
        record.next_event += 1;
    }
    Ok(())
}

/// A new job as it will be stored, and its document.
pub fn first(mut record: JobRecord, events: Vec<NewJobEvent>) -> Result<(JobRecord, Document)> {
    record.rev = 1;
    record.next_event = 1;
    let mut all = Vec::new();
    append(&mut record, events, &mut all)?;
    let mut document = document(&record, None)?;
    documents::set_meta(&mut document, "events", all);
    Ok((record, document))
}

/// A job as its next save will store it, and its document. Events that it has no more room for are in their collection.
pub async fn next(
    db: &Db,
    was: &Document,
    mut record: JobRecord,
    events: Vec<NewJobEvent>,
) -> Result<(JobRecord, Document)> {
    record.rev += 1;
    record.next_event = read(was)?.next_event;
    let mut all = list(was, "provost.events").to_vec();
    if all.len() >= EVENTS_KEPT {
        let id = record.job.job_id.as_str();
        let copies = all.iter().filter_map(|event| {
            let event = event.as_document()?;
            let seq = event.get_i64("seq").ok()?;
            let text = event.get_str("document").ok()?;
            Some(doc! {"_id": format!("{id}/{seq}"), "job_id": id, "seq": seq, "document": text})
        });
        db.insert_all(EVENTS, copies.collect()).await?;
        all.clear();
    }
    append(&mut record, events, &mut all)?;
    let mut document = document(&record, Some(was))?;
    documents::set_meta(&mut document, "events", all);
    Ok((record, document))
}

pub async fn get(db: &Db, id: &JobId) -> Result<Option<JobRecord>> {
    find(db, id).await?.as_ref().map(read).transpose()
}

pub async fn list_page(
    db: &Db,
    status: Option<JobStatus>,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<TrainingJob>> {
    let cursor = Cursor::parse('j', cursor)?;
    let mut filter = doc! {"provost.state": THERE};
    if let Some(status) = status {
        filter.insert("provost.status", status.as_str());
    }
    let (filter, order) = documents::after(filter, &cursor);
    let found = db.part(JOBS, filter, order, limit, documents::DOCUMENT).await?;
    documents::page(&db.damage, 'j', &found, named, |document| Ok(read(document)?.job))
}

/// The member that jobs are ranked by.
fn member(rank: JobRank) -> &'static str {
    match rank {
        JobRank::Duration => "provost.took",
        JobRank::Score => "provost.score",
    }
}

pub async fn ranked_page(
    db: &Db,
    rank: JobRank,
    status: Option<JobStatus>,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<TrainingJob>> {
    let cursor = Cursor::parse(rank.kind(), cursor)?;
    let mut filter = doc! {"provost.state": THERE};
    if let Some(status) = status {
        filter.insert("provost.status", status.as_str());
    }
    let (filter, order) = documents::after_by(member(rank), filter, &cursor);
    let found = db.part(JOBS, filter, order, limit, documents::DOCUMENT).await?;
    documents::page_by(member(rank), &db.damage, rank.kind(), &found, named, |document| Ok(read(document)?.job))
}

/// Ranks the jobs that an older version has written.
pub async fn rank_all(db: &Db) -> Result<()> {
    loop {
        // What has no such member is found as what has null there, by the index.
        let unranked = doc! {"provost.state": THERE, "provost.took": null};
        let found = db.all(JOBS, unranked, doc! {}, Some(RANKED_AT_ONCE)).await?;
        if found.is_empty() {
            return Ok(());
        }
        let update = |document: &Document| {
            let value = |rank: JobRank| read(document).map_or(JobRank::NONE, |record| rank.value(&record.job));
            let (took, score) = (value(JobRank::Duration), value(JobRank::Score));
            let id = document.get("_id").cloned().unwrap_or(Bson::Null);
            doc! {
                "q": {"_id": id, "provost.took": null},
                "u": {"$set": {"provost.took": took, "provost.score": score}},
            }
        };
        db.update_each(JOBS, found.iter().map(update).collect()).await?;
    }
}

/// The records are not read, and stay where they are.
pub async fn unfinished(db: &Db) -> Result<Vec<QueuedJob>> {
    let filter = doc! {"provost.state": THERE, "provost.status": {"$in": ["pending", "running"]}};
    let members = ["provost.id", "provost.at", "provost.queue"];
    let found = db.members(JOBS, filter, doc! {"provost.at": 1, "provost.id": 1}, None, &members).await?;
    let mut jobs = Vec::with_capacity(found.len());
    for document in found {
        let job = match text(&document, "provost.queue") {
            Some(_) => documents::read(&document, "provost.queue", &named(&document)),
            // Saved by an older version.
            None => match find_text(db, text(&document, "provost.id").unwrap_or_default()).await? {
                Some(whole) => read(&whole).map(|record| QueuedJob::from(&record)),
                None => continue,
            },
        };
        match job {
            Ok(job) => jobs.push(job),
            Err(error) => db.damage.note(&error),
        }
    }
    Ok(jobs)
}

pub async fn save(
    db: &Db,
    record: JobRecord,
    events: Vec<NewJobEvent>,
    announced: &[OutboxMessage],
) -> Result<JobRecord> {
    let id = record.job.job_id.clone();
    let announced = outbox::numbered(db, announced).await?;
    let mut tries = Tries::default();
    loop {
        tries.spend(&what(id.as_str())).await?;
        let was = find(db, &id).await?.ok_or_else(|| missing(&id))?;
        if !is_present(&was, &record) {
            return Err(conflict(&id));
        }
        let (saved, mut document) = next(db, &was, record.clone(), events.clone()).await?;
        outbox::embed(&mut document, &announced);
        if db.put(JOBS, Some(&was), document).await? {
            if !announced.is_empty() {
                outbox::flush(db, JOBS, was.get("_id").cloned().unwrap_or(Bson::Null)).await?;
            }
            return Ok(saved);
        }
    }
}

pub async fn claim(db: &Db, id: &JobId, epoch: u64) -> Result<JobRecord> {
    let mut tries = Tries::default();
    loop {
        tries.spend(&what(id.as_str())).await?;
        let was = find(db, id).await?.ok_or_else(|| missing(id))?;
        let mut record = read(&was)?;
        if record.job.status.is_final() || record.epoch != epoch {
            return Err(conflict(id));
        }
        record.epoch += 1;
        record.rev += 1;
        if db.put(JOBS, Some(&was), document(&record, Some(&was))?).await? {
            return Ok(record);
        }
    }
}

pub async fn counts(db: &Db) -> Result<BTreeMap<JobStatus, u64>> {
    let mut counts: BTreeMap<JobStatus, u64> = JobStatus::ALL.iter().map(|status| (*status, 0)).collect();
    let pipeline = vec![
        doc! {"$match": {"provost.state": THERE}},
        doc! {"$group": {"_id": "$provost.status", "count": {"$sum": 1}}},
    ];
    for row in db.aggregate(JOBS, pipeline).await? {
        let status = text(&row, "_id").unwrap_or_default();
        let status = JobStatus::parse(status)
            .ok_or_else(|| StoreError::Corrupt { what: "a job".to_owned(), why: format!("status `{status}`") })?;
        counts.insert(status, number(&row, "count").unwrap_or(0).cast_unsigned());
    }
    Ok(counts)
}

pub async fn events(db: &Db, id: &JobId, after: u64, limit: u32) -> Result<Vec<JobEvent>> {
    let Ok(after) = i64::try_from(after) else { return Ok(Vec::new()) };
    let Some(job) = find(db, id).await? else { return Ok(Vec::new()) };
    let filter = doc! {"job_id": id.as_str(), "seq": {"$gt": after}};
    let mut all = BTreeMap::new();
    let earlier = db.all(EVENTS, filter, doc! {"seq": 1}, Some(limit)).await?;
    let newest = list(&job, "provost.events").iter().filter_map(Bson::as_document);
    for event in earlier.iter().chain(newest) {
        let seq = number(event, "seq").unwrap_or(0);
        if seq > after {
            all.insert(seq, documents::read(event, "document", &format!("an event of job {id}"))?);
        }
    }
    Ok(all.into_values().take(limit as usize).collect())
}

/// Refuses what is done for a job under another epoch than its present one.
pub async fn hold_epoch(db: &Db, id: &JobId, epoch: u64) -> Result<()> {
    let job = find(db, id).await?.ok_or_else(|| missing(id))?;
    if number(&job, "provost.epoch") == Some(epoch.cast_signed()) { Ok(()) } else { Err(conflict(id)) }
}

/// The epoch is checked before and after. A trial of an older epoch that is written in between stays, although its
/// writer gets a conflict: a candidate's result is the same whichever process fits it.
pub async fn record_trial(db: &Db, epoch: u64, trial: &TrialRecord) -> Result<()> {
    let id = &trial.job_id;
    hold_epoch(db, id, epoch).await?;
    let name = format!("trial {} of {} in job {id}", trial.index, trial.algorithm);
    let row = doc! {
        "_id": format!("{id}/{}/{}", trial.algorithm, trial.index),
        "job_id": id.as_str(),
        "algorithm": trial.algorithm.as_str(),
        "number": i64::from(trial.index),
        "document": encode(&name, trial)?,
    };
    db.insert(TRIALS, row).await?;
    hold_epoch(db, id, epoch).await
}

pub async fn trials_from(db: &Db, id: &JobId, algorithm: Algorithm, from: u32, limit: u32) -> Result<Vec<TrialRecord>> {
    let filter = doc! {"job_id": id.as_str(), "algorithm": algorithm.as_str(), "number": {"$gte": i64::from(from)}};
    let found = db.part(TRIALS, filter, doc! {"number": 1}, limit, "document").await?.documents;
    found.iter().map(|trial| documents::read(trial, "document", &format!("a trial of job {id}"))).collect()
}
