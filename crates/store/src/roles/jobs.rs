//! Training jobs and their event streams.

use crate::error::Result;
use crate::page::{Page, newest};
use crate::roles::outbox::OutboxMessage;
use crate::roles::responses::StoredResponse;
use crate::roles::triggers::TriggerRecord;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::job::{JobEvent, JobEventKind, JobRecord, JobStatus};
use provost_domain::queue::QueuedJob;
use provost_domain::{JobId, TrainingJob};
use std::collections::BTreeMap;

/// Outcome of [`JobStore::create_job`].
#[derive(Debug, Clone, PartialEq)]
pub enum JobCreation {
    /// The job as it was stored.
    Created(Box<JobRecord>),
    /// The idempotency key was used before, with this response.
    Known(StoredResponse),
    /// [`NewJob::max_waiting`] jobs or more are pending.
    QueueFull,
    /// One of its triggers has led to a job or was settled without one.
    Settled,
}

/// An event to append to a job's stream; the store numbers it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJobEvent {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened.
    pub kind: JobEventKind,
    /// Details; their members depend on `kind`.
    pub data: serde_json::Value,
}

/// A job to create, with everything that is recorded in the same step.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Pending; the store sets its `rev` and `next_event`.
    pub record: JobRecord,
    /// The first events of its stream.
    pub events: Vec<NewJobEvent>,
    /// What is announced of it.
    pub outbox: Vec<OutboxMessage>,
    /// The triggers that led to it.
    pub triggers: Vec<TriggerRecord>,
    /// What to answer when its idempotency key comes again; `at` is the present.
    pub response: Option<StoredResponse>,
    /// How many jobs may be pending before this one is refused.
    pub max_waiting: u64,
}

impl NewJob {
    /// A job without events, announcements, triggers or a response, in a queue without a bound.
    pub fn new(record: JobRecord) -> Self {
        Self {
            record,
            events: Vec::new(),
            outbox: Vec::new(),
            triggers: Vec::new(),
            response: None,
            max_waiting: u64::MAX,
        }
    }
}

/// By what jobs are ranked, the greatest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobRank {
    /// How long they ran, in milliseconds.
    Duration,
    /// Their best score.
    Score,
}

impl JobRank {
    /// The place of a job that has not ended, or has no score: behind all others.
    pub(crate) const NONE: i64 = -1;

    /// What the job is ranked by: milliseconds, or the score in units of 1e-9.
    pub(crate) fn value(self, job: &TrainingJob) -> i64 {
        let value = match self {
            JobRank::Duration => job.started_at.zip(job.completed_at).map(|(from, to)| (to - from).num_milliseconds()),
            JobRank::Score => {
                job.best_score.filter(|score| score.is_finite()).map(|score| (score * 1e9).round() as i64)
            }
        };
        value.unwrap_or(Self::NONE)
    }

    /// Names the list in its cursors.
    pub(crate) fn kind(self) -> char {
        match self {
            JobRank::Duration => 'D',
            JobRank::Score => 'S',
        }
    }
}

/// Reads jobs and their event streams.
#[async_trait]
pub trait JobReader: Send + Sync + 'static {
    /// The record of a job.
    async fn job(&self, id: &JobId) -> Result<Option<JobRecord>>;
    /// The job with this id, or with this id in the service that Provost replaced.
    async fn job_named(&self, name: &str) -> Result<Option<JobId>>;
    /// Jobs, of one status or of all, newest first.
    async fn list_jobs(&self, status: Option<JobStatus>, cursor: Option<&str>, limit: u32)
    -> Result<Page<TrainingJob>>;
    /// Jobs, of one status or of all, by rank, the greatest first; those of the same rank newest first. A job that moves while
    /// a client walks may be missed or come twice.
    async fn ranked_jobs(
        &self,
        rank: JobRank,
        status: Option<JobStatus>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<TrainingJob>>;
    /// The newest `most` jobs, read page by page: a page ends early when its documents are long.
    async fn newest_jobs(&self, most: u32) -> Result<Vec<TrainingJob>> {
        newest(most, |cursor, left| async move { self.list_jobs(None, cursor.as_deref(), left).await }).await
    }
    /// The newest `most` jobs of one status.
    async fn newest_jobs_in(&self, status: JobStatus, most: u32) -> Result<Vec<TrainingJob>> {
        newest(most, |cursor, left| async move { self.list_jobs(Some(status), cursor.as_deref(), left).await }).await
    }
    /// All pending and running jobs, oldest first. Their records are not read: there may be many, and large ones.
    async fn unfinished_jobs(&self) -> Result<Vec<QueuedJob>>;
    /// How many jobs have each status; statuses without jobs are included.
    async fn job_counts(&self) -> Result<BTreeMap<JobStatus, u64>>;
    /// Events with `seq` above `after`, in order.
    async fn job_events(&self, id: &JobId, after: u64, limit: u32) -> Result<Vec<JobEvent>>;
}

/// Reads and writes jobs: for the actor Jobs only.
#[async_trait]
pub trait JobStore: JobReader {
    /// Persists a new pending job with its events, outbox and (if any) the response to repeat for its idempotency key, all or
    /// nothing, unless the key is known, `max_waiting` jobs are pending already, or one of the triggers is settled. Triggers
    /// are recorded as having led to the job. `Conflict` if there is a job of this id.
    async fn create_job(&self, job: NewJob) -> Result<JobCreation>;
    /// Replaces the record, raises `rev`, and appends events and outbox in the same step. `Conflict` if `rev` or `epoch` differ
    /// from the stored ones. Returns the record as stored; the store sets `next_event`.
    async fn save_job(
        &self,
        record: JobRecord,
        events: Vec<NewJobEvent>,
        outbox: Vec<OutboxMessage>,
    ) -> Result<JobRecord>;
    /// As `save_job`, and records the triggers as having led to this job; `Conflict` also if one of them is settled.
    async fn join_job(
        &self,
        record: JobRecord,
        events: Vec<NewJobEvent>,
        triggers: Vec<TriggerRecord>,
    ) -> Result<JobRecord>;
    /// Raises epoch and revision, so that writers with an older epoch are refused from now on. `Conflict` if `epoch` is not the
    /// stored one, or if the job has ended. Returns the record as stored.
    async fn claim_job(&self, id: &JobId, epoch: u64) -> Result<JobRecord>;
}
