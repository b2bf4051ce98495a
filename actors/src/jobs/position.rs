//! Where a job is: the unit of work at hand, and how far all of them are. Pure.

use super::step::StepError;
use crate::plan;
use provost_domain::Algorithm;
use provost_domain::job::JobRecord;

/// Whether this unit needs no more work.
pub fn is_over(record: &JobRecord, algorithm: Algorithm) -> bool {
    record.units.get(&algorithm).is_some_and(|u| u.done || u.error.is_some())
}

/// The first unit that needs work.
pub fn current_unit(record: &JobRecord) -> Option<Algorithm> {
    plan::units(&record.job.config).into_iter().map(|unit| unit.algorithm).find(|a| !is_over(record, *a))
}

/// Why a job that was claimed ends before its rows are loaded, if it does: too many processes died in the unit that was
/// `current` when it was claimed, or it was cancelled and keeps nothing that needs rows.
pub fn ends_at_begin(record: &JobRecord, current: Option<Algorithm>, most_deaths: u32) -> Option<StepError> {
    let died_often = |unit: &Algorithm| record.units.get(unit).is_some_and(|u| u.deaths >= most_deaths);
    if let Some(unit) = current.filter(died_often) {
        return Some(StepError::Final(format!("the process died {most_deaths} times in {unit} without progress")));
    }
    let cancelled = record.cancel.as_ref().is_some_and(|wish| !(wish.keep_best && current.is_some()));
    cancelled.then_some(StepError::Stopped)
}

/// Where a job is, in what its units weigh: those before the present one, that one, all.
pub struct Position {
    before: f64,
    present: f64,
    all: f64,
}

impl Position {
    /// At this unit.
    pub fn of(weights: &[f64], unit: usize) -> Self {
        let (before, rest) = weights.split_at(unit.min(weights.len()));
        let present = rest.first().copied().unwrap_or_default();
        Self { before: before.iter().sum(), present, all: weights.iter().sum() }
    }

    /// Of the whole job, with this share of the present unit.
    pub fn share(&self, of_present: f64) -> f64 {
        if self.all > 0.0 { (self.before + self.present * of_present.clamp(0.0, 1.0)) / self.all } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::jobs::messages::Submission;
    use crate::jobs::queue::new_record;
    use chrono::DateTime;
    use provost_domain::TrainingConfig;
    use provost_domain::job::CancelWish;

    fn record() -> JobRecord {
        let now = DateTime::UNIX_EPOCH;
        let algorithms = vec![Algorithm::Xgboost, Algorithm::RandomForest];
        let config = TrainingConfig { algorithms, ..TrainingConfig::default() };
        new_record(Submission::manual(config, None, "a test", now), now)
    }

    #[test]
    fn the_unit_at_hand_is_the_first_that_is_neither_done_nor_given_up() {
        let mut record = record();
        assert_eq!(current_unit(&record), Some(Algorithm::Xgboost));
        record.units.get_mut(&Algorithm::Xgboost).unwrap().error = Some("diverged".to_owned());
        assert_eq!(current_unit(&record), Some(Algorithm::RandomForest));
        record.units.get_mut(&Algorithm::RandomForest).unwrap().done = true;
        assert_eq!(current_unit(&record), None);
    }

    #[test]
    fn which_jobs_end_before_their_rows_are_loaded() {
        let unit = Algorithm::Xgboost;
        let too_many = || Some(StepError::Final("the process died 3 times in xgboost without progress".to_owned()));
        for (deaths, keep_best, current, expected) in [
            (0, None, Some(unit), None),
            (2, None, Some(unit), None),
            (3, None, Some(unit), too_many()),
            (3, Some(true), Some(unit), too_many()),
            (3, None, None, None),
            (0, Some(true), Some(unit), None),
            (0, Some(true), None, Some(StepError::Stopped)),
            (0, Some(false), Some(unit), Some(StepError::Stopped)),
        ] {
            let mut record = record();
            record.units.get_mut(&unit).unwrap().deaths = deaths;
            record.cancel = keep_best.map(|keep_best| CancelWish { at: DateTime::UNIX_EPOCH, by: None, keep_best });
            assert_eq!(
                ends_at_begin(&record, current, 3),
                expected,
                "{deaths} deaths, keep {keep_best:?}, {current:?}"
            );
        }
    }

    #[test]
    fn progress_goes_by_what_the_units_weigh() {
        let weights = [1.0, 1.0, 6.0];
        let shares = |unit, of_unit| Position::of(&weights, unit).share(of_unit);
        assert_eq!([shares(0, 0.0), shares(1, 0.0), shares(2, 0.0), shares(2, 0.5)], [0.0, 0.125, 0.25, 0.625]);
        assert_eq!((shares(2, 7.0), shares(3, 0.0), Position::of(&[], 0).share(1.0)), (1.0, 1.0, 0.0));
    }
}
