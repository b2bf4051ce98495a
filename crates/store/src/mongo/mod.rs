//! The MongoDB backend, for several hosts. It needs no transactions, and so no replica set: every step that must be whole is a
//! change of one document that compares (`Db::put`), and what spans documents is told in one of them first.
//!
//! | verb | documents, in order | a crash leaves | who repairs it |
//! | --- | --- | --- | --- |
//! | `record_points` | sign in at the mark; each point by itself; sign out | some points recorded, a sum to be made | the caller, who records again; the mark's next reader |
//! | `record_inbox` | rows, pending, with their effects; points, triggers; rows done | pending rows | the next delivery, or start |
//! | `points_mark` | the kept sum, or one made anew | nothing | |
//! | `create_job` | job, hidden; claims on key and triggers; job there; claims to facts | a hidden job, claims | whoever meets a claim; the next start |
//! | `join_job` | claims on triggers; job with their name; claims to facts | claims | whoever meets one; the next start |
//! | `save_job`, `claim_job` | older events copied out; job; announcements moved out | copies, announcements in the job | readers put them together; the relay moves them |
//! | `record_trial`, `offer_unit` | epoch looked at; trial or unit; (trial) epoch again | nothing | |
//! | `register_model` | model with evaluation and announcements; evaluation; announcements moved | no row of the evaluation | readers take it from the model; the relay |
//! | `activate_model`, `decide` | pointer with activation, decision, announcements; their collections; flags in `ml_models` | rows in the pointer only, old flags | readers look there first; the next change, or start |
//! | `append_audit` | head with the entries; entries | entries in the head only | readers look there first; the next append |
//! | `add_key`, `revoke_key` | key with the deeds that it owes; audit log; key without | a deed that is owed | whoever reads the keys |
//! | `add_trigger` | trigger with announcements; announcements moved | announcements in the trigger | the relay |
//! | leases, evaluations, responses, sessions, settings | one document | nothing | |
//!
//! So a batch of points or events is not one transaction here: a crash may leave a part of it, each point whole, and doing it
//! again completes it. A stream of points reads each point as it was at some moment of the reading, not all at one, as a
//! standalone server can say no more. The bound of waiting jobs may be passed by jobs that are created in the same moment.
//!
//! Points, models, jobs and triggers are readable documents, as the replaced service had them, whose own documents are taken
//! over as they are ([`legacy`]). What must come back bit for bit and in order lies beside it as JSON; in points the readable
//! part is all there is. The store's own members are below `provost`.

mod artifacts;
mod audit;
mod connection;
mod creation;
mod documents;
mod evaluations;
mod faults;
mod forget;
mod inbox;
mod jobs;
mod keys;
mod leases;
mod legacy;
mod mark;
mod models;
mod outbox;
mod pointer;
mod points;
mod responses;
mod schema;
#[cfg(test)]
#[path = "../../../../tests/it/mongo_server.rs"]
pub mod server;
mod sessions;
mod triggers;

use crate::artifacts::Remote;
use crate::error::{Result, StoreError};
use crate::store::*;
use artifacts::MongoArtifacts;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use connection::Db;
use mongodb::bson::doc;
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use pointer::Switch;
use provost_domain::audit::{AuditEntry, Deed, Head};
use provost_domain::gate::GateDecision;
use provost_domain::job::{JobEvent, JobRecord, JobStatus, TrialRecord};
use provost_domain::key::ApiKey;
use provost_domain::lease::{Lease, WorkUnit};
use provost_domain::model::{Activation, ModelRecord};
use provost_domain::queue::QueuedJob;
use provost_domain::schedule::{ScheduledTrainingConfig, SlotProgress};
use provost_domain::session::{Session, SessionBounds};
use provost_domain::{AdmissionDataPoint, Algorithm, JobId, ModelId, ModelVersion, TrainingJob};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc;

/// The collections that the replaced service had too.
const POINTS: &str = "admission_data";
const MODELS: &str = "ml_models";
const JOBS: &str = "training_jobs";
const TRIGGERS: &str = "training_triggers";
/// Single documents: the pointer to the active model, the points' mark, counters, schedule, installation.
const STATE: &str = "provost_state";
const UNITS: &str = "work_units";

const THREADS: usize = 2;
const SCHEDULE: &str = "schedule";
const SLOTS: &str = "slot progress";

/// A [`Store`] in a MongoDB database, which any number of processes may have open.
pub struct MongoStore {
    db: Db,
    /// The driver's own: its tasks live as long as the store, whatever runtime its callers are on.
    runtime: Mutex<Option<Runtime>>,
}

impl MongoStore {
    /// Opens the database that the address names (`provost`, if it names none), made if missing. `now` dates a new installation.
    /// Blocks until the server has answered, or 5 s; longer when documents of the replaced service are taken over.
    pub fn open(url: &str, now: DateTime<Utc>) -> Result<Self> {
        Self::open_watched(url, now, None)
    }

    /// As [`MongoStore::open`]; `watch` is told of every command that the driver sends.
    fn open_watched(url: &str, now: DateTime<Utc>, watch: Option<EventHandler<CommandEvent>>) -> Result<Self> {
        let no_thread = |e: std::io::Error| StoreError::Unavailable(format!("threads of the store: {e}"));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("store-mongo")
            .enable_all()
            .build()
            .map_err(no_thread)?;
        let url = url.to_owned();
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        // Not waited for on the runtime: the caller's thread may be one of another runtime.
        runtime.spawn(async move {
            let opened = async {
                let mut db = Db::new(&url, watch).await?;
                db.meet().await?;
                schema::prepare(&db, now).await?;
                Ok(db)
            };
            let _ = reply.send(opened.await); // nobody waits any more
        });
        let opened =
            answer.recv().unwrap_or_else(|_| Err(StoreError::Internal("opening the store panicked".to_owned())));
        match opened {
            Ok(db) => Ok(Self { db, runtime: Mutex::new(Some(runtime)) }),
            Err(e) => {
                close(Some(runtime));
                Err(e)
            }
        }
    }

    /// Whether this can be read as an address of MongoDB. Nothing is asked of any server.
    pub fn is_address(url: &str) -> bool {
        mongodb::options::ConnectionString::parse(url).is_ok()
    }

    /// Where artifacts go, so that other hosts have them too.
    pub fn artifacts(&self) -> Result<Arc<dyn Remote>> {
        Ok(Arc::new(MongoArtifacts::new(self.db.clone(), self.handle()?)))
    }

    fn handle(&self) -> Result<Handle> {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = runtime.as_ref().map(|runtime| runtime.handle().clone());
        runtime.ok_or_else(|| StoreError::Unavailable("the store is closed".to_owned()))
    }

    /// Runs on the store's runtime, to its end even if the caller does not wait for it.
    async fn run<T, F, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
        W: FnOnce(Db) -> F,
    {
        let work = self.handle()?.spawn(work(self.db.clone()));
        let done = work.await.unwrap_or_else(|e| Err(StoreError::Internal(format!("a command ended early: {e}"))));
        done.inspect_err(|error| self.db.damage.note(error))
    }
}

/// Without waiting: a runtime must not be waited for on another one's threads.
fn close(runtime: Option<Runtime>) {
    if let Some(runtime) = runtime {
        runtime.shutdown_background();
    }
}

impl Drop for MongoStore {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl Store for MongoStore {
    async fn ping(&self) -> Result<()> {
        self.run(|db| async move { db.command(doc! {"ping": 1}).await.map(|_| ()) }).await
    }

    fn unreadable(&self) -> Vec<String> {
        self.db.damage.tell()
    }

    fn close(&self) {
        close(self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    async fn installation(&self) -> Result<Installation> {
        self.run(|db| async move { schema::installation(&db).await }).await
    }

    async fn record_points(&self, points: Vec<AdmissionDataPoint>) -> Result<Vec<PointOutcome>> {
        self.run(|db| async move { points::apply(&db, &points::encode(points)?).await }).await
    }

    async fn stream_points(
        &self,
        selection: PointSelection,
    ) -> Result<mpsc::Receiver<Result<Vec<AdmissionDataPoint>>>> {
        Ok(points::stream(&self.db, &self.handle()?, &selection))
    }

    async fn points_mark(&self) -> Result<PointsMark> {
        self.run(|db| async move { mark::read(&db).await }).await
    }

    async fn create_job(
        &self,
        record: JobRecord,
        events: Vec<NewJobEvent>,
        outbox: Vec<OutboxMessage>,
        triggers: Vec<TriggerRecord>,
        response: Option<StoredResponse>,
        max_waiting: u64,
    ) -> Result<JobCreation> {
        self.run(
            |db| async move { creation::create(&db, record, events, &outbox, triggers, response, max_waiting).await },
        )
        .await
    }

    async fn job(&self, id: &JobId) -> Result<Option<JobRecord>> {
        let id = id.clone();
        self.run(|db| async move {
            let found = jobs::get(&db, &id).await?;
            db.damage.repaired(&format!("job {id}"));
            Ok(found)
        })
        .await
    }

    async fn job_named(&self, name: &str) -> Result<Option<JobId>> {
        let name = name.to_owned();
        self.run(|db| async move { legacy::job_named(&db, &name).await }).await
    }

    async fn list_jobs(
        &self,
        status: Option<JobStatus>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<TrainingJob>> {
        let cursor = cursor.map(str::to_owned);
        self.run(|db| async move { jobs::list_page(&db, status, cursor.as_deref(), limit).await }).await
    }

    async fn unfinished_jobs(&self) -> Result<Vec<QueuedJob>> {
        self.run(|db| async move { jobs::unfinished(&db).await }).await
    }

    async fn save_job(
        &self,
        record: JobRecord,
        events: Vec<NewJobEvent>,
        outbox: Vec<OutboxMessage>,
    ) -> Result<JobRecord> {
        self.run(|db| async move { jobs::save(&db, record, events, &outbox).await }).await
    }

    async fn join_job(
        &self,
        record: JobRecord,
        events: Vec<NewJobEvent>,
        triggers: Vec<TriggerRecord>,
    ) -> Result<JobRecord> {
        self.run(|db| async move { creation::join(&db, record, events, triggers).await }).await
    }

    async fn claim_job(&self, id: &JobId, epoch: u64) -> Result<JobRecord> {
        let id = id.clone();
        self.run(|db| async move { jobs::claim(&db, &id, epoch).await }).await
    }

    async fn job_counts(&self) -> Result<BTreeMap<JobStatus, u64>> {
        self.run(|db| async move { jobs::counts(&db).await }).await
    }

    async fn job_events(&self, id: &JobId, after: u64, limit: u32) -> Result<Vec<JobEvent>> {
        let id = id.clone();
        self.run(|db| async move { jobs::events(&db, &id, after, limit).await }).await
    }

    async fn take_lease(&self, name: &str, holder: &str, seen: Option<Lease>) -> Result<Option<Lease>> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.run(|db| async move { leases::take(&db, &name, &holder, seen).await }).await
    }

    async fn renew_lease(&self, lease: &Lease) -> Result<Option<Lease>> {
        let lease = lease.clone();
        self.run(|db| async move { leases::renew(&db, &lease).await }).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        let lease = lease.clone();
        self.run(|db| async move { leases::release(&db, &lease).await }).await
    }

    async fn lease(&self, name: &str) -> Result<Option<Lease>> {
        let name = name.to_owned();
        self.run(|db| async move { leases::get(&db, &name).await }).await
    }

    async fn offer_unit(&self, unit: WorkUnit, outbox: Vec<OutboxMessage>) -> Result<WorkUnit> {
        self.run(|db| async move { leases::offer(&db, unit, &outbox).await }).await
    }

    async fn unit(&self, id: &str) -> Result<Option<WorkUnit>> {
        let id = id.to_owned();
        self.run(|db| async move { leases::unit(&db, &id).await }).await
    }

    async fn open_units(&self) -> Result<Vec<WorkUnit>> {
        self.run(|db| async move { leases::open(&db).await }).await
    }

    async fn save_unit(&self, unit: WorkUnit) -> Result<WorkUnit> {
        self.run(|db| async move { leases::save(&db, unit).await }).await
    }

    async fn record_trial(&self, epoch: u64, trial: TrialRecord) -> Result<()> {
        self.run(|db| async move { jobs::record_trial(&db, epoch, &trial).await }).await
    }

    async fn trials_from(&self, job: &JobId, algorithm: Algorithm, from: u32, limit: u32) -> Result<Vec<TrialRecord>> {
        let job = job.clone();
        self.run(|db| async move { jobs::trials_from(&db, &job, algorithm, from, limit).await }).await
    }

    async fn register_model(
        &self,
        model: ModelRecord,
        evaluation: EvaluationRecord,
        outbox: Vec<OutboxMessage>,
    ) -> Result<()> {
        self.run(|db| async move { models::register(&db, model, &evaluation, &outbox).await }).await
    }

    async fn model(&self, id: &ModelId) -> Result<Option<ModelRecord>> {
        let id = id.clone();
        self.run(|db| async move {
            let found = models::get(&db, &id).await?;
            db.damage.repaired(&format!("model {id}"));
            Ok(found)
        })
        .await
    }

    async fn model_named(&self, name: &str) -> Result<Option<ModelId>> {
        let name = name.to_owned();
        self.run(|db| async move { legacy::model_named(&db, &name).await }).await
    }

    async fn list_models(&self, active_only: bool, cursor: Option<&str>, limit: u32) -> Result<Page<ModelVersion>> {
        let cursor = cursor.map(str::to_owned);
        self.run(|db| async move { models::list(&db, active_only, cursor.as_deref(), limit).await }).await
    }

    async fn model_count(&self) -> Result<u64> {
        self.run(|db| async move { models::count(&db).await }).await
    }

    async fn activate_model(
        &self,
        id: &ModelId,
        by: Option<String>,
        reason: Option<String>,
        at: DateTime<Utc>,
        outbox: Vec<OutboxMessage>,
    ) -> Result<ModelRecord> {
        let id = id.clone();
        self.run(|db| async move { pointer::activate(&db, &id, Switch { by, reason, at }, &outbox).await }).await
    }

    async fn active_model(&self) -> Result<Option<ModelId>> {
        self.run(|db| async move { pointer::active(&db).await }).await
    }

    async fn activations(&self, before: Option<u64>, limit: u32) -> Result<Page<Activation>> {
        self.run(|db| async move { pointer::activations(&db, before, limit).await }).await
    }

    async fn activation_at(&self, at: DateTime<Utc>) -> Result<Option<Activation>> {
        self.run(|db| async move { pointer::activation_at(&db, at).await }).await
    }

    async fn decide(&self, decision: GateDecision, outbox: Vec<OutboxMessage>) -> Result<GateDecision> {
        self.run(|db| async move { pointer::decide(&db, decision, &outbox).await }).await
    }

    async fn decision(&self, job: &JobId) -> Result<Option<GateDecision>> {
        let job = job.clone();
        self.run(|db| async move { pointer::decision(&db, &job).await }).await
    }

    async fn decisions(
        &self,
        since: Option<DateTime<Utc>>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<GateDecision>> {
        let cursor = cursor.map(str::to_owned);
        self.run(|db| async move { pointer::decisions(&db, since, cursor.as_deref(), limit).await }).await
    }

    async fn start_evaluation(&self, record: EvaluationRecord) -> Result<()> {
        self.run(|db| async move { evaluations::start(&db, &record).await }).await
    }

    async fn finish_evaluation(&self, record: EvaluationRecord) -> Result<()> {
        self.run(|db| async move { evaluations::finish(&db, &record).await }).await
    }

    async fn evaluation(&self, model: &ModelId) -> Result<Option<EvaluationRecord>> {
        let model = model.clone();
        self.run(|db| async move { evaluations::last(&db, &model).await }).await
    }

    async fn unfinished_evaluations(&self) -> Result<Vec<EvaluationRecord>> {
        self.run(|db| async move { evaluations::unfinished(&db).await }).await
    }

    async fn add_trigger(&self, record: TriggerRecord, outbox: Vec<OutboxMessage>) -> Result<bool> {
        self.run(|db| async move { triggers::add(&db, &record, &outbox).await }).await
    }

    async fn pending_triggers(&self) -> Result<Vec<TriggerRecord>> {
        self.run(|db| async move { triggers::pending(&db).await }).await
    }

    async fn settle_trigger(&self, id: &str, outcome: String) -> Result<bool> {
        let id = id.to_owned();
        self.run(|db| async move { triggers::settle(&db, &id, outcome).await }).await
    }

    async fn list_triggers(&self, cursor: Option<&str>, limit: u32) -> Result<Page<TriggerRecord>> {
        let cursor = cursor.map(str::to_owned);
        self.run(|db| async move { triggers::list(&db, cursor.as_deref(), limit).await }).await
    }

    async fn schedule(&self) -> Result<Option<ScheduledTrainingConfig>> {
        self.run(|db| async move { triggers::setting(&db, SCHEDULE).await }).await
    }

    async fn put_schedule(&self, schedule: ScheduledTrainingConfig) -> Result<()> {
        self.run(|db| async move { triggers::put_setting(&db, SCHEDULE, &schedule).await }).await
    }

    async fn slot_progress(&self) -> Result<Option<SlotProgress>> {
        self.run(|db| async move { triggers::setting(&db, SLOTS).await }).await
    }

    async fn put_slot_progress(&self, progress: SlotProgress) -> Result<()> {
        self.run(|db| async move { triggers::put_setting(&db, SLOTS, &progress).await }).await
    }

    async fn stored_response(&self, key: &str, now: DateTime<Utc>) -> Result<Option<StoredResponse>> {
        let key = key.to_owned();
        self.run(|db| async move { responses::get(&db, &key, now).await }).await
    }

    async fn responses_held(&self, owner: &str, now: DateTime<Utc>) -> Result<ResponsesHeld> {
        let owner = owner.to_owned();
        self.run(|db| async move { responses::held(&db, &owner, now).await }).await
    }

    async fn store_response(&self, response: StoredResponse) -> Result<StoredResponse> {
        self.run(|db| async move { responses::store(&db, response).await }).await
    }

    async fn record_inbox(&self, events: Vec<(InboxEntry, InboxEffect)>) -> Result<Vec<InboxOutcome>> {
        self.run(|db| async move { inbox::record(&db, events).await }).await
    }

    async fn outbox_pending(&self, channel: &str, limit: u32) -> Result<Vec<OutboxMessage>> {
        let channel = channel.to_owned();
        self.run(|db| async move { outbox::pending(&db, &channel, limit).await }).await
    }

    async fn outbox_count(&self, channel: &str) -> Result<u64> {
        let channel = channel.to_owned();
        self.run(|db| async move { outbox::count(&db, &channel).await }).await
    }

    async fn outbox_sent(&self, ids: Vec<String>) -> Result<()> {
        self.run(|db| async move { outbox::sent(&db, ids).await }).await
    }

    async fn outbox_trim(&self, channel: &str, keep: u64) -> Result<u64> {
        let channel = channel.to_owned();
        self.run(|db| async move { outbox::trim(&db, &channel, keep).await }).await
    }

    async fn add_key(&self, key: ApiKey, deed: Deed) -> Result<()> {
        self.run(|db| async move { keys::add(&db, &key, &deed).await }).await
    }

    async fn keys(&self) -> Result<Vec<ApiKey>> {
        self.run(|db| async move { keys::all(&db).await }).await
    }

    async fn revoke_key(&self, id: &str, from: DateTime<Utc>, deed: Deed) -> Result<ApiKey> {
        let id = id.to_owned();
        self.run(|db| async move { keys::revoke(&db, &id, from, &deed).await }).await
    }

    async fn add_session(&self, session: Session, bounds: SessionBounds) -> Result<()> {
        self.run(|db| async move { sessions::add(&db, &session, bounds).await }).await
    }

    async fn sessions(&self) -> Result<Vec<Session>> {
        self.run(|db| async move { sessions::all(&db).await }).await
    }

    async fn see_sessions(&self, sessions: Vec<Session>) -> Result<()> {
        self.run(|db| async move { sessions::seen(&db, &sessions).await }).await
    }

    async fn end_session(&self, sha256: &str) -> Result<bool> {
        let sha256 = sha256.to_owned();
        self.run(|db| async move { sessions::end(&db, &sha256).await }).await
    }

    async fn append_audit(&self, deeds: Vec<Deed>) -> Result<Vec<AuditEntry>> {
        self.run(|db| async move { audit::append(&db, deeds).await }).await
    }

    async fn audit(&self, cursor: Option<&str>, limit: u32) -> Result<Page<AuditEntry>> {
        let cursor = cursor.map(str::to_owned);
        self.run(|db| async move { audit::page(&db, cursor.as_deref(), limit).await }).await
    }

    async fn audit_after(&self, number: u64, limit: u32) -> Result<Vec<AuditEntry>> {
        self.run(|db| async move { audit::after(&db, number, limit).await }).await
    }

    async fn audit_head(&self) -> Result<Head> {
        self.run(|db| async move { audit::head(&db).await }).await
    }

    async fn forget(&self, before: Cutoffs, limit: u32) -> Result<Forgotten> {
        self.run(|db| async move { forget::forget(&db, &before, limit).await }).await
    }

    async fn artifacts_in_use(&self) -> Result<BTreeSet<String>> {
        self.run(|db| async move { forget::artifacts_in_use(&db).await }).await
    }
}

#[cfg(test)]
mod tests;
