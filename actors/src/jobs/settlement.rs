//! What a job's record says once its work has ended. Pure: the driver carries it out.

use super::step::End;
use super::stop::JobStop;
use provost_domain::job::JobRecord;

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
}
