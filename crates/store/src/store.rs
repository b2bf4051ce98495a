//! The `Store` trait: what the system asks of its store, in the domain's verbs.

use crate::error::Result;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::evaluation::EvaluationResults;
use provost_domain::job::{JobEvent, JobEventKind, JobRecord, JobStatus, TrialRecord};
use provost_domain::model::{Activation, ModelRecord, ModelVersion};
use provost_domain::schedule::{ScheduledTrainingConfig, TrainingTrigger};
use provost_domain::{AdmissionDataPoint, Algorithm, JobId, ModelId, TrainingJob};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// What became of one data point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PointOutcome {
    Inserted,
    /// Same id, `seq` and content as before.
    Unchanged,
    /// A higher `seq` superseded the stored one.
    Superseded,
    /// A lower `seq` than the stored one: ignored.
    Stale,
    /// The same `seq` with other content: refused.
    Conflict,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PointSelection {
    pub verified_only: bool,
}

/// Moves with every change of the stored points: equal marks mean equal points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointsMark {
    pub version: u64,
    pub total: u64,
}

/// One page, newest first; `next` continues after its last element.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

/// A stored response is repeated for this long; then its key may be used anew.
pub const RESPONSE_LIFETIME_HOURS: i64 = 24;

/// An `Idempotency-Key`, the hash of method, path and body it came with, and the response to repeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredResponse {
    pub key: String,
    pub request_hash: String,
    pub status: u16,
    pub location: Option<String>,
    pub body: serde_json::Value,
    pub at: DateTime<Utc>,
}

/// Outcome of trying to create a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobCreation {
    Created(Box<JobRecord>),
    /// The idempotency key was used before, with this response.
    Known(StoredResponse),
    /// As many jobs wait as may.
    QueueFull,
}

/// An event to append to a job's stream; the store numbers it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJobEvent {
    pub at: DateTime<Utc>,
    pub kind: JobEventKind,
    pub data: serde_json::Value,
}

/// An announcement written with the change that it announces, relayed later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboxMessage {
    pub id: String,
    /// `event` or `mail`.
    pub channel: String,
    /// Routing key, or the mail's template.
    pub topic: String,
    pub payload: serde_json::Value,
    pub at: DateTime<Utc>,
}

/// An inbound event that was taken in, for deduplication on (source, id).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InboxEntry {
    pub source: String,
    pub id: String,
    pub payload_hash: String,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxOutcome {
    New,
    Duplicate,
    /// The same key with another payload.
    Mismatch,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRecord {
    pub task_id: String,
    pub model_id: ModelId,
    pub requested_at: DateTime<Utc>,
    /// None while it runs.
    pub results: Option<EvaluationResults>,
    pub error: Option<String>,
    /// Plot file name (`roc_curve.png`) to artifact SHA-256.
    pub plots: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerRecord {
    pub id: String,
    pub trigger: TrainingTrigger,
    /// The job it led to or joined.
    pub job_id: Option<JobId>,
    /// Why it led to none.
    pub outcome: Option<String>,
}

/// Made once when the store is created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Installation {
    /// Keys the hash that assigns applicants to the test part.
    pub salt: u64,
    pub created_at: DateTime<Utc>,
}

/// A backend. Every method that changes something is one transaction: all of it is kept, durably, or nothing is. A call
/// whose future is dropped may still take effect. Errors are told apart by [`StoreError::may_pass`](crate::StoreError::may_pass).
///
/// Lists are newest first; a `cursor` is the `next` of the page before, and one that this list did not give out is
/// `Invalid`. A `limit` of 0 is taken as 1. `crate::conformance` checks what is promised here.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// A round trip, for readiness.
    async fn ping(&self) -> Result<()>;
    /// The same for the life of the store.
    async fn installation(&self) -> Result<Installation>;

    // ---- data points
    /// An outcome per point, in order. Points of one batch may share an id. Two points are the same when all but
    /// `created_at` and `updated_at` is equal.
    async fn record_points(&self, points: Vec<AdmissionDataPoint>) -> Result<Vec<PointOutcome>>;
    /// Batches of points in `data_point_id` order, as they all were at one moment; the channel closes after the last, or
    /// after an error. Dropping the receiver ends the reading.
    async fn stream_points(&self, selection: PointSelection)
    -> Result<mpsc::Receiver<Result<Vec<AdmissionDataPoint>>>>;
    async fn points_mark(&self) -> Result<PointsMark>;

    // ---- jobs
    /// Persists a new pending job, its first events, its outbox and (if any) the response to repeat for its idempotency
    /// key, all or nothing, unless the key is known or `max_waiting` jobs are pending already. The store sets `rev` and
    /// `next_event`; the response's `at` is the present. `Conflict` if there is a job of this id.
    async fn create_job(
        &self,
        record: JobRecord,
        events: Vec<NewJobEvent>,
        outbox: Vec<OutboxMessage>,
        response: Option<StoredResponse>,
        max_waiting: u64,
    ) -> Result<JobCreation>;
    async fn job(&self, id: &JobId) -> Result<Option<JobRecord>>;
    async fn list_jobs(&self, status: Option<JobStatus>, cursor: Option<&str>, limit: u32)
    -> Result<Page<TrainingJob>>;
    /// All pending and running jobs, oldest first.
    async fn unfinished_jobs(&self) -> Result<Vec<JobRecord>>;
    /// Replaces the record if `rev` and `epoch` are still the stored ones, raises `rev`, and appends events and outbox with
    /// it; else `Conflict`. Returns the record as stored; `next_event` is the store's to set.
    async fn save_job(
        &self,
        record: JobRecord,
        events: Vec<NewJobEvent>,
        outbox: Vec<OutboxMessage>,
    ) -> Result<JobRecord>;
    /// Raises epoch and revision: from now on older writers are refused, so that of several claims only the last can
    /// write. `Conflict` for a job that is finished. Returns the record as stored.
    async fn claim_job(&self, id: &JobId) -> Result<JobRecord>;
    /// Every status, those without jobs too.
    async fn job_counts(&self) -> Result<BTreeMap<JobStatus, u64>>;
    /// Events with `seq` above `after`, in order.
    async fn job_events(&self, id: &JobId, after: u64, limit: u32) -> Result<Vec<JobEvent>>;

    // ---- trials
    /// Idempotent by (job, algorithm, index): the first stays; `Conflict` for another epoch than the job's. Numbers come
    /// back bit for bit.
    async fn record_trial(&self, epoch: u64, trial: TrialRecord) -> Result<()>;
    /// By index.
    async fn trials(&self, job: &JobId, algorithm: Algorithm) -> Result<Vec<TrialRecord>>;

    // ---- models
    /// Registers a version together with its evaluation; idempotent by id: the first stays.
    async fn register_model(
        &self,
        model: ModelRecord,
        evaluation: EvaluationRecord,
        outbox: Vec<OutboxMessage>,
    ) -> Result<()>;
    async fn model(&self, id: &ModelId) -> Result<Option<ModelRecord>>;
    async fn list_models(&self, active_only: bool, cursor: Option<&str>, limit: u32) -> Result<Page<ModelVersion>>;
    async fn model_count(&self) -> Result<u64>;
    /// Switches the pointer atomically and adds to the history; activating the active model again changes nothing and
    /// returns it. `NotFound` leaves the pointer as it was.
    async fn activate_model(
        &self,
        id: &ModelId,
        by: Option<String>,
        reason: Option<String>,
        at: DateTime<Utc>,
        outbox: Vec<OutboxMessage>,
    ) -> Result<ModelRecord>;
    async fn active_model(&self) -> Result<Option<ModelId>>;
    /// Newest first.
    async fn activations(&self, limit: u32) -> Result<Vec<Activation>>;

    // ---- evaluations
    /// Records that an evaluation was asked for; the last finished results stay readable. Idempotent by task.
    async fn start_evaluation(&self, record: EvaluationRecord) -> Result<()>;
    /// Adds results or an error to a running evaluation; one that is finished stays as it is.
    async fn finish_evaluation(&self, record: EvaluationRecord) -> Result<()>;
    /// The last that finished with results; if none did, the last that failed.
    async fn evaluation(&self, model: &ModelId) -> Result<Option<EvaluationRecord>>;
    /// Those asked for and not finished.
    async fn unfinished_evaluations(&self) -> Result<Vec<EvaluationRecord>>;

    // ---- triggers and schedule
    /// Records a trigger, or replaces the one of this id.
    async fn record_trigger(&self, record: TriggerRecord) -> Result<()>;
    async fn list_triggers(&self, cursor: Option<&str>, limit: u32) -> Result<Page<TriggerRecord>>;
    async fn schedule(&self) -> Result<Option<ScheduledTrainingConfig>>;
    async fn put_schedule(&self, schedule: ScheduledTrainingConfig) -> Result<()>;

    // ---- idempotency of requests other than job creation
    /// The response stored under this key, if it is not older than [`RESPONSE_LIFETIME_HOURS`] at `now`.
    async fn stored_response(&self, key: &str, now: DateTime<Utc>) -> Result<Option<StoredResponse>>;
    /// Stores a response; the first one under a key stays for its lifetime, and is returned. The response's `at` is the
    /// present.
    async fn store_response(&self, response: StoredResponse) -> Result<StoredResponse>;

    // ---- inbox and outbox
    /// Records inbound events with the points they carry; an outcome per event. Only a new event's points are recorded.
    async fn record_inbox(&self, events: Vec<(InboxEntry, Vec<AdmissionDataPoint>)>) -> Result<Vec<InboxOutcome>>;
    /// Oldest first.
    async fn outbox_pending(&self, channel: &str, limit: u32) -> Result<Vec<OutboxMessage>>;
    /// Marks messages as sent; unknown ids are ignored.
    async fn outbox_sent(&self, ids: Vec<String>) -> Result<()>;
}
