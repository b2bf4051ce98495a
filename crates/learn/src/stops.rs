//! Tests of how long a fit on many rows goes on without a look at its control: every step that grows with the rows
//! looks at it block by block. What counts is looks, and each thread's processor time between two of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::calibration;
use crate::dataset::Dataset;
use crate::error::LearnError;
use crate::learner::FitTask;
use crate::learners::learner;
use crate::split::{grouped_folds, stratified_folds};
use crate::testdata::{columns, noisy, on_threads, params, rows};
use provost_domain::Algorithm;
use provost_predict::control::Token;
use provost_predict::control::{Control, StopReason};
use serde_json::{Value, json};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// More than rank codings are kept for.
const ROWS: usize = 300_000;
const THREADS: usize = 2;
/// Processor time of one thread between two looks. Blocks take some milliseconds; a processor may be slow.
const MOST_MS: u64 = 50;

thread_local! {
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// Nanoseconds that the calling thread has run; 0 where the system does not say.
fn processor_time() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[derive(Default)]
struct Looks {
    count: AtomicU64,
    longest: AtomicU64,
}

impl Looks {
    /// A control that counts its looks, and which is cancelled at look `at`.
    fn control(self: &Arc<Self>, at: Option<u64>) -> Control {
        let (looks, token) = (Arc::clone(self), Token::new());
        let tripped = token.clone();
        let look = move || {
            if at == Some(looks.count.fetch_add(1, Ordering::Relaxed)) {
                tripped.trip(StopReason::Cancelled);
            }
            if at.is_none() {
                let now = processor_time();
                let last = LAST.replace(now);
                if last > 0 {
                    looks.longest.fetch_max(now.saturating_sub(last), Ordering::Relaxed);
                }
            }
        };
        Control { token: token.observed_by(Arc::new(look)), ..Control::default() }
    }
}

/// Does the work once to its end, and some times with a cancel on the way.
fn stops(what: &str, least: u64, foreign: bool, work: impl Fn(&Control) -> Result<(), LearnError> + Sync) {
    let whole = Arc::<Looks>::default();
    let began = Instant::now();
    on_threads(THREADS, || {
        LAST.set(processor_time());
        work(&whole.control(None))
    })
    .unwrap();
    let took = began.elapsed().as_millis();
    let (count, longest) = (whole.count.load(Ordering::Relaxed), whole.longest.load(Ordering::Relaxed) / 1_000_000);
    let mut slowest = 0;
    for part in 0..8 {
        let (looks, at) = (Arc::<Looks>::default(), count * part / 8);
        let began = Instant::now();
        let stopped = on_threads(THREADS, || work(&looks.control(Some(at))));
        slowest = slowest.max(began.elapsed().as_millis().saturating_sub(took * u128::from(part) / 8));
        assert!(matches!(stopped, Err(LearnError::Stopped(StopReason::Cancelled))), "{what} at look {at} of {count}");
        // Each thread ends at its next look; a step that was being handed out may take one more.
        let after = looks.count.load(Ordering::Relaxed) - at;
        assert!(after <= 3 * THREADS as u64, "{what}: {after} looks from the cancel on");
    }
    println!(
        "{what}: {count} looks in {took} ms, {longest} ms at most between two; some {slowest} ms from a cancel to the end"
    );
    assert!(count >= least, "{what}: {count} looks, of {least} at least");
    // What a library does inside is not ours to look from.
    assert!(foreign || longest < MOST_MS, "{what}: {longest} ms of processor time without a look at the control");
}

fn fit(
    data: &Dataset,
    algorithm: Algorithm,
    given: Value,
    validation: usize,
) -> impl Fn(&Control) -> Result<(), LearnError> {
    move |control| {
        let learner = learner(algorithm).unwrap();
        let (params, columns, all) = (params(learner, given.clone()), columns(data), rows(data));
        let (train, validation) = all.split_at(all.len() - validation);
        let task = FitTask {
            validation,
            seed: 3,
            early_stopping_rounds: 5,
            scale: true,
            ..FitTask::new(data, &columns, train, &params)
        };
        let fit = learner.fit(&task, control)?;
        fit.predictor.predict_with(data.x(), &columns, &all, control)?;
        Ok(())
    }
}

#[test]
fn a_cancel_is_heard_inside_every_step_of_a_fit_on_many_rows() {
    let data = noisy(ROWS, 1);
    let blocks = (ROWS / provost_predict::control::BLOCK) as u64;
    let of = |algorithm, given, validation| fit(&data, algorithm, given, validation);
    // Six columns are cut into bins, each block by block.
    let binned = 6 * 3 * blocks;
    let boosting = json!({"n_estimators": 3, "subsample": 0.8});
    stops("boosting", binned + 3 * 4 * blocks, false, of(Algorithm::GradientBoosting, boosting, ROWS / 5));
    let forest = json!({"n_estimators": 3, "max_depth": 6});
    stops("forest", binned + 3 * blocks, false, of(Algorithm::RandomForest, forest, 0));
    stops("logistic", 6 * blocks, false, of(Algorithm::LogisticRegression, json!({}), 0));
    let network = json!({"hidden_layer_sizes": [10], "max_iter": 2});
    stops("network", 2 * (ROWS as u64 / 200), false, of(Algorithm::NeuralNetwork, network, ROWS / 5));
    stops("xgboost", 6 * blocks, true, of(Algorithm::Xgboost, json!({"n_estimators": 3}), ROWS / 5));
}

#[test]
fn a_cancel_is_heard_inside_calibration_and_the_making_of_folds() {
    let data = noisy(ROWS, 2);
    let (y, all) = (data.y(), rows(&data));
    let blocks = (ROWS / provost_predict::control::BLOCK) as u64;
    let p: Vec<f64> =
        data.x().column(3).iter().zip(y).map(|(v, y)| 0.4 * f64::from(*v) + 0.3 * f64::from(*y)).collect();
    stops("calibration", 10 * blocks, false, |control| calibration::fit(&p, y, control).map(|_| ()));
    stops("folds", 4 * blocks, false, |control| stratified_folds(y, &all, 5, 1, control).map(|_| ()));
    let groups: Vec<u64> = (0..ROWS as u64).map(|row| row / 2).collect();
    stops("folds of groups", 4 * blocks, false, |control| grouped_folds(y, &all, &groups, 5, 1, control).map(|_| ()));
}
