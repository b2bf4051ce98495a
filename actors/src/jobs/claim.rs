//! Claims a job for a driver of this process, and for no other.

use super::env::JobEnv;
use super::stop::JobStop;
use super::wait::sleep_or_stop;
use super::writer::JobWriter;
use crate::clock::Clock;
use crate::failures::{Failures, Kind};
use provost_domain::JobId;
use provost_domain::job::JobRecord;
use provost_domain::lease::{self, Lease};
use provost_store::StoreError;
use std::sync::Arc;
use tokio::sync::watch;

/// The component's name in reports of failures.
const COMPONENT: &str = "jobs";
/// Prefix of the task's name in reports of failures to claim a job.
pub(super) const CLAIMING: &str = "claiming job ";

pub(super) fn task_of(id: &JobId) -> String {
    format!("{CLAIMING}{id}")
}

/// Whether a job is to be claimed: not while that is given up.
pub(crate) fn may_claim(failures: &Failures, clock: &dyn Clock, id: &JobId) -> bool {
    failures.may_try(COMPONENT, &task_of(id), ("", clock.monotonic()))
}

/// Claims a job: from now on only this driver may write to it, and with a lease no other process will try to. None: it is
/// nobody's business any more, or another process is at work on it.
pub async fn claim(
    env: &JobEnv,
    id: &JobId,
    stop: &watch::Receiver<JobStop>,
) -> Option<(Arc<JobWriter>, Option<Lease>)> {
    let resources = &env.resources;
    let task = task_of(id);
    if !may_claim(&resources.failures, &*resources.clock, id) {
        return None;
    }
    let mut backoff = env.backoff();
    loop {
        if *stop.borrow() == JobStop::Shutdown {
            resources.failures.over(COMPONENT, &task);
            return None;
        }
        match try_claim(env, id).await {
            Ok(None) => {
                resources.failures.succeeded(COMPONENT, &task);
                return None;
            }
            Ok(Some((record, lease))) => {
                resources.failures.succeeded(COMPONENT, &task);
                return Some((Arc::new(JobWriter::new(record, resources.clone(), env.streams.clone())), lease));
            }
            // Another process changed it in between.
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => {
                let (kind, now) = (Kind::of(&error), resources.clock.monotonic());
                if resources.failures.gives_up(COMPONENT, &task, kind, &error.to_string(), ("", now)) {
                    return None;
                }
                sleep_or_stop(env, stop.clone(), backoff.failed()).await;
            }
        }
    }
}

async fn try_claim(env: &JobEnv, id: &JobId) -> Result<Option<(JobRecord, Option<Lease>)>, StoreError> {
    let resources = &env.resources;
    // Read before the lease is taken: a process that freezes in between claims nothing afterwards.
    let Some(record) = resources.jobs.job(id).await?.filter(|record| !record.job.status.is_final()) else {
        return Ok(None);
    };
    let lease = match &resources.leases {
        None => None,
        Some(leases) => match leases.take(&lease::of_job(id)).await? {
            None => return Ok(None),
            taken => taken,
        },
    };
    let claimed = resources.jobs.claim_job(id, record.epoch).await;
    if let (Err(_), Some(leases), Some(lease)) = (&claimed, &resources.leases, &lease) {
        leases.release(lease).await;
    }
    Ok(Some((claimed?, lease)))
}
