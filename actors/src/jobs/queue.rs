//! The job queue: takes jobs in, starts them while there is room, and watches over their drivers. Its state is rebuilt from
//! the store at the start.

mod admission;
mod oversight;

use super::change::cancelled;
use super::claim::{may_claim, task_of};
use super::env::JobEnv;
use super::messages::{ShutdownReport, Submission};
use super::queue_state::QueueState;
use super::settlement::has_driver;
use super::stop::{JobStop, outranks};
use super::writer::{JobWriter, Patience, WriteError};
use crate::error::CancelError;
use crate::failures::{Kind, LONG_PAUSE};
use crate::plan;
use crate::retry::{never, retry};
use provost_domain::job::{CancelWish, JobRecord};
use provost_domain::{JobId, TrainingJob, limits};
use provost_store::StoreError;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// The component's name in reports of failures.
const COMPONENT: &str = "jobs";
const UNFINISHED: &str = "reading the unfinished jobs";
const LONGEST_WAIT: Duration = Duration::from_secs(30);

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
