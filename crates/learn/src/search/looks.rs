//! Tests of how long a search goes on without a look at its control. What counts is work, not time: calls of the
//! learner between two looks of a thread. The processor time between two looks is measured as well, with a wide margin,
//! for loops that do not call the learner.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::pruner::{Runner, hopeless};
use super::rule::Rule;
use super::tuning::sampler;
use super::workers::Meter;
use super::*;
use crate::error::LearnError;
use crate::forest::RandomForest;
use crate::learner::{Fit, FitTask, Learner};
use crate::params::{CheckedParams, Params};
use crate::split::{stratified_folds, without};
use crate::testdata::{columns, noisy, on_threads, rows};
use provost_domain::config::{Grid, Pruning, Tuning};
use provost_domain::{Algorithm, Faults, TargetMetric};
use provost_predict::control::Token;
use provost_predict::control::{Control, StopReason};
use provost_predict::predictor::Predictor;
use serde_json::Value;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Calls of the learner: a call takes some microseconds, so these are a few milliseconds.
const MOST_CALLS: u64 = 1_000;
const MOST_MS: u64 = 50;

thread_local! {
    /// Calls since this thread last looked, and its processor time then.
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// Nanoseconds that the calling thread has run; 0 where the system does not say.
fn processor_time() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// The longest stretches: of calls between two looks of a thread, of processor time over up to some looks more.
#[derive(Default)]
struct Longest {
    calls: AtomicU64,
    nanoseconds: AtomicU64,
    looks: AtomicU64,
}

impl Longest {
    /// A control whose looks are measured, and which is cancelled at look `at`.
    fn control(self: &Arc<Self>, at: Option<u64>) -> Control {
        let (longest, token) = (Arc::clone(self), Token::new());
        let tripped = token.clone();
        CALLS.set(0);
        LAST.set(processor_time());
        let look = move || {
            longest.calls.fetch_max(CALLS.take(), Ordering::Relaxed);
            let look = longest.looks.fetch_add(1, Ordering::Relaxed) + 1;
            if at.is_some_and(|at| look >= at) {
                tripped.trip(StopReason::Cancelled);
            }
            // Reading the time takes longer than most stretches, so that not every look does.
            if look % 16 == 0 {
                let now = processor_time();
                let last = LAST.replace(now);
                if last > 0 {
                    longest.nanoseconds.fetch_max(now.saturating_sub(last), Ordering::Relaxed);
                }
            }
        };
        Control { token: token.observed_by(Arc::new(look)), ..Control::default() }
    }

    fn assert(&self, what: &str) {
        let (calls, ms) = (self.calls.load(Ordering::Relaxed), self.nanoseconds.load(Ordering::Relaxed) / 1_000_000);
        println!("{what}: {calls} calls and {ms} ms at most, {} looks", self.looks.load(Ordering::Relaxed));
        assert!(calls <= MOST_CALLS, "{what}: {calls} calls of the learner without a look at the control");
        assert!(ms < MOST_MS, "{what}: {ms} ms of processor time without a look at the control");
    }
}

/// Has a forest's parameters and fits a constant.
struct Cheap;

fn counted() {
    CALLS.set(CALLS.get() + 1);
}

impl Learner for Cheap {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RandomForest
    }
    fn defaults(&self) -> Params {
        RandomForest.defaults()
    }
    fn grid(&self) -> Grid {
        RandomForest.grid()
    }
    fn check(&self, params: &Params) -> Result<CheckedParams, Faults> {
        counted();
        RandomForest.check(params)
    }
    fn fit(&self, task: &FitTask<'_>, _: &Control) -> Result<Fit, LearnError> {
        counted();
        let number = |name: &str| task.params[name].as_f64().unwrap_or(0.0);
        let p = (number("n_estimators") * 0.37 + number("min_samples_leaf") * 0.11) % 1.0;
        Ok(Fit { predictor: Predictor::Constant(p), importance: None, iterations: 1 })
    }
    fn family(&self, params: &Params, width: usize) -> String {
        counted();
        RandomForest.family(params, width)
    }
}

fn space(tuning: Tuning, lists: [u64; 3], control: &Control) -> Result<Space<'static>, LearnError> {
    let names = ["n_estimators", "min_samples_split", "min_samples_leaf"];
    let list = |(name, n): (&str, u64)| (name.to_owned(), (2..n + 2).map(Value::from).collect());
    let grid: Grid = names.into_iter().zip(lists).map(list).collect();
    Space::new(&Cheap, tuning, Some(&grid), control)
}

#[derive(Default)]
struct Kept(Mutex<Vec<TrialResult>>);

impl Journal for Kept {
    fn finished(&self) -> Arc<[TrialResult]> {
        Arc::new([])
    }
    fn record(&self, trial: &TrialResult) -> Result<(), String> {
        self.0.lock().unwrap().push(trial.clone());
        Ok(())
    }
}

struct Recorded(Arc<[TrialResult]>);

impl Journal for Recorded {
    fn finished(&self) -> Arc<[TrialResult]> {
        Arc::clone(&self.0)
    }
    fn record(&self, trial: &TrialResult) -> Result<(), String> {
        Err(format!("trial {} is recorded already", trial.index))
    }
}

fn with_study<T>(pruning: Pruning, work: impl FnOnce(&Study<'_>) -> T) -> T {
    let data = noisy(60, 1);
    let all = rows(&data);
    let held = stratified_folds(data.y(), &all, 3, 1, &Control::default()).unwrap();
    let fold = |held: Vec<u32>| Fold { train: without(&all, &held), held, columns: columns(&data) };
    let folds: Vec<Fold> = held.into_iter().map(fold).collect();
    let rule = Rule::Service(TargetMetric::AucRoc);
    work(&Study { learner: &Cheap, data: &data, folds: &folds, rule, pruning, scale: true, seed: 7, sharing: true })
}

/// Builds the space and searches it.
fn search(
    tuning: Tuning,
    lists: [u64; 3],
    pruning: Pruning,
    journal: &dyn Journal,
    control: &Control,
) -> Result<StudyEnd, LearnError> {
    let space = space(tuning, lists, control)?;
    let mut sampler = sampler(&space, 200, 5, control)?;
    with_study(pruning, |study| study.run(&mut *sampler, journal, &Meter::new(control, 1), control))
}

#[test]
fn a_grid_of_a_hundred_thousand_candidates_looks_often_in_the_search_and_after_a_resume() {
    let (lists, journal) = ([1_000, 10, 10], Kept::default());
    let longest = Arc::<Longest>::default();
    let run = || search(Tuning::GridSearch, lists, Pruning::None, &journal, &longest.control(None)).unwrap();
    let first = on_threads(2, run);
    assert_eq!(first.trials.len(), 100_000);
    assert!(first.trials.iter().enumerate().all(|(at, t)| t.index as usize == at));
    longest.assert("the search");

    // All trials are recorded: nothing is fitted, everything is proposed and compared again.
    let journal = Recorded(journal.0.into_inner().unwrap().into());
    let longest = Arc::<Longest>::default();
    let again = search(Tuning::GridSearch, lists, Pruning::None, &journal, &longest.control(None)).unwrap();
    assert_eq!(again.trials.len(), 100_000);
    longest.assert("the search after a resume");

    // A time limit that was reached before keeps what was recorded.
    let control = Control::default();
    control.token.trip(StopReason::TimeLimit);
    let space = space(Tuning::GridSearch, lists, &Control::default()).unwrap();
    let mut walk = sampler(&space, 1, 5, &control).unwrap();
    let meter = Meter::new(&control, 1);
    let cut = with_study(Pruning::None, |study| study.run(&mut *walk, &journal, &meter, &control)).unwrap();
    assert!(cut.cut);
    assert_eq!(cut.trials.len(), 100_000);

    let longest = Arc::<Longest>::default();
    let control = longest.control(None);
    let mut walk = sampler(&space, 1, 5, &control).unwrap();
    let kept = with_study(Pruning::None, |study| study.replay(&mut *walk, &journal, &control)).unwrap();
    assert_eq!(kept.len(), 100_000);
    longest.assert("reading the trials to keep the best");
}

#[test]
fn draws_and_proposals_from_a_thousand_million_candidates_look_often() {
    for (lists, tuning) in [
        ([1_000, 1_000, 1_000], Tuning::RandomSearch),
        ([1_000, 1_000, 1_000], Tuning::Bayesian),
        // The largest that is drawn from in the order of a shuffle.
        ([1_024, 1_024, 1], Tuning::RandomSearch),
    ] {
        for pruning in [Pruning::Racing, Pruning::None] {
            let longest = Arc::<Longest>::default();
            let run = || search(tuning, lists, pruning, &NoJournal, &longest.control(None)).unwrap();
            assert_eq!(on_threads(2, run).trials.len(), 200);
            longest.assert(&format!("{tuning} of {lists:?} with {pruning}"));
        }
    }
}

#[test]
fn a_cancel_at_any_look_ends_the_search() {
    for (tuning, lists) in [
        (Tuning::GridSearch, [50, 10, 10]),
        (Tuning::RandomSearch, [1_024, 1_024, 1]),
        (Tuning::RandomSearch, [1_000, 1_000, 1_000]),
        (Tuning::Bayesian, [1_000, 1_000, 1_000]),
    ] {
        let whole = Arc::<Longest>::default();
        search(tuning, lists, Pruning::Racing, &NoJournal, &whole.control(None)).unwrap();
        let looks = whole.looks.load(Ordering::Relaxed);
        for part in 1..20 {
            let longest = Arc::<Longest>::default();
            let control = longest.control(Some(looks * part / 21));
            let stopped = search(tuning, lists, Pruning::Racing, &NoJournal, &control);
            assert!(matches!(stopped, Err(LearnError::Stopped(StopReason::Cancelled))), "{tuning} at {part}");
            assert!(CALLS.get() <= MOST_CALLS, "{tuning}: {} calls after the cancel", CALLS.get());
        }
    }
}

#[test]
fn a_race_against_a_hundred_thousand_finished_trials_looks_often() {
    let fold = |score| FoldResult { score, log_loss: 1.0 - score, auc: score, one_way: 0.6, seconds: 0.0 };
    let folds: Vec<Vec<FoldResult>> =
        (0..100_023).map(|i| [0.1, 0.3, 0.2].map(|by| fold(0.5 + by * f64::from(i % 997) / 997.0)).into()).collect();
    let runners: Vec<Runner<'_>> =
        folds.iter().enumerate().map(|(i, folds)| Runner { index: i as u32, folds }).collect();
    let (finished, alive) = runners.split_at(100_000);
    let longest = Arc::<Longest>::default();
    let rule = Rule::Service(TargetMetric::AucRoc);
    let out = hopeless(rule, (2, 3), alive, finished, &longest.control(None)).unwrap();
    assert!(!out.is_empty());
    assert!(longest.looks.load(Ordering::Relaxed) > 290);
    longest.assert("a race");
}
