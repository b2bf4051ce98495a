//! The `Store` trait: what the system asks of its store, in the domain's verbs.

use crate::error::{Result, StoreError};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::audit::{AuditEntry, Deed, Head};
use provost_domain::evaluation::EvaluationResults;
use provost_domain::event::Retraction;
use provost_domain::gate::{ActivationWish, GateDecision};
use provost_domain::job::{JobEvent, JobEventKind, JobRecord, JobStatus, TrialRecord};
use provost_domain::key::ApiKey;
use provost_domain::lease::{Lease, WorkUnit};
use provost_domain::model::{Activation, ModelRecord, ModelVersion};
use provost_domain::queue::QueuedJob;
use provost_domain::schedule::{Arrivals, ScheduledTrainingConfig, SlotProgress, TrainingTrigger};
use provost_domain::session::{Session, SessionBounds};
use provost_domain::{AdmissionDataPoint, Algorithm, JobId, ModelId, TrainingConfig, TrainingJob};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
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
    pub arrivals: Arrivals,
}

/// One page, newest first; `next` continues after its last element.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

/// The newest `most` of a list, over as many of its pages as they take.
async fn newest<T, F>(most: u32, mut page: impl FnMut(Option<String>, u32) -> F + Send) -> Result<Vec<T>>
where
    T: Send,
    F: Future<Output = Result<Page<T>>> + Send,
{
    let (mut items, mut cursor) = (Vec::new(), None);
    while let Some(left) = most.checked_sub(items.len() as u32).filter(|left| *left > 0) {
        let found = page(cursor, left).await?;
        items.extend(found.items);
        cursor = found.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(items)
}

/// A stored response is repeated for this long; then its key may be used anew.
pub const RESPONSE_LIFETIME_HOURS: i64 = 24;
/// Trials that are read in one call: some tens of milliseconds.
pub const TRIALS_READ: u32 = 500;

/// An `Idempotency-Key`, the hash of method, path and body it came with, and the response to repeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredResponse {
    /// Unique among all callers: it names the caller as well.
    pub key: String,
    /// Whose key it is; empty in what older versions stored.
    #[serde(default)]
    pub owner: String,
    pub request_hash: String,
    pub status: u16,
    pub location: Option<String>,
    pub body: serde_json::Value,
    pub at: DateTime<Utc>,
}

/// What is stored of one caller's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResponsesHeld {
    pub keys: u64,
    /// Of the stored responses, as JSON.
    pub bytes: u64,
    /// When the oldest of them was stored.
    pub oldest: Option<DateTime<Utc>>,
}

/// Outcome of trying to create a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobCreation {
    Created(Box<JobRecord>),
    /// The idempotency key was used before, with this response.
    Known(StoredResponse),
    /// As many jobs wait as may.
    QueueFull,
    /// One of its triggers led to something already.
    Settled,
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

/// What an inbound event does to the store.
#[derive(Debug, Clone, PartialEq)]
pub enum InboxEffect {
    /// Nothing beyond being remembered.
    None,
    Points(Vec<AdmissionDataPoint>),
    Retraction(Retraction),
    /// A pending trigger; the scheduler decides what becomes of it.
    Trigger(Box<TriggerRecord>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboxOutcome {
    /// With an outcome per point that it carried, in order; of a retraction, whether it took effect (`Superseded`, else
    /// `Stale`).
    New(Vec<PointOutcome>),
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

impl EvaluationRecord {
    /// # Errors
    /// `Invalid` if it is another model's.
    pub(crate) fn check_is_of(&self, model: &ModelId) -> Result<()> {
        if self.model_id == *model {
            return Ok(());
        }
        let other = &self.model_id;
        Err(StoreError::Invalid(format!("the evaluation registered with model {model} is one of model {other}")))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerRecord {
    /// Names its occasion, so that one occasion is one trigger.
    pub id: String,
    pub trigger: TrainingTrigger,
    /// What is to be trained; None is the schedule's own.
    #[serde(default)]
    pub config: Option<TrainingConfig>,
    #[serde(default)]
    pub activation: ActivationWish,
    /// The job it led to or joined.
    pub job_id: Option<JobId>,
    /// Why it led to none.
    pub outcome: Option<String>,
}

impl TriggerRecord {
    /// Whether nothing has become of it yet.
    pub fn is_pending(&self) -> bool {
        self.job_id.is_none() && self.outcome.is_none()
    }
}

/// What may be forgotten: what was over before these times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cutoffs {
    /// Inbound events that were taken in before; one of them that comes again is taken in anew.
    pub inbox: DateTime<Utc>,
    /// Announcements and mails that were made before, and sent or given up.
    pub outbox: DateTime<Utc>,
    /// Event streams and log lines of jobs that ended before.
    pub job_events: DateTime<Utc>,
    /// Trials and units of work of jobs that ended before, and the intermediate results that their units name.
    pub trials: DateTime<Utc>,
    /// The present, by which stored responses have outlived [`RESPONSE_LIFETIME_HOURS`], and sessions have expired.
    pub now: DateTime<Utc>,
}

/// How many rows of each kind were forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    pub inbox: u64,
    pub outbox: u64,
    pub responses: u64,
    /// Of browsers.
    pub sessions: u64,
    pub job_events: u64,
    pub trials: u64,
    pub units: u64,
    /// Jobs whose log lines or intermediate results went.
    pub jobs: u64,
}

impl Forgotten {
    pub fn total(&self) -> u64 {
        self.inbox
            + self.outbox
            + self.responses
            + self.sessions
            + self.job_events
            + self.trials
            + self.units
            + self.jobs
    }
}

impl std::ops::AddAssign for Forgotten {
    fn add_assign(&mut self, other: Self) {
        self.inbox += other.inbox;
        self.outbox += other.outbox;
        self.responses += other.responses;
        self.sessions += other.sessions;
        self.job_events += other.job_events;
        self.trials += other.trials;
        self.units += other.units;
        self.jobs += other.jobs;
    }
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
/// `Invalid`. A `limit` of 0 is taken as 1. A record that cannot be read is left out of the lists of jobs, models, triggers,
/// evaluations, units of work and outbox messages, and told by [`Store::unreadable`]; whoever asks for it by its id hears
/// `Corrupt`. `crate::conformance` checks what is promised here.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// A round trip, for readiness. It does not wait behind a write that is at work, unless that has lasted for seconds.
    async fn ping(&self) -> Result<()>;
    /// Records that were met since the store was opened and could not be read, each in a line that callers may see; at most a
    /// hundred.
    fn unreadable(&self) -> Vec<String>;
    /// Ends what is at work and lets go of the files; what is asked afterwards is `Unavailable`. Blocks until that is done.
    fn close(&self);
    /// The same for the life of the store.
    async fn installation(&self) -> Result<Installation>;

    // ---- data points
    /// An outcome per point, in order. Points of one batch may share an id. Two points are the same when all but
    /// `created_at` and `updated_at` is equal. A point that was retracted at this `seq` or a higher one is `Stale`.
    async fn record_points(&self, points: Vec<AdmissionDataPoint>) -> Result<Vec<PointOutcome>>;
    /// Batches of points in `data_point_id` order, as they all were at one moment; the channel closes after the last, or
    /// after an error. Dropping the receiver ends the reading.
    async fn stream_points(&self, selection: PointSelection)
    -> Result<mpsc::Receiver<Result<Vec<AdmissionDataPoint>>>>;
    async fn points_mark(&self) -> Result<PointsMark>;

    // ---- jobs
    /// Persists a new pending job, its first events, its outbox and (if any) the response to repeat for its idempotency
    /// key, all or nothing, unless the key is known, `max_waiting` jobs are pending already, or one of the triggers is
    /// settled. Triggers are recorded as having led to the job. The store sets `rev` and `next_event`; the response's `at`
    /// is the present. `Conflict` if there is a job of this id.
    async fn create_job(
        &self,
        record: JobRecord,
        events: Vec<NewJobEvent>,
        outbox: Vec<OutboxMessage>,
        triggers: Vec<TriggerRecord>,
        response: Option<StoredResponse>,
        max_waiting: u64,
    ) -> Result<JobCreation>;
    async fn job(&self, id: &JobId) -> Result<Option<JobRecord>>;
    /// The job that goes by this text: a job's id, or the id that it had in the replaced service.
    async fn job_named(&self, name: &str) -> Result<Option<JobId>>;
    async fn list_jobs(&self, status: Option<JobStatus>, cursor: Option<&str>, limit: u32)
    -> Result<Page<TrainingJob>>;
    /// The newest jobs, over as many pages as they take: a page ends early when its documents are long.
    async fn newest_jobs(&self, most: u32) -> Result<Vec<TrainingJob>> {
        newest(most, |cursor, left| async move { self.list_jobs(None, cursor.as_deref(), left).await }).await
    }
    /// All pending and running jobs, oldest first. Their records are not read: there may be many, and large ones.
    async fn unfinished_jobs(&self) -> Result<Vec<QueuedJob>>;
    /// Replaces the record if `rev` and `epoch` are still the stored ones, raises `rev`, and appends events and outbox with
    /// it; else `Conflict`. Returns the record as stored; `next_event` is the store's to set.
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
    /// Raises epoch and revision if the epoch is still the one that the caller has seen: from now on older writers are
    /// refused. `Conflict` if it is not, and for a job that is finished. Returns the record as stored.
    async fn claim_job(&self, id: &JobId, epoch: u64) -> Result<JobRecord>;
    /// Every status, those without jobs too.
    async fn job_counts(&self) -> Result<BTreeMap<JobStatus, u64>>;
    /// Events with `seq` above `after`, in order.
    async fn job_events(&self, id: &JobId, after: u64, limit: u32) -> Result<Vec<JobEvent>>;

    // ---- leases and units of work
    /// Takes a lease that nobody holds, that `holder` holds already, or that still is as the caller has `seen` it (who says
    /// thereby that its holder is gone); raises its epoch. None: somebody else has it.
    async fn take_lease(&self, name: &str, holder: &str, seen: Option<Lease>) -> Result<Option<Lease>>;
    /// Raises the beat of a lease that is still held under this epoch; answers it as stored. None: it is lost.
    async fn renew_lease(&self, lease: &Lease) -> Result<Option<Lease>>;
    /// Gives a lease up, if it is still held under this epoch.
    async fn release_lease(&self, lease: &Lease) -> Result<()>;
    async fn lease(&self, name: &str) -> Result<Option<Lease>>;
    /// Persists a new unit with its announcement. The store sets `rev`. `Conflict` if there is one of this id, and for
    /// another epoch than the job's.
    async fn offer_unit(&self, unit: WorkUnit, outbox: Vec<OutboxMessage>) -> Result<WorkUnit>;
    async fn unit(&self, id: &str) -> Result<Option<WorkUnit>>;
    /// All that are open, oldest first.
    async fn open_units(&self) -> Result<Vec<WorkUnit>>;
    /// Replaces a unit if `rev` is still the stored one, and raises it; else `Conflict`. Returns it as stored.
    async fn save_unit(&self, unit: WorkUnit) -> Result<WorkUnit>;

    // ---- trials
    /// Idempotent by (job, algorithm, index): the first stays; `Conflict` for another epoch than the job's. Numbers come
    /// back bit for bit.
    async fn record_trial(&self, epoch: u64, trial: TrialRecord) -> Result<()>;
    /// By index, those from index `from` on: as many as `limit`, fewer where their documents have [`limits::PAGE_BYTES`], and one
    /// at least if there is one.
    ///
    /// [`limits::PAGE_BYTES`]: provost_domain::limits::PAGE_BYTES
    async fn trials_from(&self, job: &JobId, algorithm: Algorithm, from: u32, limit: u32) -> Result<Vec<TrialRecord>>;
    /// All, by index. There may be very many: who may be told to stop reads them piece by piece.
    async fn trials(&self, job: &JobId, algorithm: Algorithm) -> Result<Vec<TrialRecord>> {
        let (mut trials, mut from) = (Vec::new(), 0);
        loop {
            let piece = self.trials_from(job, algorithm, from, TRIALS_READ).await?;
            let Some(last) = piece.last().map(|trial| trial.index) else { return Ok(trials) };
            trials.extend(piece);
            let Some(next) = last.checked_add(1) else { return Ok(trials) };
            from = next;
        }
    }

    // ---- models
    /// Registers a version together with its evaluation; idempotent by id: the first stays.
    async fn register_model(
        &self,
        model: ModelRecord,
        evaluation: EvaluationRecord,
        outbox: Vec<OutboxMessage>,
    ) -> Result<()>;
    async fn model(&self, id: &ModelId) -> Result<Option<ModelRecord>>;
    /// The model that goes by this text: a model's id, or the id that it had in the replaced service.
    async fn model_named(&self, name: &str) -> Result<Option<ModelId>>;
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
    /// Newest first; `before` leaves out those from this `rev` on. The page's cursor is the next page's `before`.
    async fn activations(&self, before: Option<u64>, limit: u32) -> Result<Page<Activation>>;
    /// The activation that was in force at this time.
    async fn activation_at(&self, at: DateTime<Utc>) -> Result<Option<Activation>>;

    // ---- decisions of the gate
    /// Records a decision with its announcements and, where its outcome is `Activated`, makes the challenger the active
    /// model, all in one step; such an activation is in the audit log ([`Deed::activated_by_gate`]) with that step. The first
    /// decision on a job stays, and is returned. `Conflict` if the active model is not the decision's champion any more.
    async fn decide(&self, decision: GateDecision, outbox: Vec<OutboxMessage>) -> Result<GateDecision>;
    async fn decision(&self, job: &JobId) -> Result<Option<GateDecision>>;
    /// Decisions made at `since` or later, newest first.
    async fn decisions(
        &self,
        since: Option<DateTime<Utc>>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<GateDecision>>;
    /// The newest of these decisions, over as many pages as they take.
    async fn newest_decisions(&self, since: Option<DateTime<Utc>>, most: u32) -> Result<Vec<GateDecision>> {
        newest(most, |cursor, left| async move { self.decisions(since, cursor.as_deref(), left).await }).await
    }

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
    /// Records a trigger, with what is announced of it, unless there is one of this id; answers whether it is new.
    async fn add_trigger(&self, record: TriggerRecord, outbox: Vec<OutboxMessage>) -> Result<bool>;
    /// Triggers that have led to nothing yet, oldest first.
    async fn pending_triggers(&self) -> Result<Vec<TriggerRecord>>;
    /// Says why a pending trigger leads to no job; answers whether it was pending.
    async fn settle_trigger(&self, id: &str, outcome: String) -> Result<bool>;
    async fn list_triggers(&self, cursor: Option<&str>, limit: u32) -> Result<Page<TriggerRecord>>;
    /// The newest triggers, over as many pages as they take.
    async fn newest_triggers(&self, most: u32) -> Result<Vec<TriggerRecord>> {
        newest(most, |cursor, left| async move { self.list_triggers(cursor.as_deref(), left).await }).await
    }
    async fn schedule(&self) -> Result<Option<ScheduledTrainingConfig>>;
    async fn put_schedule(&self, schedule: ScheduledTrainingConfig) -> Result<()>;
    async fn slot_progress(&self) -> Result<Option<SlotProgress>>;
    async fn put_slot_progress(&self, progress: SlotProgress) -> Result<()>;

    // ---- idempotency of requests other than job creation
    /// The response stored under this key, if it is not older than [`RESPONSE_LIFETIME_HOURS`] at `now`.
    async fn stored_response(&self, key: &str, now: DateTime<Utc>) -> Result<Option<StoredResponse>>;
    /// Stores a response; the first one under a key stays for its lifetime, and is returned. The response's `at` is the
    /// present.
    async fn store_response(&self, response: StoredResponse) -> Result<StoredResponse>;
    /// What is stored of this caller's keys and has not expired. Its size is what the writer stored, so that counting reads
    /// no response.
    async fn responses_held(&self, owner: &str, now: DateTime<Utc>) -> Result<ResponsesHeld>;

    // ---- inbox and outbox
    /// Records inbound events with their effects; an outcome per event. Only a new event has an effect. A mismatch is in the
    /// audit log ([`Deed::event_mismatch`]) with the same step.
    async fn record_inbox(&self, events: Vec<(InboxEntry, InboxEffect)>) -> Result<Vec<InboxOutcome>>;
    /// Oldest first.
    async fn outbox_pending(&self, channel: &str, limit: u32) -> Result<Vec<OutboxMessage>>;
    /// How many are pending.
    async fn outbox_count(&self, channel: &str) -> Result<u64>;
    /// Marks messages as sent; unknown ids are ignored.
    async fn outbox_sent(&self, ids: Vec<String>) -> Result<()>;
    /// Gives up all but the newest `keep` pending messages; answers how many. May forget messages that were settled before
    /// the newest `keep` came.
    async fn outbox_trim(&self, channel: &str, keep: u64) -> Result<u64>;

    // ---- API keys
    /// Keeps a new key, and the deed in the audit log with it: there is never a key without its deed. `Conflict` if there
    /// is a key of this id.
    async fn add_key(&self, key: ApiKey, deed: Deed) -> Result<()>;
    /// All there ever were, oldest first.
    async fn keys(&self) -> Result<Vec<ApiKey>>;
    /// From this time on the key opens nothing; of several revocations the earliest counts. With the deed, as `add_key`.
    /// Returns the key as stored.
    async fn revoke_key(&self, id: &str, from: DateTime<Utc>, deed: Deed) -> Result<ApiKey>;

    // ---- sessions of browsers
    /// Keeps a new session. Those that have expired when it begins are removed, and of its key and of all those beyond the
    /// bounds, the longest silent first. `Conflict` if there is a session of this token.
    async fn add_session(&self, session: Session, bounds: SessionBounds) -> Result<()>;
    /// All that are kept, oldest first; some may have expired.
    async fn sessions(&self) -> Result<Vec<Session>>;
    /// Takes over when these were last seen and when they expire, where that is later than what is stored. Sessions that are
    /// not kept any more are ignored.
    async fn see_sessions(&self, sessions: Vec<Session>) -> Result<()>;
    /// Removes a session; answers whether it was there.
    async fn end_session(&self, sha256: &str) -> Result<bool>;

    // ---- audit log
    /// Appends deeds in order. Each entry holds the hash of the one before, whoever wrote that: writers that append at the
    /// same time, in several processes too, make one chain.
    async fn append_audit(&self, deeds: Vec<Deed>) -> Result<Vec<AuditEntry>>;
    /// Newest first.
    async fn audit(&self, cursor: Option<&str>, limit: u32) -> Result<Page<AuditEntry>>;
    /// Entries with a number above `number`, in order: `limit` or fewer, and one at least if there is one.
    async fn audit_after(&self, number: u64, limit: u32) -> Result<Vec<AuditEntry>>;
    /// The end of the chain, kept beside the entries: if the last ones are gone, it still names them.
    async fn audit_head(&self) -> Result<Head>;

    // ---- retention
    /// Removes about `limit` rows at most of what is older than the cutoffs, oldest first: small steps, so that no other
    /// writer waits long. There is nothing left when nothing was forgotten. Jobs, models, evaluations, activations,
    /// decisions, triggers and points are never forgotten, nor is anything of a job that has not ended.
    async fn forget(&self, before: Cutoffs, limit: u32) -> Result<Forgotten>;
    /// SHA-256 of every artifact that a record names: models and their snapshots, snapshots and intermediate results of
    /// jobs, plots.
    async fn artifacts_in_use(&self) -> Result<BTreeSet<String>>;
}
