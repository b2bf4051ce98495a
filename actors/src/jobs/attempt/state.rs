//! What an attempt does about each thing that happens to it: a request to stop, a limit, a finished trial. Pure: the driver
//! carries the effects out.
//!
//! | input | effects |
//! | --- | --- |
//! | a request that ends this fit | the fit is stopped, and has until a deadline to end; a shutdown has a deadline of its own |
//! | the soft limit | the fit is stopped, and the job says so if it searches; then the hard limit is waited for |
//! | the hard limit | the fit is stopped, and has until a deadline to end |
//! | a finished trial that was recorded | a report: a death in the next moment must find it written down |
//! | the deadline | the job says that the fit has not ended, and the attempt ends without it |
//!
//! While the recorded trials are read there is no fit to stop: what ends all work and the hard limit end the attempt.

use crate::error::Unreachable;
use crate::executor::{AttemptError, Outcome, Work};
use crate::jobs::step::{StepError, store_failed};
use crate::jobs::stop::JobStop;
use provost_learn::train::Trained;
use provost_learn::{LearnError, StopReason};
use provost_store::StoreError;

/// A limit of a job's running time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The search ends, and the best so far is kept.
    Soft,
    /// The job fails.
    Hard,
}

/// What happens to an attempt.
#[derive(Debug)]
pub enum Input {
    /// The trials that earlier processes recorded are being read.
    Read,
    /// They were read, and the fit begins.
    Begin,
    /// What the job is told from now on.
    Stop(JobStop),
    /// The limit that was waited for is reached.
    Limit,
    /// The fit finished a trial, and the trial is recorded.
    Recorded,
    /// The fit finished a trial that could not be recorded.
    NotRecorded(StoreError),
    /// It is time for a report.
    Report,
    /// The fit has not ended by its deadline.
    Deadline,
}

/// What is done about it, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The fit is asked to end.
    Stop(StopReason),
    /// From now on the fit has so long to end.
    SetDeadline,
    /// The job says that it has reached its time limit.
    WarnOfLimit,
    /// The next limit is waited for, or none.
    AwaitLimit(Option<Limit>),
    /// Progress and new trials are reported.
    Report,
    /// The time for the next report is waited for.
    AwaitReport,
    /// The job says that the fit has not ended by its deadline.
    WarnOfLateFit,
    /// The attempt ends without waiting for the fit.
    End(StepError),
}

/// How far an attempt is.
#[derive(Debug)]
pub struct AttemptState {
    searching: bool,
    finishing: bool,
    /// The fit has begun.
    fitting: bool,
    /// The limit that comes next.
    limit: Option<Limit>,
    /// The fit has a deadline for its end.
    ending: bool,
    /// The fit was stopped by the hard limit.
    too_long: bool,
    /// Why the first of the trials that were not recorded was not.
    unrecorded: Option<StoreError>,
}

impl AttemptState {
    pub fn new(work: &Work) -> Self {
        Self {
            searching: matches!(work, Work::Search),
            finishing: matches!(work, Work::Finish),
            fitting: false,
            limit: Some(Limit::Soft),
            ending: false,
            too_long: false,
            unrecorded: None,
        }
    }

    pub fn step(&mut self, input: Input) -> Vec<Effect> {
        match input {
            Input::Read => vec![Effect::AwaitLimit(self.limit)],
            Input::Begin => self.begin(),
            Input::Stop(stop) if self.fitting => self.stopped(stop),
            Input::Stop(stop) if stop.ends_work() => vec![Effect::End(StepError::Stopped)],
            Input::Stop(_) => Vec::new(),
            Input::Limit => self.limit_reached(),
            Input::Recorded => vec![Effect::Report],
            Input::NotRecorded(error) => {
                self.unrecorded.get_or_insert(error);
                Vec::new()
            }
            Input::Report => vec![Effect::Report, Effect::AwaitReport],
            Input::Deadline => {
                let why = if self.too_long { StepError::HardLimit } else { StepError::Stopped };
                vec![Effect::WarnOfLateFit, Effect::End(why)]
            }
        }
    }

    fn begin(&mut self) -> Vec<Effect> {
        self.fitting = true;
        let mut effects = Vec::new();
        // Reached while the recorded trials were read.
        if self.limit != Some(Limit::Soft) {
            effects.push(Effect::Stop(StopReason::TimeLimit));
        }
        effects.extend([Effect::AwaitReport, Effect::AwaitLimit(self.limit)]);
        effects
    }

    fn stopped(&mut self, stop: JobStop) -> Vec<Effect> {
        let Some(reason) = stop.ends_fit(self.finishing).filter(|_| !self.ending) else { return Vec::new() };
        // A shutdown has a deadline of its own.
        if stop == JobStop::Shutdown {
            return vec![Effect::Stop(reason)];
        }
        self.ending = true;
        vec![Effect::Stop(reason), Effect::SetDeadline]
    }

    fn limit_reached(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        match self.limit {
            Some(Limit::Soft) => {
                self.limit = Some(Limit::Hard);
                if self.fitting {
                    effects.push(Effect::Stop(StopReason::TimeLimit));
                }
                if self.searching {
                    effects.push(Effect::WarnOfLimit);
                }
            }
            Some(Limit::Hard) if !self.fitting => return vec![Effect::End(StepError::HardLimit)],
            Some(Limit::Hard) => {
                (self.limit, self.too_long) = (None, true);
                effects.push(Effect::Stop(StopReason::Cancelled));
                if !self.ending {
                    self.ending = true;
                    effects.push(Effect::SetDeadline);
                }
            }
            None => return effects,
        }
        effects.push(Effect::AwaitLimit(self.limit));
        effects
    }

    /// What follows from the fit's end.
    pub fn result(self, outcome: Result<Outcome, Unreachable>) -> Result<Trained, StepError> {
        if self.too_long {
            return Err(StepError::HardLimit);
        }
        let outcome = outcome.map_err(|e| StepError::MayPass(e.to_string()))?;
        outcome.map_err(|e| match (e, self.unrecorded) {
            (AttemptError::Learn(LearnError::Stopped(StopReason::TimeLimit)), _) => StepError::OutOfTime,
            (AttemptError::Learn(LearnError::Stopped(_)), _) => StepError::Stopped,
            (_, Some(e)) => store_failed(&e),
            (AttemptError::Elsewhere(e), None) if e.store_away => StepError::StoreAway(e.text),
            (e, None) if e.may_pass() => StepError::MayPass(e.to_string()),
            (e, None) => StepError::Final(e.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use Effect::{AwaitLimit, AwaitReport, End, SetDeadline, Stop, WarnOfLateFit, WarnOfLimit};
    use proptest::prelude::*;
    use provost_domain::lease::UnitFailure;
    use provost_learn::control::Token;

    const KEEP: JobStop = JobStop::Cancel { keep_best: true };
    const DROP: JobStop = JobStop::Cancel { keep_best: false };

    fn works() -> [Work; 3] {
        [Work::Search, Work::Finish, Work::Combine(Vec::new())]
    }

    fn begun(work: &Work) -> AttemptState {
        let mut state = AttemptState::new(work);
        assert_eq!(state.step(Input::Read), [AwaitLimit(Some(Limit::Soft))]);
        assert_eq!(state.step(Input::Begin), [AwaitReport, AwaitLimit(Some(Limit::Soft))]);
        state
    }

    #[test]
    fn a_stop_ends_the_fits_that_it_means() {
        let stop = |work: &Work, stop| begun(work).step(Input::Stop(stop));
        let cancelled = vec![Stop(StopReason::Cancelled), SetDeadline];
        for work in works() {
            assert_eq!(stop(&work, JobStop::No), []);
            assert_eq!(stop(&work, DROP), cancelled);
            assert_eq!(stop(&work, JobStop::Shutdown), [Stop(StopReason::Shutdown)]);
            let kept = if matches!(work, Work::Finish) { Vec::new() } else { cancelled.clone() };
            assert_eq!(stop(&work, KEEP), kept);
        }
        let mut state = begun(&Work::Search);
        state.step(Input::Stop(KEEP));
        assert_eq!(state.step(Input::Stop(DROP)), [], "it has its deadline");
        assert_eq!(state.step(Input::Deadline), [WarnOfLateFit, End(StepError::Stopped)]);
    }

    #[test]
    fn the_soft_limit_ends_a_search_with_a_warning_and_the_hard_limit_ends_all() {
        for work in works() {
            let mut state = begun(&work);
            let mut soft = vec![Stop(StopReason::TimeLimit), WarnOfLimit, AwaitLimit(Some(Limit::Hard))];
            soft.retain(|effect| *effect != WarnOfLimit || matches!(work, Work::Search));
            assert_eq!(state.step(Input::Limit), soft);
            assert_eq!(state.step(Input::Limit), [Stop(StopReason::Cancelled), SetDeadline, AwaitLimit(None)]);
            assert_eq!(state.step(Input::Deadline), [WarnOfLateFit, End(StepError::HardLimit)]);
        }
    }

    #[test]
    fn what_is_heard_while_the_recorded_trials_are_read() {
        for (stop, effects) in [
            (JobStop::No, vec![]),
            (KEEP, vec![]),
            (DROP, vec![End(StepError::Stopped)]),
            (JobStop::Shutdown, vec![End(StepError::Stopped)]),
        ] {
            assert_eq!(AttemptState::new(&Work::Search).step(Input::Stop(stop)), effects, "{stop:?}");
        }
        let mut state = AttemptState::new(&Work::Search);
        assert_eq!(state.step(Input::Limit), [WarnOfLimit, AwaitLimit(Some(Limit::Hard))]);
        let mut too_long = AttemptState::new(&Work::Finish);
        assert_eq!(too_long.step(Input::Limit), [AwaitLimit(Some(Limit::Hard))]);
        assert_eq!(too_long.step(Input::Limit), [End(StepError::HardLimit)]);
        // The fit that begins hears of it at once.
        let effects = [Stop(StopReason::TimeLimit), AwaitReport, AwaitLimit(Some(Limit::Hard))];
        assert_eq!(state.step(Input::Begin), effects);
    }

    #[test]
    fn a_recorded_trial_is_reported_at_once() {
        let mut state = begun(&Work::Search);
        assert_eq!(state.step(Input::Recorded), [Effect::Report]);
        assert_eq!(state.step(Input::NotRecorded(StoreError::Unavailable("away".to_owned()))), []);
        assert_eq!(state.step(Input::Report), [Effect::Report, AwaitReport]);
    }

    #[test]
    fn what_follows_from_the_fits_end() {
        let away = || StoreError::Unavailable("away".to_owned());
        let store_away = || StepError::StoreAway(away().to_string());
        let stopped = |reason| AttemptError::Learn(LearnError::Stopped(reason));
        let elsewhere = |may_pass, store_away| {
            AttemptError::Elsewhere(UnitFailure {
                text: "text".to_owned(),
                may_pass,
                store_away,
                ..UnitFailure::default()
            })
        };
        let text = || "text".to_owned();
        for (error, unrecorded, expected) in [
            (stopped(StopReason::TimeLimit), Some(away()), StepError::OutOfTime),
            (stopped(StopReason::Cancelled), Some(away()), StepError::Stopped),
            (stopped(StopReason::Shutdown), None, StepError::Stopped),
            (AttemptError::Learn(LearnError::Journal(text())), Some(away()), store_away()),
            (elsewhere(true, true), None, StepError::StoreAway(text())),
            (elsewhere(true, false), None, StepError::MayPass(text())),
            (elsewhere(false, false), None, StepError::Final(text())),
            (AttemptError::Learn(LearnError::Data(text())), None, StepError::Final(text())),
        ] {
            let mut state = begun(&Work::Search);
            if let Some(error) = unrecorded {
                state.step(Input::NotRecorded(error));
            }
            assert_eq!(state.result(Ok(Err(error))).unwrap_err(), expected);
        }
        let down = || Err(Unreachable::Down("trainer".to_owned()));
        assert!(matches!(begun(&Work::Search).result(down()), Err(StepError::MayPass(_))));
        let mut state = begun(&Work::Search);
        state.step(Input::Limit);
        state.step(Input::Limit);
        assert_eq!(state.result(down()).unwrap_err(), StepError::HardLimit);
        let mut state = begun(&Work::Search);
        state.step(Input::NotRecorded(StoreError::Conflict { what: "job", id: "1".to_owned() }));
        state.step(Input::NotRecorded(away()));
        let failed = AttemptError::Learn(LearnError::Journal(text()));
        assert_eq!(state.result(Ok(Err(failed))).unwrap_err(), StepError::Lost, "the first one counts");
    }

    proptest! {
        /// Whatever happens in whatever order: a request that ends the fit stops it, no fit is stopped without a cause, only
        /// stopped fits have a deadline and one at most, and the limits come in their order.
        #[test]
        fn a_fit_is_stopped_if_and_only_if_there_is_a_cause(
            work in 0usize..3, while_reading in 0u8..2, inputs in proptest::collection::vec(0u8..7, 0..40)
        ) {
            let work = works().into_iter().nth(work).unwrap();
            let finishing = matches!(work, Work::Finish);
            let (mut state, token) = (AttemptState::new(&work), Token::new());
            let (mut stop, mut awaited, mut reached, mut deadlines, mut warnings) =
                (JobStop::No, Some(Limit::Soft), 0, 0, 0);
            let mut steps: Vec<u8> = std::iter::repeat_n(3, usize::from(while_reading)).collect();
            // 7: the fit begins.
            steps.push(7);
            steps.extend(inputs);
            for step in steps {
                let input = match step {
                    0 => Input::Recorded,
                    1 => Input::NotRecorded(StoreError::Unavailable("away".to_owned())),
                    2 => Input::Report,
                    3 if awaited.is_some() => {
                        reached += 1;
                        Input::Limit
                    }
                    4..=6 => {
                        stop = [KEEP, DROP, JobStop::Shutdown][usize::from(step) - 4];
                        Input::Stop(stop)
                    }
                    7 => Input::Begin,
                    _ => continue,
                };
                for effect in state.step(input) {
                    match effect {
                        Stop(reason) => token.trip(reason),
                        SetDeadline => {
                            prop_assert!(token.reason().is_some());
                            deadlines += 1;
                        }
                        WarnOfLimit => warnings += 1,
                        AwaitLimit(next) => {
                            let expected = [Some(Limit::Soft), Some(Limit::Hard), None];
                            prop_assert_eq!(next, expected[reached]);
                            awaited = next;
                        }
                        Effect::Report | AwaitReport => {}
                        WarnOfLateFit | End(_) => prop_assert!(false, "it was not late"),
                    }
                }
                let (is_stopped, by_request) = (token.reason().is_some(), stop.ends_fit(finishing).is_some());
                if state.fitting {
                    prop_assert!(is_stopped || !(by_request || reached > 0), "{stop:?}, {reached} limits");
                }
                if stop == JobStop::No && reached == 0 {
                    prop_assert!(!is_stopped);
                }
            }
            prop_assert!(deadlines <= 1 && warnings <= 1);
            prop_assert!(reached < 2 || deadlines == 1, "the hard limit sets a deadline");
            let late = state.step(Input::Deadline);
            let why = if reached == 2 { StepError::HardLimit } else { StepError::Stopped };
            prop_assert_eq!(late, vec![WarnOfLateFit, End(why)]);
        }
    }
}
