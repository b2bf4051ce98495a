//! How long the unfinished jobs will take, and what each of them waits for.

use crate::JobId;
use crate::job::{JobRecord, JobStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

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

/// Seconds that a job will still run. Its progress tells best, then what was estimated when it was submitted.
fn run_seconds(record: &JobRecord) -> Option<f64> {
    let estimated = record.estimated_minutes.map(|minutes| (minutes * 60.0 - record.running_seconds).max(0.0));
    record.job.estimated_time_remaining_seconds.or(estimated)
}

/// `unfinished` in the order in which they begin; `running` at most run at a time.
pub fn waiting_jobs(unfinished: &[JobRecord], running: usize) -> BTreeMap<JobId, Waiting> {
    let mut found = BTreeMap::new();
    // When each place becomes free, and whose it is.
    let mut places: Vec<(Option<f64>, Option<&JobId>)> = Vec::new();
    for record in unfinished.iter().filter(|r| r.job.status == JobStatus::Running) {
        let left_seconds = run_seconds(record);
        places.push((left_seconds, Some(&record.job.job_id)));
        found.insert(record.job.job_id.clone(), Waiting { left_seconds, ..Waiting::default() });
    }
    places.resize(places.len().max(running.max(1)), (Some(0.0), None));
    let (mut before, mut position): (Option<&JobId>, u64) = (None, 0);
    let pending = unfinished.iter().filter(|r| r.job.status == JobStatus::Pending && r.cancel.is_none());
    for record in pending {
        // An unknown end is taken for the last.
        let sooner = |at: &usize| places[*at].0.unwrap_or(f64::INFINITY);
        let first = (0..places.len()).min_by(|a, b| sooner(a).total_cmp(&sooner(b))).unwrap_or_default();
        let (begins, whose) = places[first];
        let left_seconds = begins.zip(run_seconds(record)).map(|(wait, run)| wait + run);
        let id = &record.job.job_id;
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
    use crate::{TrainingConfig, TrainingJob};
    use chrono::DateTime;

    fn record(n: u128, status: JobStatus, minutes: Option<f64>) -> JobRecord {
        let at = DateTime::UNIX_EPOCH;
        let job = TrainingJob {
            job_id: JobId::new(at, n),
            status,
            config: TrainingConfig::default(),
            progress_percentage: 0.0,
            current_step: None,
            algorithms_completed: vec![],
            trained_models: vec![],
            best_model_id: None,
            best_score: None,
            started_at: None,
            completed_at: None,
            estimated_time_remaining_seconds: None,
            error_message: None,
            warnings: vec![],
            cpu_usage_percent: None,
            memory_usage_mb: None,
            logs: vec![],
            created_at: at,
            created_by: None,
            triggers: vec![],
        };
        JobRecord {
            job,
            rev: 0,
            epoch: 0,
            snapshot: None,
            units: BTreeMap::new(),
            cancel: None,
            running_seconds: 0.0,
            config_hash: String::new(),
            next_event: 1,
            arrivals: None,
            activation: Default::default(),
            estimated_minutes: minutes,
        }
    }

    #[test]
    fn a_job_waits_for_all_before_it() {
        let mut first = record(1, JobStatus::Running, Some(10.0));
        first.running_seconds = 60.0;
        let jobs = [first, record(2, JobStatus::Pending, Some(2.0)), record(3, JobStatus::Pending, Some(1.0))];
        let id = |n: usize| jobs[n].job.job_id.clone();
        let found = waiting_jobs(&jobs, 1);
        assert_eq!(found[&id(0)], Waiting { left_seconds: Some(540.0), ..Waiting::default() });
        let waits = |at: usize| (found[&id(at)].queue_position.unwrap(), found[&id(at)].waits_for.clone().unwrap());
        assert_eq!((waits(1), waits(2)), ((1, id(0)), (2, id(1))));
        assert_eq!((found[&id(1)].estimated_wait_seconds, found[&id(1)].left_seconds), (Some(540.0), Some(660.0)));
        assert_eq!((found[&id(2)].estimated_wait_seconds, found[&id(2)].left_seconds), (Some(660.0), Some(720.0)));
        // What its progress says goes before the estimate.
        let mut faster = jobs.clone();
        faster[0].job.estimated_time_remaining_seconds = Some(30.0);
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
        let mut cancelled = record(2, JobStatus::Pending, Some(5.0));
        cancelled.cancel = Some(crate::job::CancelWish { at: DateTime::UNIX_EPOCH, by: None, keep_best: false });
        let jobs = [record(1, JobStatus::Running, None), cancelled, record(3, JobStatus::Pending, Some(1.0))];
        let found = waiting_jobs(&jobs, 1);
        assert!(!found.contains_key(&jobs[1].job.job_id));
        let last = &found[&jobs[2].job.job_id];
        assert_eq!((last.queue_position, last.estimated_wait_seconds, last.left_seconds), (Some(1), None, None));
        assert_eq!(last.waits_for.as_ref(), Some(&jobs[0].job.job_id));
        assert!(waiting_jobs(&[], 0).is_empty());
    }
}
