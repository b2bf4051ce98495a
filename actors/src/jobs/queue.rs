//! The job queue: takes jobs in, starts them while there is room, and watches over their drivers. Its state is rebuilt from
//! the store at the start.

use super::change::{Change, cancelled, failed};
use super::claim::{claim, may_claim, task_of};
use super::driver::drive;
use super::env::JobEnv;
use super::estimate;
use super::messages::{
    Accepted, Join, Joined, KeyedSubmission, ShutdownReport, Submission, Submit, Submitted, WrittenResponse,
};
use super::position::current_unit;
use super::queue_state::QueueState;
use super::settlement::has_driver;
use super::stop::{JobStop, outranks};
use super::wait::sleep_or_stop;
use super::writer::{JobWriter, Patience, WriteError};
use crate::error::{CancelError, SubmitError};
use crate::failures::{Kind, LONG_PAUSE};
use crate::lease::Leases;
use crate::panics::{Owner, panic_text};
use crate::plan;
use crate::retry::{never, retry};
use futures_util::FutureExt;
use provost_domain::event::outbound::Topic;
use provost_domain::job::{CancelWish, JobEventKind, JobRecord, JobStateChange};
use provost_domain::lease::Lease;
use provost_domain::queue::{QueuedJob, waiting_jobs};
use provost_domain::{JobId, TrainingJob, limits};
use provost_store::{JobCreation, NewJob, StoreError, StoredResponse};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// The component's name in reports of failures.
const COMPONENT: &str = "jobs";
const UNFINISHED: &str = "reading the unfinished jobs";
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Poll interval for cancel requests recorded by other processes.
const CANCEL_POLL: Duration = Duration::from_secs(1);
/// Tries of joining a job that changes meanwhile.
const JOINS: u32 = 4;

/// What the queue holds of a job that runs.
struct Running {
    stop: watch::Sender<JobStop>,
    /// None until the job is claimed.
    writer: Option<Arc<JobWriter>>,
    task: Option<AbortHandle>,
}

pub struct JobQueue {
    env: Arc<JobEnv>,
    state: Mutex<QueueState<Running>>,
    /// Moves with every change of `state`.
    changes: watch::Sender<u64>,
    /// Jobs are created one after the other, so that the count of waiting ones is right.
    admission: tokio::sync::Mutex<()>,
}

impl JobQueue {
    pub fn new(env: Arc<JobEnv>) -> Self {
        Self { env, state: Mutex::default(), changes: watch::Sender::new(0), admission: tokio::sync::Mutex::default() }
    }

    pub fn status(&self) -> Value {
        let state = self.state();
        json!({
            "running": state.running().keys().collect::<Vec<_>>(),
            "queued": state.waiting(),
            "max_running": self.env.resources.max_running,
            "max_queued": self.env.resources.max_queued,
            "recovered": state.is_recovered(),
            "closed": state.is_closed(),
            "fits": self.env.peers.executor.running(),
        })
    }

    /// Queues every unfinished job, oldest first; keeps trying while the store is away.
    pub async fn recover(self: &Arc<Self>) {
        let resources = &self.env.resources;
        let policy = |error: &StoreError| {
            let (kind, pauses) = (Kind::of(error), (resources.backoff, LONGEST_WAIT));
            let wait = resources.failures.wait(COMPONENT, UNFINISHED, kind, &error.to_string(), pauses);
            if wait >= LONG_PAUSE {
                // New jobs are taken in although the old ones cannot be read.
                self.change(|state| state.recover());
            }
            Some(wait)
        };
        let read = || resources.jobs.unfinished_jobs();
        // The policy never gives up.
        let Ok(jobs) = retry(&*resources.clock, policy, never(), read).await else { return };
        resources.failures.succeeded(COMPONENT, UNFINISHED);
        self.change(|state| {
            jobs.into_iter().for_each(|job| state.enqueue(job.job_id));
            state.recover();
        });
        self.dispatch();
    }

    pub async fn submit(self: Arc<Self>, message: Submit) -> Result<Submitted, SubmitError> {
        self.until(|state| state.is_recovered() || state.is_closed()).await;
        let _turn = self.admission.lock().await;
        let resources = &self.env.resources;
        let Submit { submission, usable_rows } = message;
        let own_minutes = estimate::minutes(&submission.config, usable_rows, resources).await?;
        let max_waiting = {
            let state = self.state();
            if state.is_closed() {
                return Err(SubmitError::ShuttingDown);
            }
            state.may_be_pending(resources.max_running, resources.max_queued, |running| running.writer.is_some())
        };
        let idempotency = submission.idempotency.clone();
        let triggers = submission.triggers.clone();
        let mut record = new_record(submission, resources.clock.now());
        record.estimated_minutes = Some(own_minutes);
        let id = record.job.job_id.clone();
        let mut unfinished = resources.jobs.unfinished_jobs().await?;
        unfinished.push(QueuedJob::from(&record));
        let waiting = waiting_jobs(&unfinished, resources.max_running).remove(&id).unwrap_or_default();
        // Where the time of a job before it is not known, that of the rest is told.
        let wait_minutes = waiting.estimated_wait_seconds.map(|seconds| hundredths(seconds / 60.0));
        let accepted = Accepted {
            job: record.job.clone(),
            estimated_minutes: hundredths(own_minutes + wait_minutes.unwrap_or(0.0)),
            waiting,
            estimated_wait_minutes: wait_minutes,
        };
        let response = idempotency.as_ref().map(|keyed| stored_response(keyed, &accepted));
        let mut change = Change::new(record.job.created_at);
        change.event(JobEventKind::State, &JobStateChange::from(&record.job));
        change.announce(&record, Topic::JobQueued);
        let job = NewJob { record, events: change.events, outbox: change.outbox, triggers, response, max_waiting };
        match resources.jobs.create_job(job).await? {
            JobCreation::Created(record) => {
                resources.metrics.job_submitted();
                self.change(|state| state.enqueue(id));
                self.dispatch();
                Ok(Submitted::New(Box::new(Accepted { job: record.job, ..accepted })))
            }
            JobCreation::Known(known)
                if idempotency.is_some_and(|keyed| known.request_hash == keyed.request.request_hash) =>
            {
                Ok(Submitted::Repeated(known))
            }
            JobCreation::Known(_) => Err(SubmitError::Mismatch),
            JobCreation::QueueFull => Err(SubmitError::QueueFull { max_queued: resources.max_queued }),
            JobCreation::Settled => Err(SubmitError::Settled),
        }
    }

    pub async fn join(self: Arc<Self>, message: Join) -> Result<Joined, SubmitError> {
        let _turn = self.admission.lock().await;
        let Join { config_hash, triggers } = message;
        let (mut tries, mut unreadable) = (0, BTreeSet::new());
        while tries < JOINS {
            let mut unfinished = self.env.resources.jobs.unfinished_jobs().await?;
            unfinished.retain(|job| {
                let is_wanted = job.config_hash == config_hash && !job.is_cancelled;
                is_wanted && !unreadable.contains(&job.job_id) && self.may_claim(&job.job_id)
            });
            let Some(waits) = unfinished.iter().find(|job| job.may_be_joined()) else {
                return Ok(if unfinished.is_empty() { Joined::None } else { Joined::Begun });
            };
            let id = waits.job_id.clone();
            let found = match self.env.resources.jobs.job(&id).await {
                // It never begins, and is in the way of no other. Each is met once.
                Err(StoreError::Corrupt { .. }) => {
                    unreadable.insert(id);
                    continue;
                }
                found => found?,
            };
            tries += 1;
            // It may have begun or ended by now.
            let record = found.filter(|record| QueuedJob::from(record).may_be_joined());
            let Some(mut record) = record else { continue };
            let mut change = Change::new(self.env.resources.clock.now());
            for t in &triggers {
                record.activation = record.activation.max(t.activation);
                // The others are in the list of triggers, with this job's id.
                if record.job.triggers.len() < limits::JOB_TRIGGERS {
                    let why = t.trigger.reason.as_deref().unwrap_or("no reason given");
                    change.log(&mut record, &format!("joined by a trigger ({}): {why}", t.trigger.trigger_type));
                    record.job.triggers.push(t.trigger.clone());
                }
            }
            match self.env.resources.jobs.join_job(record, change.events, triggers.clone()).await {
                Ok(saved) => {
                    self.env.streams.moved(&id, saved.next_event);
                    return Ok(Joined::Job(id));
                }
                // It has just begun, was changed, or another scheduler has the triggers.
                Err(StoreError::Conflict { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(Joined::Busy)
    }

    pub async fn cancel(
        self: Arc<Self>,
        id: JobId,
        by: Option<String>,
        keep_best: bool,
    ) -> Result<TrainingJob, CancelError> {
        self.until(|state| state.is_recovered() || state.is_closed()).await;
        let resources = &self.env.resources;
        loop {
            // A job that is being claimed is asked once it is.
            self.until(|state| state.running().get(&id).is_none_or(|r| r.writer.is_some())).await;
            let writer = self.state().running().get(&id).and_then(|r| r.writer.clone());
            let (writer, running) = match writer {
                Some(writer) => (writer, true),
                None => {
                    let found = resources.jobs.job(&id).await?.ok_or_else(|| CancelError::NotFound(id.clone()))?;
                    (Arc::new(JobWriter::new(found, resources.clone(), self.env.streams.clone())), false)
                }
            };
            let before = writer.read().await;
            if before.job.status.is_final() {
                return Err(CancelError::AlreadyFinal(before.job.status));
            }
            let saved = writer
                .update(Patience::Attempts, |r, n| {
                    if r.job.status.is_final() {
                        return;
                    }
                    let wish = CancelWish { at: n.at, by: by.clone(), keep_best };
                    r.cancel = Some(wish);
                    if has_driver(r, running, resources.leases.is_some(), keep_best) {
                        n.log(r, "asked to cancel");
                    } else {
                        cancelled(r, n);
                    }
                })
                .await;
            match saved {
                Ok(saved) => {
                    if running {
                        self.wish(&id, JobStop::Cancel { keep_best });
                    } else if saved.job.status.is_final() {
                        resources.failures.over(COMPONENT, &task_of(&id));
                        self.change(|state| state.withdraw(&id));
                    }
                    return Ok(saved.job);
                }
                // The job was claimed or settled in between: read it again.
                Err(WriteError::Lost) => {}
                Err(WriteError::Store(e)) => return Err(CancelError::Store(e)),
            }
        }
    }

    pub async fn shutdown(self: Arc<Self>, deadline: Duration) -> ShutdownReport {
        let ids: Vec<JobId> = self.change(|state| {
            state.close();
            state.running().keys().cloned().collect()
        });
        for id in &ids {
            self.wish(id, JobStop::Shutdown);
        }
        tokio::select! {
            () = self.until(|state| state.running().is_empty()) => {}
            () = self.env.resources.clock.sleep(deadline) => {}
        }
        let stragglers = self.env.peers.executor.running();
        let late: Vec<Arc<JobWriter>> =
            self.change(|state| state.end_all().into_values().filter_map(|r| r.end()).collect());
        for writer in late {
            if let Err(error) = writer.interrupt(Patience::Once).await {
                tracing::warn!(job = %writer.id, %error, "the job stays as it is and is resumed with the next start");
            }
        }
        let mut interrupted = Vec::new();
        for id in ids {
            if let Ok(Some(record)) = self.env.resources.jobs.job(&id).await
                && !record.job.status.is_final()
            {
                interrupted.push(id);
            }
        }
        ShutdownReport { interrupted, stragglers }
    }

    /// Ends the drivers without a word to the store: what a death of the actor leaves behind.
    pub fn abandon(&self) {
        let running = self.change(|state| {
            state.close();
            state.end_all()
        });
        for job in running.into_values() {
            job.end();
        }
    }

    /// Whether a job may be claimed: not while claiming it is given up.
    fn may_claim(&self, id: &JobId) -> bool {
        let resources = &self.env.resources;
        may_claim(&resources.failures, &*resources.clock, id)
    }

    /// Whether a job is driven or waits here.
    pub(super) fn has(&self, id: &JobId) -> bool {
        self.state().has(id)
    }

    /// Queues jobs that were found in the store.
    pub(super) fn take_in(self: &Arc<Self>, ids: Vec<JobId>) {
        if ids.is_empty() {
            return;
        }
        self.change(|state| ids.into_iter().for_each(|id| state.enqueue(id)));
        self.dispatch();
    }

    pub(super) fn env(&self) -> &JobEnv {
        &self.env
    }

    /// Begins queued jobs while there is room.
    fn dispatch(self: &Arc<Self>) {
        loop {
            let (stop, wishes) = watch::channel(JobStop::No);
            let running = || Running { stop, writer: None, task: None };
            let begun = self.change(|state| state.begin(self.env.resources.max_running, running));
            let Some(id) = begun else { return };
            let overseen = self.clone().oversee(id.clone(), wishes);
            let task = match Owner::current() {
                Some(owner) => actix_rt::spawn(owner.follow(overseen)),
                None => actix_rt::spawn(overseen),
            };
            if let Some(running) = self.state().running_mut(&id) {
                running.task = Some(task.abort_handle());
            }
        }
    }

    /// Drives a job, and answers a panic of its driver like a crash of the process: by claiming it anew.
    async fn oversee(self: Arc<Self>, id: JobId, stop: watch::Receiver<JobStop>) {
        while let Some((writer, lease)) = claim(&self.env, &id, &stop).await {
            let wish = writer.read().await.cancel;
            self.change(|state| {
                if let Some(running) = state.running_mut(&id) {
                    running.writer = Some(writer.clone());
                }
            });
            if let Some(wish) = wish {
                self.wish(&id, JobStop::Cancel { keep_best: wish.keep_best });
            }
            let driving = AssertUnwindSafe(drive(self.env.clone(), writer.clone(), stop.clone())).catch_unwind();
            let driven = match (&self.env.resources.leases, lease) {
                (Some(leases), Some(lease)) => {
                    let driven = tokio::select! {
                        driven = driving => Some(driven),
                        // Dropping the driver ends its fit.
                        () = self.guard(leases, &id, lease.clone()) => None,
                    };
                    leases.release(&lease).await;
                    driven
                }
                _ => Some(driving.await),
            };
            match driven {
                None | Some(Ok(())) => break,
                Some(Err(payload)) => {
                    let text = format!("its driver panicked: {}", panic_text(&*payload));
                    if !self.survives(&writer, &text).await {
                        break;
                    }
                    sleep_or_stop(&self.env, stop.clone(), self.env.resources.backoff).await;
                }
            }
        }
        self.change(|state| state.end(&id));
        self.env.resources.nudge.notify_one();
        // Where the store is shared it is looked at for such jobs anyhow.
        if self.env.resources.leases.is_none() && !self.may_claim(&id) {
            self.take_in_later(id);
        }
        self.dispatch();
    }

    /// Queues a job again whose claim was given up, once it may be tried again.
    fn take_in_later(self: &Arc<Self>, id: JobId) {
        let (desk, clock) = (Arc::downgrade(self), self.env.resources.clock.clone());
        let waiting = async move {
            clock.sleep(LONG_PAUSE).await;
            if let Some(desk) = desk.upgrade() {
                desk.take_in(vec![id]);
            }
        };
        match Owner::current() {
            Some(owner) => actix_rt::spawn(owner.follow(waiting)),
            None => actix_rt::spawn(waiting),
        };
    }

    /// Renews a job's lease and polls for cancel requests of other processes. Returns once the lease is lost.
    async fn guard(&self, leases: &Leases, id: &JobId, lease: Lease) {
        let wishes = async {
            loop {
                self.env.resources.clock.sleep(leases.beat_every().min(CANCEL_POLL)).await;
                // A store that cannot be reached is reported elsewhere.
                let Ok(Some(record)) = self.env.resources.jobs.job(id).await else { continue };
                if let Some(wish) = record.cancel {
                    self.wish(id, JobStop::Cancel { keep_best: wish.keep_best });
                }
            }
        };
        tokio::select! {
            () = leases.keep(lease) => {}
            () = wishes => {}
        }
    }

    /// Counts a crash of the driver as an attempt; false once there were too many, and the job has failed.
    async fn survives(&self, writer: &JobWriter, text: &str) -> bool {
        let record = writer.read().await;
        let failed_attempts = match current_unit(&record) {
            Some(unit) => writer.count_attempt(unit, text).await.ok(),
            None => None,
        };
        if failed_attempts.is_some_and(|failed| self.env.tries().after_attempt(failed).is_some()) {
            return true;
        }
        let mail = writer.mail(Patience::Attempts).await;
        let fail = |r: &mut JobRecord, n: &mut Change| {
            failed(r, n, text);
            n.write(&mail, r);
        };
        if let Err(error) = writer.update(Patience::Attempts, fail).await {
            tracing::error!(job = %writer.id, %error, "the job's failure could not be recorded");
        }
        false
    }

    /// Tells the job's driver to stop, unless it was told something stronger.
    fn wish(&self, id: &JobId, wish: JobStop) {
        if let Some(running) = self.state().running().get(id) {
            running.stop.send_if_modified(|stop| {
                let stronger = outranks(wish, *stop);
                if stronger {
                    *stop = wish;
                }
                stronger
            });
        }
    }

    fn state(&self) -> MutexGuard<'_, QueueState<Running>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut QueueState<Running>) -> T) -> T {
        let changed = change(&mut self.state());
        self.changes.send_modify(|n| *n += 1);
        changed
    }

    async fn until(&self, condition: impl Fn(&QueueState<Running>) -> bool) {
        let mut changes = self.changes.subscribe();
        while !condition(&self.state()) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// The answer as it is stored under the key.
fn stored_response(keyed: &KeyedSubmission, accepted: &Accepted) -> StoredResponse {
    let WrittenResponse { status, location, body } = (keyed.respond)(accepted);
    StoredResponse {
        key: keyed.request.stored_key(),
        owner: keyed.request.owner.clone(),
        request_hash: keyed.request.request_hash.clone(),
        status,
        location,
        body,
        at: accepted.job.created_at,
    }
}

/// Rounds to hundredths of a minute: estimates are no finer.
fn hundredths(minutes: f64) -> f64 {
    (minutes * 100.0).round() / 100.0
}

impl Running {
    fn end(self) -> Option<Arc<JobWriter>> {
        if let Some(task) = self.task {
            task.abort();
        }
        self.writer
    }
}

pub(super) fn new_record(submission: Submission, now: chrono::DateTime<chrono::Utc>) -> JobRecord {
    let Submission { config, created_by, triggers, .. } = submission;
    let activation = triggers.iter().map(|t| t.activation).max().unwrap_or_default();
    let units = plan::units(&config).into_iter().map(|u| (u.algorithm, Default::default())).collect();
    let job = TrainingJob {
        current_step: Some("queued".to_owned()),
        warnings: config.warnings(),
        created_by,
        triggers: triggers.into_iter().take(limits::JOB_TRIGGERS).map(|t| t.trigger).collect(),
        ..TrainingJob::new(JobId::new(now, uuid::Uuid::new_v4().as_u128()), config, now)
    };
    JobRecord { units, activation, ..JobRecord::new(job) }
}
