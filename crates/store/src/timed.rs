//! A store that reports to an observer how long each call took and whether it failed.

use crate::error::{Result, StoreError};
use crate::page::Page;
use crate::roles::activation::{ActivationStore, DecisionReader};
use crate::roles::audit::{AuditReader, AuditStore};
use crate::roles::evaluations::{EvaluationReader, EvaluationRecord, EvaluationStore};
use crate::roles::health::StoreHealth;
use crate::roles::inbox::{InboxEffect, InboxEntry, InboxOutcome, InboxStore};
use crate::roles::installation::{Installation, InstallationReader};
use crate::roles::jobs::{JobCreation, JobRank, JobReader, JobStore, NewJob, NewJobEvent};
use crate::roles::keys::{KeyReader, KeyStore};
use crate::roles::leases::LeaseStore;
use crate::roles::models::{ModelReader, ModelStore};
use crate::roles::needs::{NeedProducer, NeedReader, NeedStore};
use crate::roles::outbox::{OutboxMessage, OutboxReader, OutboxStore};
use crate::roles::points::{PointOutcome, PointReader, PointSelection, PointStore, PointTotals, RecordedPoints};
use crate::roles::predictions::{
    LoggedPredictions, PredictionFilter, PredictionLog, PredictionReader, PredictionTotals, ScoredOutcome, ShadowTally,
};
use crate::roles::responses::{ResponseStore, ResponsesHeld, StoredResponse};
use crate::roles::retention::{Cutoffs, Forgotten, RetentionStore};
use crate::roles::schedule::{ScheduleReader, ScheduleStore};
use crate::roles::sessions::SessionStore;
use crate::roles::shadow::{ShadowReader, ShadowStore};
use crate::roles::trials::{TrialReader, TrialStore};
use crate::roles::triggers::{TriggerReader, TriggerRecord, TriggerStore};
use crate::roles::units::UnitStore;
use crate::roles::watch::{WatchReader, WatchStore, WindowFilter};
use crate::store::Store;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::audit::{AuditEntry, Deed, Head};
use provost_domain::gate::GateDecision;
use provost_domain::job::{JobEvent, JobRecord, JobStatus, TrialRecord};
use provost_domain::key::ApiKey;
use provost_domain::lease::{Lease, WorkUnit};
use provost_domain::model::{Activation, ModelRecord, ModelVersion};
use provost_domain::need::{Need, NeedDealing, NeedState};
use provost_domain::prediction::{PredictionRecord, ShadowSelection};
use provost_domain::queue::QueuedJob;
use provost_domain::schedule::{ScheduledTrainingConfig, SlotProgress};
use provost_domain::session::{Session, SessionBounds};
use provost_domain::watch_record::{LogRange, PointPosition, WatchState, WatchedWindow};
use provost_domain::{AdmissionDataPoint, Algorithm, JobId, ModelId, TrainingJob};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What a call is about: the roles of [`Store`], as metrics label them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Readiness, and the installation.
    Health,
    /// Data points.
    Points,
    /// Jobs and their events.
    Jobs,
    /// Leases and units of work.
    Leases,
    /// Trials of searches.
    Trials,
    /// Model versions and which one is active.
    Models,
    /// Decisions of the gate.
    Decisions,
    /// Evaluations.
    Evaluations,
    /// Triggers and the schedule.
    Triggers,
    /// Responses to repeat.
    Responses,
    /// Inbox and outbox.
    Messages,
    /// API keys.
    Keys,
    /// Sessions of browsers.
    Sessions,
    /// The audit log.
    Audit,
    /// Removal of what is old enough.
    Retention,
    /// The log of predictions, and the shadow selection.
    Predictions,
    /// What needs a person.
    Needs,
    /// Windows of predictions and points, and how far the watching has come.
    Watch,
}

impl Group {
    /// Every group, in the order of its number.
    pub const ALL: [Group; 18] = [
        Group::Health,
        Group::Points,
        Group::Jobs,
        Group::Leases,
        Group::Trials,
        Group::Models,
        Group::Decisions,
        Group::Evaluations,
        Group::Triggers,
        Group::Responses,
        Group::Messages,
        Group::Keys,
        Group::Sessions,
        Group::Audit,
        Group::Retention,
        Group::Predictions,
        Group::Needs,
        Group::Watch,
    ];

    /// The word in labels of metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Group::Health => "health",
            Group::Points => "points",
            Group::Jobs => "jobs",
            Group::Leases => "leases",
            Group::Trials => "trials",
            Group::Models => "models",
            Group::Decisions => "decisions",
            Group::Evaluations => "evaluations",
            Group::Triggers => "triggers",
            Group::Responses => "responses",
            Group::Messages => "messages",
            Group::Keys => "keys",
            Group::Sessions => "sessions",
            Group::Audit => "audit",
            Group::Retention => "retention",
            Group::Predictions => "predictions",
            Group::Needs => "needs",
            Group::Watch => "watch",
        }
    }
}

/// Whether a call changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The call reads.
    Read,
    /// The call may change something.
    Write,
}

impl Operation {
    /// Both operations.
    pub const ALL: [Operation; 2] = [Operation::Read, Operation::Write];

    /// The word in labels of metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Read => "read",
            Operation::Write => "write",
        }
    }
}

/// One kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// What the call is about.
    pub group: Group,
    /// Whether the call changes something.
    pub operation: Operation,
}

impl Call {
    /// Number of kinds.
    pub const COUNT: usize = Group::ALL.len() * Operation::ALL.len();

    /// Every kind, in the order of `index`.
    pub fn all() -> impl Iterator<Item = Call> {
        let of = |group| Operation::ALL.into_iter().map(move |operation| Call { group, operation });
        Group::ALL.into_iter().flat_map(of)
    }

    /// Index of this kind, less than `COUNT`.
    pub fn index(self) -> usize {
        self.group as usize * Operation::ALL.len() + self.operation as usize
    }
}

/// Called after the end of every call.
pub trait Observer: Send + Sync + 'static {
    /// `failed`: the store failed, or the caller dropped the call before its end. `NotFound`, `Conflict` and `Invalid` are
    /// answers, not failures.
    fn observe(&self, call: Call, took: Duration, failed: bool);
}

/// A store whose calls are timed. It returns the answers of the inner store unchanged.
pub struct TimedStore {
    inner: Arc<dyn Store>,
    observer: Arc<dyn Observer>,
}

/// A call at work. It counts as failed if it is dropped before its end: the caller stopped waiting.
struct AtWork<'a> {
    observer: &'a dyn Observer,
    call: Call,
    began: Instant,
    failed: bool,
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.observer.observe(self.call, self.began.elapsed(), self.failed);
    }
}

impl TimedStore {
    /// Passes every call on to `inner`, and reports it to `observer`.
    pub fn new(inner: Arc<dyn Store>, observer: Arc<dyn Observer>) -> Self {
        Self { inner, observer }
    }

    async fn timed<T>(&self, call: Call, work: impl Future<Output = Result<T>>) -> Result<T> {
        // Real time, not the clock of the actors: the store's speed is measured.
        let mut at_work = AtWork { observer: &*self.observer, call, began: Instant::now(), failed: true };
        let answer = work.await;
        at_work.failed = answer.as_ref().is_err_and(is_fault);
        answer
    }
}

/// Whether this error is a failure of the store.
fn is_fault(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(_)
        | StoreError::Denied(_)
        | StoreError::Corrupt { .. }
        | StoreError::NewerSchema { .. }
        | StoreError::Locked { .. }
        | StoreError::Internal(_)
        | StoreError::Full(_) => true,
        StoreError::Conflict { .. }
        | StoreError::NotFound { .. }
        | StoreError::NoArtifact { .. }
        | StoreError::Invalid(_) => false,
    }
}

/// Implements a role: each call is passed on, and timed under the group and operation that are named before it.
macro_rules! pass_on {
    ($($role:ident { $($group:ident $operation:ident $name:ident($($argument:ident: $type:ty),* $(,)?) -> $answer:ty;)+ })+) => {
        $(
            #[async_trait]
            impl $role for TimedStore {
                $(
                    async fn $name(&self, $($argument: $type),*) -> Result<$answer> {
                        let call = Call { group: Group::$group, operation: Operation::$operation };
                        self.timed(call, self.inner.$name($($argument),*)).await
                    }
                )+
            }
        )+
    };
}

pass_on! {
    InstallationReader {
        Health Read installation() -> Installation;
    }
    PointReader {
        Points Read stream_points(selection: PointSelection) -> mpsc::Receiver<Result<Vec<AdmissionDataPoint>>>;
        Points Read points_by_id(ids: &[String]) -> Vec<AdmissionDataPoint>;
        Points Read point_totals() -> PointTotals;
        Points Read last_point_position() -> PointPosition;
        Points Read count_recorded_points(after: &PointPosition, most: u32) -> u64;
        Points Read recorded_points(after: &PointPosition, limit: u32) -> RecordedPoints;
    }
    PointStore {
        Points Write record_points(points: Vec<AdmissionDataPoint>) -> Vec<PointOutcome>;
    }
    JobReader {
        Jobs Read job(id: &JobId) -> Option<JobRecord>;
        Jobs Read job_named(name: &str) -> Option<JobId>;
        Jobs Read list_jobs(status: Option<JobStatus>, cursor: Option<&str>, limit: u32) -> Page<TrainingJob>;
        Jobs Read ranked_jobs(rank: JobRank, status: Option<JobStatus>, cursor: Option<&str>, limit: u32) -> Page<TrainingJob>;
        Jobs Read unfinished_jobs() -> Vec<QueuedJob>;
        Jobs Read job_counts() -> BTreeMap<JobStatus, u64>;
        Jobs Read job_events(id: &JobId, after: u64, limit: u32) -> Vec<JobEvent>;
    }
    JobStore {
        Jobs Write create_job(job: NewJob) -> JobCreation;
        Jobs Write save_job(record: JobRecord, events: Vec<NewJobEvent>, outbox: Vec<OutboxMessage>) -> JobRecord;
        Jobs Write join_job(record: JobRecord, events: Vec<NewJobEvent>, triggers: Vec<TriggerRecord>) -> JobRecord;
        Jobs Write claim_job(id: &JobId, epoch: u64) -> JobRecord;
    }
    TrialReader {
        Trials Read trials_from(job: &JobId, algorithm: Algorithm, from: u32, limit: u32) -> Vec<TrialRecord>;
    }
    TrialStore {
        Trials Write record_trial(epoch: u64, trial: TrialRecord) -> ();
    }
    LeaseStore {
        Leases Write take_lease(name: &str, holder: &str, seen: Option<Lease>) -> Option<Lease>;
        Leases Write renew_lease(lease: &Lease) -> Option<Lease>;
        Leases Write release_lease(lease: &Lease) -> ();
        Leases Read lease(name: &str) -> Option<Lease>;
    }
    UnitStore {
        Leases Write offer_unit(unit: WorkUnit, outbox: Vec<OutboxMessage>) -> WorkUnit;
        Leases Read unit(id: &str) -> Option<WorkUnit>;
        Leases Read open_units() -> Vec<WorkUnit>;
        Leases Write save_unit(unit: WorkUnit) -> WorkUnit;
    }
    ModelReader {
        Models Read model(id: &ModelId) -> Option<ModelRecord>;
        Models Read model_named(name: &str) -> Option<ModelId>;
        Models Read list_models(active_only: bool, cursor: Option<&str>, limit: u32) -> Page<ModelVersion>;
        Models Read model_count() -> u64;
        Models Read active_model() -> Option<ModelId>;
        Models Read activations(before: Option<u64>, limit: u32) -> Page<Activation>;
        Models Read activation_at(at: DateTime<Utc>) -> Option<Activation>;
    }
    ModelStore {
        Models Write register_model(model: ModelRecord, evaluation: EvaluationRecord, outbox: Vec<OutboxMessage>) -> ();
    }
    DecisionReader {
        Decisions Read decision(job: &JobId) -> Option<GateDecision>;
        Decisions Read decisions(since: Option<DateTime<Utc>>, cursor: Option<&str>, limit: u32) -> Page<GateDecision>;
    }
    ActivationStore {
        Models Write activate_model(
            id: &ModelId,
            by: Option<String>,
            reason: Option<String>,
            at: DateTime<Utc>,
            outbox: Vec<OutboxMessage>,
        ) -> ModelRecord;
        Decisions Write decide(decision: GateDecision, outbox: Vec<OutboxMessage>) -> GateDecision;
    }
    EvaluationReader {
        Evaluations Read evaluation(model: &ModelId) -> Option<EvaluationRecord>;
        Evaluations Read unfinished_evaluations() -> Vec<EvaluationRecord>;
    }
    EvaluationStore {
        Evaluations Write start_evaluation(record: EvaluationRecord) -> ();
        Evaluations Write finish_evaluation(record: EvaluationRecord) -> ();
    }
    TriggerReader {
        Triggers Read pending_triggers() -> Vec<TriggerRecord>;
        Triggers Read list_triggers(cursor: Option<&str>, limit: u32) -> Page<TriggerRecord>;
    }
    TriggerStore {
        Triggers Write add_trigger(record: TriggerRecord, outbox: Vec<OutboxMessage>) -> bool;
        Triggers Write settle_trigger(id: &str, outcome: String) -> bool;
    }
    ScheduleReader {
        Triggers Read schedule() -> Option<ScheduledTrainingConfig>;
        Triggers Read slot_progress() -> Option<SlotProgress>;
    }
    ScheduleStore {
        Triggers Write put_schedule(schedule: ScheduledTrainingConfig) -> ();
        Triggers Write put_slot_progress(progress: SlotProgress) -> ();
    }
    ResponseStore {
        Responses Read stored_response(key: &str, now: DateTime<Utc>) -> Option<StoredResponse>;
        Responses Write store_response(response: StoredResponse) -> StoredResponse;
        Responses Read responses_held(owner: &str, now: DateTime<Utc>) -> ResponsesHeld;
    }
    InboxStore {
        Messages Write record_inbox(events: Vec<(InboxEntry, InboxEffect)>) -> Vec<InboxOutcome>;
    }
    OutboxReader {
        Messages Read outbox_pending(channel: &str, limit: u32) -> Vec<OutboxMessage>;
        Messages Read outbox_count(channel: &str) -> u64;
    }
    OutboxStore {
        Messages Write outbox_sent(ids: Vec<String>) -> ();
        Messages Write outbox_trim(channel: &str, keep: u64) -> u64;
    }
    KeyReader {
        Keys Read keys() -> Vec<ApiKey>;
    }
    KeyStore {
        Keys Write add_key(key: ApiKey, deed: Deed) -> ();
        Keys Write revoke_key(id: &str, from: DateTime<Utc>, deed: Deed) -> ApiKey;
    }
    SessionStore {
        Sessions Write add_session(session: Session, bounds: SessionBounds) -> ();
        Sessions Read sessions() -> Vec<Session>;
        Sessions Write see_sessions(sessions: Vec<Session>) -> ();
        Sessions Write end_session(sha256: &str) -> bool;
    }
    AuditReader {
        Audit Read audit(cursor: Option<&str>, limit: u32) -> Page<AuditEntry>;
        Audit Read audit_after(number: u64, limit: u32) -> Vec<AuditEntry>;
        Audit Read audit_head() -> Head;
    }
    AuditStore {
        Audit Write append_audit(deeds: Vec<Deed>) -> Vec<AuditEntry>;
    }
    PredictionReader {
        Predictions Read predictions(filter: PredictionFilter, cursor: Option<&str>, limit: u32) -> Page<PredictionRecord>;
        Predictions Read prediction(id: &str) -> Option<PredictionRecord>;
        Predictions Read prediction_totals() -> PredictionTotals;
        Predictions Read shadow_tally(model: &ModelId, since: DateTime<Utc>) -> ShadowTally;
        Predictions Read scored_outcomes(model: &ModelId, since: DateTime<Utc>, limit: u32) -> Vec<ScoredOutcome>;
        Predictions Read count_logged_predictions(model: &ModelId, range: &LogRange, most: u32) -> u64;
        Predictions Read logged_predictions(model: &ModelId, range: &LogRange, limit: u32) -> LoggedPredictions;
    }
    PredictionLog {
        Predictions Write append_predictions(batch: Vec<PredictionRecord>) -> u64;
        Predictions Write forget_predictions(before: DateTime<Utc>, keep: u64, limit: u32) -> u64;
    }
    ShadowReader {
        Predictions Read shadow_selection() -> Option<ShadowSelection>;
    }
    ShadowStore {
        Predictions Write put_shadow_selection(selection: ShadowSelection) -> ();
    }
    NeedReader {
        Needs Read needs(state: Option<NeedState>, now: DateTime<Utc>, cursor: Option<&str>, limit: u32) -> Page<Need>;
        Needs Read open_needs(now: DateTime<Utc>) -> u64;
        Needs Read need(id: &str) -> Option<Need>;
    }
    NeedProducer {
        Needs Write raise_need(need: Need) -> bool;
        Needs Write withdraw_need(id: &str, at: DateTime<Utc>) -> bool;
    }
    NeedStore {
        Needs Write acknowledge_need(id: &str, dealing: NeedDealing) -> Need;
        Needs Write snooze_need(id: &str, until: DateTime<Utc>, dealing: NeedDealing) -> Need;
    }
    WatchReader {
        Watch Read watch_state() -> Option<WatchState>;
        Watch Read watched_windows(filter: WindowFilter, cursor: Option<&str>, limit: u32) -> Page<WatchedWindow>;
        Watch Read watched_window(id: &str) -> Option<WatchedWindow>;
    }
    WatchStore {
        Watch Write record_watch(state: WatchState, window: Option<WatchedWindow>, outbox: Vec<OutboxMessage>) -> bool;
        Watch Write update_windows(windows: Vec<WatchedWindow>) -> ();
    }
    RetentionStore {
        Retention Write forget(before: Cutoffs, limit: u32) -> Forgotten;
        Retention Read artifacts_in_use() -> BTreeSet<String>;
    }
}

#[async_trait]
impl StoreHealth for TimedStore {
    async fn ping(&self) -> Result<()> {
        let call = Call { group: Group::Health, operation: Operation::Read };
        self.timed(call, self.inner.ping()).await
    }

    fn unreadable(&self) -> Vec<String> {
        self.inner.unreadable()
    }
}

impl Store for TimedStore {
    fn close(&self) {
        self.inner.close();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::conformance::{self, Backend, samples};
    use crate::sqlite::SqliteStore;
    use std::sync::Mutex;
    use tempfile::TempDir;

    #[derive(Default)]
    struct Seen(Mutex<Vec<(Call, bool)>>);

    impl Observer for Seen {
        fn observe(&self, call: Call, _: Duration, failed: bool) {
            self.0.lock().unwrap().push((call, failed));
        }
    }

    impl Seen {
        fn of(&self, group: Group, operation: Operation) -> (usize, usize) {
            let seen = self.0.lock().unwrap();
            let of = seen.iter().filter(|(call, _)| *call == Call { group, operation });
            let failed = of.clone().filter(|(_, failed)| *failed).count();
            (of.count(), failed)
        }
    }

    #[derive(Default)]
    struct Timed {
        folders: Mutex<Vec<TempDir>>,
        seen: Arc<Seen>,
    }

    impl Timed {
        fn open(&self, folder: &TempDir) -> Arc<dyn Store> {
            let store = SqliteStore::open(folder.path(), samples::at(0)).unwrap();
            Arc::new(TimedStore::new(Arc::new(store), self.seen.clone()))
        }
    }

    #[async_trait]
    impl Backend for Timed {
        async fn empty(&self) -> Arc<dyn Store> {
            let folder = tempfile::tempdir().unwrap();
            let store = self.open(&folder);
            self.folders.lock().unwrap().push(folder);
            store
        }
        async fn reopened(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
            drop(store);
            self.open(self.folders.lock().unwrap().last().unwrap())
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn a_timed_store_keeps_every_promise_and_a_conflict_is_no_failure() {
        let timed = Timed::default();
        conformance::run(&timed).await;
        for call in Call::all().filter(|call| call.group != Group::Health && call.group != Group::Retention) {
            let (calls, failed) = timed.seen.of(call.group, call.operation);
            assert!(calls > 0, "{call:?} was not observed");
            assert_eq!(failed, 0, "{call:?}");
        }
    }

    #[tokio::test]
    async fn a_closed_store_and_an_answer_that_is_not_waited_for_are_failures() {
        let timed = Timed::default();
        let store = timed.empty().await;
        drop(futures_util::poll!(Box::pin(store.keys())));
        assert_eq!(timed.seen.of(Group::Keys, Operation::Read), (1, 1));
        store.close();
        store.put_schedule(ScheduledTrainingConfig::default()).await.unwrap_err();
        assert_eq!(timed.seen.of(Group::Triggers, Operation::Write), (1, 1));
    }

    #[test]
    fn every_kind_of_call_has_a_place_of_its_own() {
        let places: Vec<usize> = Call::all().map(Call::index).collect();
        assert_eq!(places, (0..Call::COUNT).collect::<Vec<_>>());
    }
}
