//! What a driver does after a step of its job failed: whether it tries again, and when. Pure: the driver carries it out.

use super::step::{OUT_OF_TIME, StepError};
use crate::error::LoadError;
use crate::retry::Backoff;
use std::time::Duration;

/// What follows when the steps of a unit of work have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Done,
    /// The store was away: the unit goes on from what was kept, however often that happens.
    GoOn(String),
    /// The attempt failed: it counts, and the unit is tried again if it was not the last.
    CountAttempt(String),
    /// The unit has failed permanently, and the job goes on with the next one.
    GiveUp(String),
    /// The job's work ends.
    End(StepError),
}

/// After the steps of a unit.
pub fn after_steps(ended: Result<(), StepError>) -> Next {
    match ended {
        Ok(()) => Next::Done,
        Err(StepError::StoreAway(why)) => Next::GoOn(why),
        Err(StepError::MayPass(why)) => Next::CountAttempt(why),
        Err(StepError::Final(why)) => Next::GiveUp(why),
        Err(StepError::OutOfTime) => Next::GiveUp(OUT_OF_TIME.to_owned()),
        Err(e @ (StepError::Stopped | StepError::HardLimit | StepError::Lost)) => Next::End(e),
    }
}

/// After the job's rows could not be loaded. `has_unit`: there is a unit of work whose attempts can be counted.
pub fn after_load(error: &LoadError, has_unit: bool) -> StepError {
    let why = || format!("the data could not be loaded: {error}");
    match (error.is_store_away(), error.may_pass()) {
        (true, _) => StepError::StoreAway(error.to_string()),
        (false, true) if has_unit => StepError::MayPass(why()),
        (false, true) => StepError::Final(why()),
        (false, false) => StepError::Final(error.to_string()),
    }
}

/// The waits between the tries of one thing.
#[derive(Debug, Clone, Copy)]
pub struct Tries {
    /// While the store is away.
    away: Backoff,
    /// Attempts after which it is given up.
    attempts: u32,
}

impl Tries {
    pub fn new(backoff: Backoff, attempts: u32) -> Self {
        Self { away: backoff, attempts }
    }

    /// How long to wait since the store was away.
    pub fn after_outage(&mut self) -> Duration {
        self.away.failed()
    }

    /// How long to wait after so many failed attempts; None: there is no other.
    pub fn after_attempt(&self, failed: u32) -> Option<Duration> {
        (failed < self.attempts).then(|| self.away.after(failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Unreachable;
    use provost_store::StoreError;

    fn text() -> String {
        "text".to_owned()
    }

    #[test]
    fn what_follows_the_steps_of_a_unit() {
        for (ended, next) in [
            (Ok(()), Next::Done),
            (Err(StepError::StoreAway(text())), Next::GoOn(text())),
            (Err(StepError::MayPass(text())), Next::CountAttempt(text())),
            (Err(StepError::Final(text())), Next::GiveUp(text())),
            (Err(StepError::OutOfTime), Next::GiveUp(OUT_OF_TIME.to_owned())),
            (Err(StepError::Stopped), Next::End(StepError::Stopped)),
            (Err(StepError::HardLimit), Next::End(StepError::HardLimit)),
            (Err(StepError::Lost), Next::End(StepError::Lost)),
        ] {
            assert_eq!(after_steps(ended), next);
        }
    }

    #[test]
    fn what_follows_rows_that_could_not_be_loaded() {
        let away = || LoadError::Store(StoreError::Unavailable(text()));
        let down = || LoadError::Unreachable(Unreachable::Panicked(text()));
        let told = || "the data could not be loaded: the work panicked: text".to_owned();
        for (error, has_unit, next) in [
            (away(), true, StepError::StoreAway(away().to_string())),
            (away(), false, StepError::StoreAway(away().to_string())),
            (down(), true, StepError::MayPass(told())),
            (down(), false, StepError::Final(told())),
            (LoadError::Data(text()), true, StepError::Final(text())),
            (LoadError::Store(StoreError::Invalid(text())), true, StepError::Final(text())),
        ] {
            assert_eq!(after_load(&error, has_unit), next, "{error}");
        }
    }

    #[test]
    fn outages_are_waited_out_and_attempts_are_bounded() {
        let seconds = Duration::from_secs;
        let mut tries = Tries::new(Backoff::new(seconds(1), seconds(60)), 3);
        let outages: Vec<u64> = (0..8).map(|_| tries.after_outage().as_secs()).collect();
        assert_eq!(outages, [1, 2, 4, 8, 16, 32, 60, 60]);
        let attempts = [1, 2, 3, 4].map(|failed| tries.after_attempt(failed));
        assert_eq!(attempts, [Some(seconds(1)), Some(seconds(2)), None, None], "outages are none of them");
    }
}
