//! Takes jobs in: new ones into the queue, and triggers into jobs that wait.

use super::{JobQueue, new_record};
use crate::error::SubmitError;
use crate::jobs::change::Change;
use crate::jobs::estimate;
use crate::jobs::messages::{Accepted, Join, Joined, KeyedSubmission, Submit, Submitted, WrittenResponse};
use provost_domain::event::outbound::Topic;
use provost_domain::job::{JobEventKind, JobStateChange};
use provost_domain::limits;
use provost_domain::queue::{QueuedJob, waiting_jobs};
use provost_store::{JobCreation, NewJob, StoreError, StoredResponse};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Tries of joining a job that changes meanwhile.
const JOINS: u32 = 4;

impl JobQueue {
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
