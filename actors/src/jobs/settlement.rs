//! What a job's record says once its work has ended or is cancelled. Pure: the driver and the queue carry it out.

use super::step::End;
use super::stop::JobStop;
use provost_domain::job::{JobRecord, JobStatus};

/// The last change of a job by its driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Another process has the job: nothing is written.
    Nothing,
    /// Back to waiting: the next process goes on with it.
    Interrupt,
    Cancel,
    /// For this reason.
    Fail(String),
    Complete,
}

/// What follows from how the work ended, what the driver was told, and what the job has so far.
pub(super) fn settlement(end: &End, stop: JobStop, record: &JobRecord) -> Settlement {
    match end {
        End::Lost => Settlement::Nothing,
        End::Stopped if stop == JobStop::Shutdown => Settlement::Interrupt,
        End::Stopped => Settlement::Cancel,
        End::Failed(why) => Settlement::Fail(why.clone()),
        End::AllDone if record.job.trained_models.is_empty() => {
            let errors = record.units.iter().filter_map(|(a, u)| u.error.as_ref().map(|e| format!("{a}: {e}")));
            let why = errors.collect::<Vec<_>>().join("; ");
            Settlement::Fail(if why.is_empty() { "no model was trained".to_owned() } else { why })
        }
        End::AllDone => Settlement::Complete,
    }
}

/// Whether a driver sees to the end of a job that is cancelled; else it ends at once. `is_driven`: it runs in this process.
/// Where the store `is_shared`, the driver of a running job may be another process's, which looks for requests with every
/// beat. A job that was interrupted may have a best trial to keep: its next driver sees to that.
pub(super) fn has_driver(record: &JobRecord, is_driven: bool, is_shared: bool, keep_best: bool) -> bool {
    let elsewhere = is_shared && record.job.status == JobStatus::Running;
    is_driven || elsewhere || (keep_best && record.job.started_at.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::messages::Submission;
    use crate::jobs::queue::new_record;
    use chrono::DateTime;
    use provost_domain::{Algorithm, ModelId, TrainingConfig};

    fn record(models: usize, error: Option<&str>) -> JobRecord {
        let now = DateTime::UNIX_EPOCH;
        let mut record = new_record(Submission::manual(TrainingConfig::default(), None, "a test", now), now);
        record.job.trained_models = (0..models as u128).map(|n| ModelId::new(Algorithm::Xgboost, now, n)).collect();
        record.units.entry(Algorithm::Xgboost).or_default().error = error.map(str::to_owned);
        record
    }

    #[test]
    fn how_each_end_is_settled() {
        let cancel = JobStop::Cancel { keep_best: false };
        let fail = |why: &str| Settlement::Fail(why.to_owned());
        for (end, stop, models, error, expected) in [
            (End::Lost, JobStop::Shutdown, 1, None, Settlement::Nothing),
            (End::Stopped, JobStop::Shutdown, 0, None, Settlement::Interrupt),
            (End::Stopped, cancel, 1, None, Settlement::Cancel),
            (End::Failed("no rows".to_owned()), JobStop::Shutdown, 1, None, fail("no rows")),
            (End::AllDone, JobStop::No, 1, Some("diverged"), Settlement::Complete),
            (End::AllDone, JobStop::No, 0, Some("diverged"), fail("xgboost: diverged")),
            (End::AllDone, JobStop::No, 0, None, fail("no model was trained")),
        ] {
            assert_eq!(settlement(&end, stop, &record(models, error)), expected);
        }
    }

    #[test]
    fn who_ends_a_job_that_is_cancelled() {
        use JobStatus::{Pending, Running};
        for (status, started, is_driven, is_shared, keep_best, expected) in [
            (Pending, false, false, false, false, false),
            (Pending, false, false, true, true, false),
            (Pending, false, true, false, false, true),
            (Pending, true, false, false, false, false),
            (Pending, true, false, false, true, true),
            (Running, true, true, false, false, true),
            (Running, true, false, true, false, true),
            (Running, true, false, false, false, false),
        ] {
            let mut record = record(0, None);
            record.job.status = status;
            record.job.started_at = started.then_some(DateTime::UNIX_EPOCH);
            let found = has_driver(&record, is_driven, is_shared, keep_best);
            assert_eq!(found, expected, "{status}, started {started}, {is_driven}, {is_shared}, {keep_best}");
        }
    }
}
