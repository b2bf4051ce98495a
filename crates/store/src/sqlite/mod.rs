//! The SQLite backend: one file in the data folder, one writer thread, a few reader threads.

mod audit;
pub(crate) mod backup;
mod connection;
mod decisions;
pub(crate) mod documents;
mod evaluations;
mod forget;
mod jobs;
mod keys;
mod leases;
mod messages;
mod models;
mod points;
mod schema;
pub(crate) mod sessions;
mod triggers;

use crate::artifacts::io_error;
use crate::damage::Damage;
use crate::error::{Result, StoreError};
use crate::private;
use crate::store::*;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use connection::{Workers, in_transaction};
use messages::EncodedEffect;
use models::Switch;
use points::Encoded;
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
use rusqlite::{Connection, Transaction};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// Name of the database in the data folder.
pub const DATABASE: &str = "provost.db";
const READERS: usize = 3;
/// A writer that was between two commands this short a time ago is taken to be at work.
const PULSE: Duration = Duration::from_secs(5);

/// A [`Store`] in a file. Several processes may have one data folder open; SQLite's locks order their writes.
pub struct SqliteStore {
    path: PathBuf,
    /// Before the writer, as they are dropped: the last connection folds the log into the database and removes it, and one that
    /// only reads cannot.
    readers: Workers,
    writer: Workers,
    damage: Damage,
}

impl SqliteStore {
    /// Opens the database in this folder, created if missing, and brings its schema up to date. `now` dates a new
    /// installation. Blocks for some milliseconds, longer when a migration runs.
    pub fn open(data_dir: &Path, now: DateTime<Utc>) -> Result<Self> {
        connection::check_library(rusqlite::version_number(), rusqlite::version())?;
        let path = data_dir.join(DATABASE);
        own_file(data_dir, &path)?;
        let mut writer = connection::open_writer(&path)?;
        schema::migrate(&mut writer, schema::STEPS)?;
        install(&mut writer, now)?;
        let readers = (0..READERS).map(|_| connection::open_reader(&path)).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            path,
            readers: Workers::start("store-reader", readers)?,
            writer: Workers::start("store-writer", vec![writer])?,
            damage: Damage::default(),
        })
    }

    /// Reads all of the database in this folder for damage. Blocks for as long as that takes: seconds for each gigabyte.
    ///
    /// # Errors
    /// `Corrupt` with the first damage that was found.
    pub fn examine(data_dir: &Path) -> Result<()> {
        let connection = connection::open_reader(&data_dir.join(DATABASE))?;
        let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        match found.as_str() {
            "ok" => Ok(()),
            _ => Err(StoreError::Corrupt { what: "the database".to_owned(), why: found }),
        }
    }

    /// Runs `f` in a transaction on the writer thread.
    async fn write<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        self.noted(self.writer.call(move |connection| in_transaction(connection, f)).await)
    }

    async fn read<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        self.noted(self.readers.call(move |connection| f(connection)).await)
    }

    /// As `read`, of a list that leaves out what cannot be read.
    async fn list<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Damage) -> Result<T> + Send + 'static,
    {
        let damage = self.damage.clone();
        self.read(move |c| f(c, &damage)).await
    }

    fn noted<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| self.damage.note(error))
    }
}

/// Makes the folder and the file if they are missing, for nobody else. SQLite gives the file's rights to those that it makes
/// beside it.
fn own_file(data_dir: &Path, path: &Path) -> Result<()> {
    private::make_data_folder(data_dir)?;
    match private::create_new(path) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(io_error(path, e)),
    }
}

/// Writes the installation's salt once; SQLite's generator is seeded by the operating system.
fn install(writer: &mut Connection, now: DateTime<Utc>) -> Result<()> {
    in_transaction(writer, |transaction| {
        let found: i64 = transaction.query_row("SELECT count(*) FROM installation", [], |row| row.get(0))?;
        if found == 0 {
            let salt: i64 = transaction.query_row("SELECT random()", [], |row| row.get(0))?;
            let installation = Installation { salt: salt.cast_unsigned(), created_at: now };
            let document = documents::encode("the installation", &installation)?;
            transaction.execute("INSERT INTO installation (one, document) VALUES (1, ?1)", [document])?;
        }
        Ok(())
    })
}

fn encode_points(points: Vec<AdmissionDataPoint>) -> Result<Vec<Encoded>> {
    points.into_iter().map(Encoded::new).collect()
}

#[async_trait]
impl Store for SqliteStore {
    async fn ping(&self) -> Result<()> {
        // Not behind a commit: one that folds the log into the database waits for the disk for a second and more.
        self.writer.alive(PULSE).await?;
        self.points_mark().await.map(|_| ())
    }

    fn unreadable(&self) -> Vec<String> {
        self.damage.tell()
    }

    fn close(&self) {
        self.readers.close();
        self.writer.close();
    }

    async fn installation(&self) -> Result<Installation> {
        let missing = || StoreError::Corrupt { what: "the installation".to_owned(), why: "its row is gone".to_owned() };
        self.read(move |c| {
            documents::one(c, "the installation", "SELECT document FROM installation", [])?.ok_or_else(missing)
        })
        .await
    }

    async fn record_points(&self, points: Vec<AdmissionDataPoint>) -> Result<Vec<PointOutcome>> {
        self.writer
            .call(move |connection| {
                let points = encode_points(points)?; // before the write lock is taken
                in_transaction(connection, |t| points::record(t, &points))
            })
            .await
    }

    async fn stream_points(
        &self,
        selection: PointSelection,
    ) -> Result<mpsc::Receiver<Result<Vec<AdmissionDataPoint>>>> {
        let (sender, receiver) = mpsc::channel(points::STREAM_AHEAD);
        let path = self.path.clone();
        // A thread of its own: a slow consumer holds no reader of the pool.
        std::thread::Builder::new()
            .name("store-stream".to_owned())
            .spawn(move || points::stream(&path, &selection, &sender))
            .map_err(|e| StoreError::Unavailable(format!("thread store-stream: {e}")))?;
        Ok(receiver)
    }

    async fn points_mark(&self) -> Result<PointsMark> {
        self.read(points::mark).await
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
        self.write(move |t| jobs::create(t, record, events, &outbox, triggers, response.as_ref(), max_waiting)).await
    }

    async fn job(&self, id: &JobId) -> Result<Option<JobRecord>> {
        let id = id.clone();
        self.list(move |c, damage| {
            let found = jobs::get(c, &id)?;
            damage.repaired(&format!("job {id}"));
            Ok(found)
        })
        .await
    }

    async fn job_named(&self, name: &str) -> Result<Option<JobId>> {
        let Ok(id) = JobId::parse(name) else { return Ok(None) };
        Ok(self.job(&id).await?.map(|record| record.job.job_id))
    }

    async fn list_jobs(
        &self,
        status: Option<JobStatus>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<TrainingJob>> {
        let cursor = cursor.map(str::to_owned);
        self.list(move |c, damage| jobs::list(c, damage, status, cursor.as_deref(), limit)).await
    }

    async fn unfinished_jobs(&self) -> Result<Vec<QueuedJob>> {
        self.list(jobs::unfinished).await
    }

    async fn save_job(
        &self,
        record: JobRecord,
        events: Vec<NewJobEvent>,
        outbox: Vec<OutboxMessage>,
    ) -> Result<JobRecord> {
        self.write(move |t| jobs::save(t, record, events, &outbox)).await
    }

    async fn join_job(
        &self,
        record: JobRecord,
        events: Vec<NewJobEvent>,
        triggers: Vec<TriggerRecord>,
    ) -> Result<JobRecord> {
        self.write(move |t| jobs::join(t, record, events, triggers)).await
    }

    async fn claim_job(&self, id: &JobId, epoch: u64) -> Result<JobRecord> {
        let id = id.clone();
        self.write(move |t| jobs::claim(t, &id, epoch)).await
    }

    async fn take_lease(&self, name: &str, holder: &str, seen: Option<Lease>) -> Result<Option<Lease>> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.write(move |t| leases::take(t, name, holder, seen.as_ref())).await
    }

    async fn renew_lease(&self, lease: &Lease) -> Result<Option<Lease>> {
        let lease = lease.clone();
        self.write(move |t| leases::renew(t, &lease)).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        let lease = lease.clone();
        self.write(move |t| leases::release(t, &lease)).await
    }

    async fn lease(&self, name: &str) -> Result<Option<Lease>> {
        let name = name.to_owned();
        self.read(move |c| leases::get(c, &name)).await
    }

    async fn offer_unit(&self, unit: WorkUnit, outbox: Vec<OutboxMessage>) -> Result<WorkUnit> {
        self.write(move |t| leases::offer(t, unit, &outbox)).await
    }

    async fn unit(&self, id: &str) -> Result<Option<WorkUnit>> {
        let id = id.to_owned();
        self.read(move |c| leases::unit(c, &id)).await
    }

    async fn open_units(&self) -> Result<Vec<WorkUnit>> {
        self.list(leases::open).await
    }

    async fn save_unit(&self, unit: WorkUnit) -> Result<WorkUnit> {
        self.write(move |t| leases::save(t, unit)).await
    }

    async fn job_counts(&self) -> Result<BTreeMap<JobStatus, u64>> {
        self.read(jobs::counts).await
    }

    async fn job_events(&self, id: &JobId, after: u64, limit: u32) -> Result<Vec<JobEvent>> {
        let id = id.clone();
        self.read(move |c| jobs::events(c, &id, after, limit)).await
    }

    async fn record_trial(&self, epoch: u64, trial: TrialRecord) -> Result<()> {
        self.write(move |t| jobs::record_trial(t, epoch, &trial)).await
    }

    async fn trials_from(&self, job: &JobId, algorithm: Algorithm, from: u32, limit: u32) -> Result<Vec<TrialRecord>> {
        let job = job.clone();
        self.read(move |c| jobs::trials_from(c, &job, algorithm, from, limit)).await
    }

    async fn register_model(
        &self,
        model: ModelRecord,
        evaluation: EvaluationRecord,
        outbox: Vec<OutboxMessage>,
    ) -> Result<()> {
        self.write(move |t| models::register(t, model, &evaluation, &outbox)).await
    }

    async fn model(&self, id: &ModelId) -> Result<Option<ModelRecord>> {
        let id = id.clone();
        self.list(move |c, damage| {
            let found = models::get(c, &id)?;
            damage.repaired(&format!("model {id}"));
            Ok(found)
        })
        .await
    }

    async fn model_named(&self, name: &str) -> Result<Option<ModelId>> {
        let Ok(id) = ModelId::parse(name) else { return Ok(None) };
        Ok(self.model(&id).await?.map(|model| model.version.model_id))
    }

    async fn list_models(&self, active_only: bool, cursor: Option<&str>, limit: u32) -> Result<Page<ModelVersion>> {
        let cursor = cursor.map(str::to_owned);
        self.list(move |c, damage| models::list(c, damage, active_only, cursor.as_deref(), limit)).await
    }

    async fn model_count(&self) -> Result<u64> {
        self.read(models::count).await
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
        self.write(move |t| models::activate(t, &id, Switch { by, reason, at }, &outbox)).await
    }

    async fn active_model(&self) -> Result<Option<ModelId>> {
        self.read(models::active).await
    }

    async fn activations(&self, before: Option<u64>, limit: u32) -> Result<Page<Activation>> {
        self.read(move |c| models::activations(c, before, limit)).await
    }

    async fn activation_at(&self, at: DateTime<Utc>) -> Result<Option<Activation>> {
        self.read(move |c| models::activation_at(c, at)).await
    }

    async fn decide(&self, decision: GateDecision, outbox: Vec<OutboxMessage>) -> Result<GateDecision> {
        self.write(move |t| decisions::decide(t, decision, &outbox)).await
    }

    async fn decision(&self, job: &JobId) -> Result<Option<GateDecision>> {
        let job = job.clone();
        self.read(move |c| decisions::get(c, &job)).await
    }

    async fn decisions(
        &self,
        since: Option<DateTime<Utc>>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<GateDecision>> {
        let cursor = cursor.map(str::to_owned);
        self.read(move |c| decisions::page(c, since, cursor.as_deref(), limit)).await
    }

    async fn start_evaluation(&self, record: EvaluationRecord) -> Result<()> {
        self.write(move |t| evaluations::start(t, &record)).await
    }

    async fn finish_evaluation(&self, record: EvaluationRecord) -> Result<()> {
        self.write(move |t| evaluations::finish(t, &record)).await
    }

    async fn evaluation(&self, model: &ModelId) -> Result<Option<EvaluationRecord>> {
        let model = model.clone();
        self.read(move |c| evaluations::last(c, &model)).await
    }

    async fn unfinished_evaluations(&self) -> Result<Vec<EvaluationRecord>> {
        self.list(evaluations::unfinished).await
    }

    async fn add_trigger(&self, record: TriggerRecord, outbox: Vec<OutboxMessage>) -> Result<bool> {
        self.write(move |t| {
            let new = triggers::add(t, &record)?;
            if new {
                messages::announce(t, &outbox)?;
            }
            Ok(new)
        })
        .await
    }

    async fn pending_triggers(&self) -> Result<Vec<TriggerRecord>> {
        self.list(triggers::pending).await
    }

    async fn settle_trigger(&self, id: &str, outcome: String) -> Result<bool> {
        let id = id.to_owned();
        self.write(move |t| triggers::settle(t, &id, outcome)).await
    }

    async fn list_triggers(&self, cursor: Option<&str>, limit: u32) -> Result<Page<TriggerRecord>> {
        let cursor = cursor.map(str::to_owned);
        self.list(move |c, damage| triggers::list(c, damage, cursor.as_deref(), limit)).await
    }

    async fn schedule(&self) -> Result<Option<ScheduledTrainingConfig>> {
        self.read(triggers::schedule).await
    }

    async fn put_schedule(&self, schedule: ScheduledTrainingConfig) -> Result<()> {
        self.write(move |t| triggers::put_schedule(t, &schedule)).await
    }

    async fn slot_progress(&self) -> Result<Option<SlotProgress>> {
        self.read(triggers::slot_progress).await
    }

    async fn put_slot_progress(&self, progress: SlotProgress) -> Result<()> {
        self.write(move |t| triggers::put_slot_progress(t, &progress)).await
    }

    async fn stored_response(&self, key: &str, now: DateTime<Utc>) -> Result<Option<StoredResponse>> {
        let key = key.to_owned();
        self.read(move |c| messages::stored_response(c, &key, now)).await
    }

    async fn store_response(&self, response: StoredResponse) -> Result<StoredResponse> {
        self.write(move |t| messages::store_response(t, &response)).await
    }

    async fn responses_held(&self, owner: &str, now: DateTime<Utc>) -> Result<ResponsesHeld> {
        let owner = owner.to_owned();
        self.read(move |c| messages::responses_held(c, &owner, now)).await
    }

    async fn record_inbox(&self, events: Vec<(InboxEntry, InboxEffect)>) -> Result<Vec<InboxOutcome>> {
        self.writer
            .call(move |connection| {
                let encoded = events.into_iter().map(|(entry, effect)| Ok((entry, EncodedEffect::new(effect)?)));
                let events = encoded.collect::<Result<Vec<_>>>()?;
                in_transaction(connection, |t| messages::record_inbox(t, &events))
            })
            .await
    }

    async fn outbox_pending(&self, channel: &str, limit: u32) -> Result<Vec<OutboxMessage>> {
        let channel = channel.to_owned();
        self.list(move |c, damage| messages::pending(c, damage, &channel, limit)).await
    }

    async fn outbox_count(&self, channel: &str) -> Result<u64> {
        let channel = channel.to_owned();
        self.read(move |c| messages::count(c, &channel)).await
    }

    async fn outbox_trim(&self, channel: &str, keep: u64) -> Result<u64> {
        let channel = channel.to_owned();
        self.write(move |t| messages::trim(t, &channel, keep)).await
    }

    async fn outbox_sent(&self, ids: Vec<String>) -> Result<()> {
        self.write(move |t| messages::sent(t, &ids)).await
    }

    async fn add_key(&self, key: ApiKey, deed: Deed) -> Result<()> {
        self.write(move |t| keys::add(t, &key, deed)).await
    }

    async fn keys(&self) -> Result<Vec<ApiKey>> {
        self.read(keys::all).await
    }

    async fn revoke_key(&self, id: &str, from: DateTime<Utc>, deed: Deed) -> Result<ApiKey> {
        let id = id.to_owned();
        self.write(move |t| keys::revoke(t, &id, from, deed)).await
    }

    async fn add_session(&self, session: Session, bounds: SessionBounds) -> Result<()> {
        self.write(move |t| sessions::add(t, &session, bounds)).await
    }

    async fn sessions(&self) -> Result<Vec<Session>> {
        self.read(sessions::all).await
    }

    async fn see_sessions(&self, sessions: Vec<Session>) -> Result<()> {
        self.write(move |t| sessions::seen(t, &sessions)).await
    }

    async fn end_session(&self, sha256: &str) -> Result<bool> {
        let sha256 = sha256.to_owned();
        self.write(move |t| sessions::end(t, &sha256)).await
    }

    async fn append_audit(&self, deeds: Vec<Deed>) -> Result<Vec<AuditEntry>> {
        self.write(move |t| audit::append(t, deeds)).await
    }

    async fn audit(&self, cursor: Option<&str>, limit: u32) -> Result<Page<AuditEntry>> {
        let cursor = cursor.map(str::to_owned);
        self.read(move |c| audit::page(c, cursor.as_deref(), limit)).await
    }

    async fn audit_after(&self, number: u64, limit: u32) -> Result<Vec<AuditEntry>> {
        self.read(move |c| audit::after(c, number, limit)).await
    }

    async fn audit_head(&self) -> Result<Head> {
        self.read(audit::head).await
    }

    async fn forget(&self, before: Cutoffs, limit: u32) -> Result<Forgotten> {
        // Looked for on a reader: what has ended stays so, and the writer is held for the removal only.
        let (cutoffs, jobs) = self
            .read(move |c| {
                let jobs = forget::ended_jobs(c, &before, limit)?;
                Ok((before, jobs))
            })
            .await?;
        self.write(move |t| forget::forget(t, &cutoffs, &jobs, limit)).await
    }

    async fn artifacts_in_use(&self) -> Result<BTreeSet<String>> {
        self.read(forget::artifacts_in_use).await
    }
}

#[cfg(test)]
mod tests;
