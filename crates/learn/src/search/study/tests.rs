#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::learners::learner;
use crate::params::{CheckedParams, Params};
use crate::search::tuning::sampler;
use crate::search::{NoJournal, Space};
use crate::split::{stratified_folds, without};
use crate::testdata::{columns, noisy, on_threads, rows};
use provost_domain::config::{Grid, Tuning};
use provost_domain::{Algorithm, TargetMetric};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

fn folds(data: &Dataset) -> Vec<Fold> {
    let all = rows(data);
    let held = stratified_folds(data.y(), &all, 4, 1, &Control::default()).unwrap();
    held.into_iter().map(|held| Fold { train: without(&all, &held), held, columns: columns(data) }).collect()
}

fn grid(axes: &[(&str, Value)]) -> Grid {
    axes.iter().map(|(name, values)| ((*name).to_owned(), values.as_array().unwrap().clone())).collect()
}

/// Small grids whose families are smaller still.
fn grids() -> Vec<(Algorithm, Grid)> {
    vec![
        (
            Algorithm::RandomForest,
            grid(&[
                ("n_estimators", json!([5, 11])),
                ("max_depth", json!([2, 6, null])),
                ("min_samples_split", json!([2, 9])),
                ("min_samples_leaf", json!([1, 3])),
                ("max_features", json!(["sqrt", "log2"])),
            ]),
        ),
        (
            Algorithm::GradientBoosting,
            grid(&[
                ("n_estimators", json!([4, 8, 16])),
                ("learning_rate", json!([0.05, 0.3])),
                ("subsample", json!([0.7, 1.0])),
            ]),
        ),
        (
            Algorithm::Xgboost,
            grid(&[
                ("n_estimators", json!([4, 8, 16])),
                ("max_depth", json!([2, 4])),
                ("subsample", json!([0.7, 1.0])),
            ]),
        ),
        (Algorithm::LogisticRegression, grid(&[("C", json!([0.01, 1.0])), ("penalty", json!(["l1", "l2"]))])),
        (
            Algorithm::NeuralNetwork,
            grid(&[
                ("max_iter", json!([3, 9])),
                ("hidden_layer_sizes", json!([[6], [4, 3]])),
                ("alpha", json!([0.01])),
            ]),
        ),
    ]
}

type Found = (Vec<TrialResult>, BTreeMap<u32, Vec<Arc<[f64]>>>);

/// All but the time it took.
fn timeless(end: StudyEnd) -> Found {
    let mut trials = end.trials;
    for t in &mut trials {
        t.seconds = 0.0;
        t.folds.iter_mut().for_each(|f| f.seconds = 0.0);
    }
    (trials, end.predictions)
}

#[test]
fn a_search_that_shares_growths_ends_as_one_that_does_not_at_any_number_of_threads() {
    let data = noisy(300, 12);
    let folds = folds(&data);
    for (algorithm, grid) in grids() {
        let learner = learner(algorithm).unwrap();
        let space = Space::new(learner, Tuning::GridSearch, Some(&grid), &Control::default()).unwrap();
        for pruning in [Pruning::None, Pruning::Racing] {
            let rule = Rule::Service(TargetMetric::AucRoc);
            let run = |sharing| {
                let study = Study { learner, data: &data, folds: &folds, rule, pruning, scale: true, seed: 7, sharing };
                let control = Control::default();
                let meter = Meter::new(&control, 1);
                let mut sampler = sampler(&space, 1, 3, &control).unwrap();
                study.run(&mut *sampler, &NoJournal, &meter, &control).map(timeless).unwrap()
            };
            let apart = on_threads(2, || run(false));
            assert_eq!(apart.0.len() as u128, space.candidates());
            for threads in [1, 2, 3] {
                let together = on_threads(threads, || run(true));
                assert!(together == apart, "{algorithm} with {pruning} on {threads} threads");
            }
        }
    }
}

/// A forest that counts its growths.
struct Counting(AtomicU64);

impl Learner for Counting {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RandomForest
    }
    fn defaults(&self) -> Params {
        crate::forest::RandomForest.defaults()
    }
    fn grid(&self) -> Grid {
        crate::forest::RandomForest.grid()
    }
    fn check(&self, params: &Params) -> Result<CheckedParams, provost_domain::Faults> {
        crate::forest::RandomForest.check(params)
    }
    fn fit(&self, task: &FitTask<'_>, control: &Control) -> Result<crate::learner::Fit, LearnError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        crate::forest::RandomForest.fit(task, control)
    }
    fn family(&self, params: &Params, width: usize) -> String {
        crate::forest::RandomForest.family(params, width)
    }
    fn fit_family(
        &self,
        task: &FitTask<'_>,
        members: &[&CheckedParams],
        rows: &[u32],
        control: &Control,
    ) -> Result<Vec<Vec<f64>>, LearnError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        crate::forest::RandomForest.fit_family(task, members, rows, control)
    }
}

#[test]
fn a_whole_grid_of_forests_is_grown_as_often_as_it_has_families() {
    let data = noisy(200, 5);
    let folds = folds(&data);
    let counting = Counting(AtomicU64::new(0));
    let (_, grid) = grids().into_iter().next().unwrap();
    let space = Space::new(&counting, Tuning::GridSearch, Some(&grid), &Control::default()).unwrap();
    assert_eq!(space.candidates(), 48);
    let run = |pruning| {
        counting.0.store(0, Ordering::Relaxed);
        let study = Study {
            learner: &counting,
            data: &data,
            folds: &folds,
            rule: Rule::PeerF1,
            pruning,
            scale: true,
            seed: 7,
            sharing: true,
        };
        let reports = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&reports);
        let on_progress = move |p: provost_predict::control::Progress| sink.lock().unwrap().push(p.done);
        let control = Control { on_progress: Some(Arc::new(on_progress)), ..Control::default() };
        let meter = Meter::new(&control, 48 * folds.len() as u64);
        study.run(&mut *sampler(&space, 1, 3, &control).unwrap(), &NoJournal, &meter, &control).unwrap();
        // Every fit is counted once, whoever grew it.
        assert_eq!(reports.lock().unwrap().last(), Some(&(48 * 4 * workers::UNIT)));
        counting.0.load(Ordering::Relaxed)
    };
    // Two families (of the leaf's minimum) on four folds.
    assert_eq!(run(Pruning::None), 2 * 4);
    // The first two folds once; the others again in each block that needs them.
    let raced = run(Pruning::Racing);
    assert!((2 * 2 + 2..=2 * 2 + 2 * 2 * 6).contains(&raced), "{raced}");
}
