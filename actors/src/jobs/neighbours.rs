//! What other processes on the same store do: jobs that they make and leave, and those that they drive.

use super::desk::Desk;
use crate::lease::Leases;
use provost_domain::JobId;
use provost_domain::job::JobStatus;
use provost_domain::lease::of_job;
use provost_store::StoreError;
use std::collections::BTreeSet;
use std::sync::Arc;

pub struct Neighbours {
    desk: Arc<Desk>,
    leases: Leases,
    /// Unfinished, and driven elsewhere when last looked at.
    elsewhere: BTreeSet<JobId>,
}

impl Neighbours {
    pub fn new(desk: Arc<Desk>, leases: Leases) -> Self {
        Self { desk, leases, elsewhere: BTreeSet::new() }
    }

    /// Looks, for ever.
    pub async fn watch(mut self) {
        loop {
            self.desk.env().options.clock.sleep(self.leases.look_every()).await;
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "other processes' jobs could not be looked at");
            }
        }
    }

    /// Takes in what nobody is at work on, and tells those who follow a job that is driven elsewhere how far it is.
    async fn look(&mut self) -> Result<(), StoreError> {
        let store = self.desk.env().options.store.clone();
        let (mut left, mut elsewhere) = (Vec::new(), BTreeSet::new());
        for record in store.unfinished_jobs().await? {
            let id = record.job.job_id;
            self.desk.env().streams.moved(&id, record.next_event);
            if self.desk.has(&id) {
                continue;
            }
            // One that waits is claimed by whoever has room first.
            if record.job.status == JobStatus::Pending || self.leases.is_left(&of_job(&id)).await? {
                left.push(id);
            } else {
                elsewhere.insert(id);
            }
        }
        for ended in std::mem::replace(&mut self.elsewhere, elsewhere) {
            if !self.elsewhere.contains(&ended)
                && let Some(record) = store.job(&ended).await?
            {
                self.desk.env().streams.moved(&ended, record.next_event);
            }
        }
        self.desk.take_in(left);
        Ok(())
    }
}
