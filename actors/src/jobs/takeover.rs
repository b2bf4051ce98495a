//! Takeover: finds jobs in a shared store that no process works on, and passes on the progress of jobs that other processes
//! drive.

mod decision;

use super::claim::{CLAIMING, may_claim, task_of};
use super::queue::JobQueue;
use crate::failures::Kind;
use crate::lease::Leases;
use decision::{Decision, decide};
use provost_domain::lease::of_job;
use provost_domain::queue::QueuedJob;
use provost_store::StoreError;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The component's name in reports of failures.
const COMPONENT: &str = "jobs";
const TASK: &str = "looking at other processes' jobs";
/// Longest interval between tries while the store cannot be reached.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

pub struct Takeover {
    queue: Arc<JobQueue>,
    leases: Leases,
}

impl Takeover {
    pub fn new(queue: Arc<JobQueue>, leases: Leases) -> Self {
        Self { queue, leases }
    }

    /// Looks periodically, without an end.
    pub async fn watch(self) {
        let resources = self.queue.env().resources.clone();
        let mut wait = self.leases.look_every();
        loop {
            resources.clock.sleep(wait).await;
            wait = match self.look().await {
                Ok(()) => {
                    resources.failures.succeeded(COMPONENT, TASK);
                    self.leases.look_every()
                }
                Err(error) => {
                    let pauses = (self.leases.look_every(), LONGEST_WAIT);
                    resources.failures.wait(COMPONENT, TASK, Kind::of(&error), &error.to_string(), pauses)
                }
            };
        }
    }

    /// Queues jobs that no process works on, and passes the progress of other processes' jobs on to their followers here.
    async fn look(&self) -> Result<(), StoreError> {
        let resources = self.queue.env().resources.clone();
        let (store, mut left) = (&resources.jobs, Vec::new());
        let unfinished = store.unfinished_jobs().await?;
        // What has ended meanwhile, here or elsewhere, is claimed no more.
        let claimed: BTreeSet<String> = unfinished.iter().map(|job| task_of(&job.job_id)).collect();
        resources.failures.keep(COMPONENT, CLAIMING, |task| claimed.contains(task));
        for QueuedJob { job_id: id, status, .. } in unfinished {
            let may_claim = || may_claim(&resources.failures, &*resources.clock, &id);
            let is_left = match decide(status, self.queue.has(&id), may_claim) {
                Decision::Leave => false,
                Decision::Queue => true,
                Decision::QueueIfLeft => self.leases.is_left(&of_job(&id)).await?,
            };
            if is_left {
                left.push(id);
            }
        }
        // Whoever drives a job tells its own followers; one may also begin and end elsewhere between two looks.
        for id in self.queue.env().streams.watched() {
            if let Some(record) = store.job(&id).await? {
                self.queue.env().streams.moved(&id, record.next_event);
            }
        }
        self.queue.take_in(left);
        Ok(())
    }
}
