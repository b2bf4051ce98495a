//! Begins jobs, and watches over their drivers.

use super::{JobQueue, Running};
use crate::failures::LONG_PAUSE;
use crate::jobs::change::{Change, failed};
use crate::jobs::claim::claim;
use crate::jobs::driver::drive;
use crate::jobs::position::current_unit;
use crate::jobs::stop::JobStop;
use crate::jobs::wait::sleep_or_stop;
use crate::jobs::writer::{JobWriter, Patience};
use crate::lease::Leases;
use crate::panics::{Owner, panic_text};
use futures_util::FutureExt;
use provost_domain::JobId;
use provost_domain::job::JobRecord;
use provost_domain::lease::Lease;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Poll interval for cancel requests recorded by other processes.
const CANCEL_POLL: Duration = Duration::from_secs(1);

impl JobQueue {
    /// Begins queued jobs while there is room.
    pub(super) fn dispatch(self: &Arc<Self>) {
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
}
