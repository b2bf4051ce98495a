//! Estimates of when unfinished jobs end, and which jobs each of them waits for.

use crate::ids::JobId;
use crate::job::{JobRecord, JobStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The part of a job's record that the estimates need. It is small, so that it can be read of all unfinished jobs at
/// once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueuedJob {
    /// The job.
    pub job_id: JobId,
    /// Pending or running.
    pub status: JobStatus,
    /// Hash of the configuration.
    pub config_hash: String,
    /// Whether the job's rows are already chosen.
    pub has_begun: bool,
    /// Whether cancelling was requested.
    pub is_cancelled: bool,
    /// Seconds in state `running`, over all processes.
    pub running_seconds: f64,
    /// Estimate, made at submission, of the minutes that it will run.
    pub estimated_minutes: Option<f64>,
    /// Estimate, from the job's progress, of the seconds until it ends.
    pub remaining_seconds: Option<f64>,
}

impl From<&JobRecord> for QueuedJob {
    fn from(record: &JobRecord) -> Self {
        Self {
            job_id: record.job.job_id.clone(),
            status: record.job.status,
            config_hash: record.config_hash.clone(),
            has_begun: record.snapshot.is_some(),
            is_cancelled: record.cancel.is_some(),
            running_seconds: record.running_seconds,
            estimated_minutes: record.estimated_minutes,
            remaining_seconds: record.job.estimated_time_remaining_seconds,
        }
    }
}

impl QueuedJob {
    /// Whether triggers may join the job. They may not once it has begun, even if it was interrupted and waits again:
    /// its rows are already chosen.
    pub fn may_be_joined(&self) -> bool {
        self.status == JobStatus::Pending && !self.has_begun && !self.is_cancelled
    }
}

/// What an unfinished job has before it. Unknown times are null.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    /// 1 is the next job to begin; null of one that runs or begins at once.
    pub queue_position: Option<u64>,
    /// The job right before it in the queue; for the next to begin the running job that will probably end first.
    pub waits_for: Option<JobId>,
    /// Until it begins.
    pub estimated_wait_seconds: Option<f64>,
    /// Until it ends.
    #[serde(skip)]
    pub left_seconds: Option<f64>,
}

/// Estimated seconds until a job ends: from its progress, else from the estimate at its submission.
fn run_seconds(job: &QueuedJob) -> Option<f64> {
    let estimated = job.estimated_minutes.map(|minutes| (minutes * 60.0 - job.running_seconds).max(0.0));
    job.remaining_seconds.or(estimated)
}

/// Estimates for all unfinished jobs. `unfinished` must be in the order in which jobs begin; at most `running` jobs run
/// at a time.
pub fn waiting_jobs(unfinished: &[QueuedJob], running: usize) -> BTreeMap<JobId, Waiting> {
    let mut found = BTreeMap::new();
    // For each place for a running job: the seconds until it is free, and the job that holds it.
    let mut places: Vec<(Option<f64>, Option<&JobId>)> = Vec::new();
    for job in unfinished.iter().filter(|job| job.status == JobStatus::Running) {
        let left_seconds = run_seconds(job);
        places.push((left_seconds, Some(&job.job_id)));
        found.insert(job.job_id.clone(), Waiting { left_seconds, ..Waiting::default() });
    }
    places.resize(places.len().max(running.max(1)), (Some(0.0), None));
    let (mut before, mut position): (Option<&JobId>, u64) = (None, 0);
    let pending = unfinished.iter().filter(|job| job.status == JobStatus::Pending && !job.is_cancelled);
    for job in pending {
        // A place whose time is unknown is taken to become free last.
        let sooner = |at: &usize| places[*at].0.unwrap_or(f64::INFINITY);
        let first = (0..places.len()).min_by(|a, b| sooner(a).total_cmp(&sooner(b))).unwrap_or_default();
        let (begins, whose) = places[first];
        let left_seconds = begins.zip(run_seconds(job)).map(|(wait, run)| wait + run);
        let id = &job.job_id;
        places[first] = (left_seconds, Some(id));
        let mut waiting = Waiting { left_seconds, estimated_wait_seconds: begins, ..Waiting::default() };
        if whose.is_some() {
            position += 1;
            waiting.queue_position = Some(position);
            waiting.waits_for = before.or(whose).cloned();
            before = Some(id);
        }
        found.insert(id.clone(), waiting);
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use chrono::DateTime;

    fn queued(n: u128, status: JobStatus, estimated_minutes: Option<f64>) -> QueuedJob {
        QueuedJob {
            job_id: JobId::new(DateTime::UNIX_EPOCH, n),
            status,
            config_hash: String::new(),
            has_begun: false,
            is_cancelled: false,
            running_seconds: 0.0,
            estimated_minutes,
            remaining_seconds: None,
        }
    }

    #[test]
    fn a_job_waits_for_all_before_it() {
        let mut first = queued(1, JobStatus::Running, Some(10.0));
        first.running_seconds = 60.0;
        let jobs = [first, queued(2, JobStatus::Pending, Some(2.0)), queued(3, JobStatus::Pending, Some(1.0))];
        let id = |n: usize| jobs[n].job_id.clone();
        let found = waiting_jobs(&jobs, 1);
        assert_eq!(found[&id(0)], Waiting { left_seconds: Some(540.0), ..Waiting::default() });
        let waits = |at: usize| (found[&id(at)].queue_position.unwrap(), found[&id(at)].waits_for.clone().unwrap());
        assert_eq!((waits(1), waits(2)), ((1, id(0)), (2, id(1))));
        assert_eq!((found[&id(1)].estimated_wait_seconds, found[&id(1)].left_seconds), (Some(540.0), Some(660.0)));
        assert_eq!((found[&id(2)].estimated_wait_seconds, found[&id(2)].left_seconds), (Some(660.0), Some(720.0)));
        // What its progress says goes before the estimate.
        let mut faster = jobs.clone();
        faster[0].remaining_seconds = Some(30.0);
        assert_eq!(waiting_jobs(&faster, 1)[&id(1)].estimated_wait_seconds, Some(30.0));
        // With a second place the next begins at once, and the one after it when that one ends.
        let two = waiting_jobs(&jobs, 2);
        let begins = Waiting { estimated_wait_seconds: Some(0.0), left_seconds: Some(120.0), ..Waiting::default() };
        assert_eq!(two[&id(1)], begins);
        let next = &two[&id(2)];
        assert_eq!((next.queue_position, next.estimated_wait_seconds), (Some(1), Some(120.0)));
        assert_eq!(next.waits_for, Some(id(1)));
        // One that is about to begin stands before the others as one that runs does.
        assert_eq!(waiting_jobs(&jobs[1..], 1)[&id(2)].waits_for, Some(id(1)));
        assert_eq!(waiting_jobs(&jobs[1..], 1)[&id(2)].queue_position, Some(1));
    }

    #[test]
    fn what_is_unknown_is_not_guessed_and_what_is_cancelled_does_not_count() {
        let mut cancelled = queued(2, JobStatus::Pending, Some(5.0));
        cancelled.is_cancelled = true;
        let jobs = [queued(1, JobStatus::Running, None), cancelled, queued(3, JobStatus::Pending, Some(1.0))];
        let found = waiting_jobs(&jobs, 1);
        assert!(!found.contains_key(&jobs[1].job_id));
        let last = &found[&jobs[2].job_id];
        assert_eq!((last.queue_position, last.estimated_wait_seconds, last.left_seconds), (Some(1), None, None));
        assert_eq!(last.waits_for.as_ref(), Some(&jobs[0].job_id));
        assert!(waiting_jobs(&[], 0).is_empty());
    }
}
