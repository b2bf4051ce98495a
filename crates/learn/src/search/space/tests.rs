#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::learner::key;
use crate::learners::learner;
use crate::params::{CheckedParams, Params};
use proptest::prelude::*;
use provost_domain::Algorithm;
use provost_predict::control::StopReason;
use serde_json::json;
use std::collections::HashSet;

fn grid(axes: &[(&str, Value)]) -> Grid {
    axes.iter().map(|(name, values)| ((*name).to_owned(), values.as_array().unwrap().clone())).collect()
}

fn space(algorithm: Algorithm, tuning: Tuning, grid: &Grid) -> Result<Space<'static>, LearnError> {
    Space::new(learner(algorithm).unwrap(), tuning, Some(grid), &Control::default())
}

fn numbers(n: u64) -> Value {
    (1..=n).collect()
}

#[test]
fn the_contracts_grids_have_these_sizes() {
    // 96 points of the logistic grid are 24 models, 96 of the network's are 48.
    let sizes = [
        (Algorithm::RandomForest, 432, 432),
        (Algorithm::Xgboost, 6_912, 6_912),
        (Algorithm::GradientBoosting, 972, 972),
        (Algorithm::LogisticRegression, 96, 24),
        (Algorithm::NeuralNetwork, 96, 48),
    ];
    for (algorithm, points, candidates) in sizes {
        let learner = learner(algorithm).unwrap();
        let space = Space::new(learner, Tuning::GridSearch, None, &Control::default()).unwrap();
        assert_eq!((space.points(), space.candidates()), (Some(points), candidates), "{algorithm}");
        assert_eq!(space.most(10) as u128, candidates);
        let none = Space::new(learner, Tuning::None, None, &Control::default()).unwrap();
        assert_eq!((none.most(10), none.candidate(0).unwrap()), (1, learner.check(&Params::new()).unwrap()));
    }
}

/// What the search did before: all points in order, of which the first of each model is tried.
fn listed(learner: &dyn Learner, grid: &Grid) -> Vec<CheckedParams> {
    let mut points = vec![Params::new()];
    for (name, values) in grid {
        let with = |point: &Params, value: &Value| {
            let mut point = point.clone();
            point.insert(name.clone(), value.clone());
            point
        };
        points = points.iter().flat_map(|point| values.iter().map(|value| with(point, value))).collect();
    }
    let mut seen = HashSet::new();
    let checked = points.iter().map(|point| learner.check(point).unwrap());
    checked.filter(|params| seen.insert(key(params, learner.idle()))).collect()
}

#[test]
fn candidates_come_in_the_order_of_a_listed_grid() {
    let grids = [
        (Algorithm::Xgboost, grid(&[("learning_rate", json!([0.2, 0.1, 0.10])), ("max_depth", json!([3, 5.0, 7, 5]))])),
        (
            Algorithm::RandomForest,
            grid(&[("max_depth", json!([8, null, "none", 8.0])), ("n_estimators", json!([2, 1]))]),
        ),
        (Algorithm::LogisticRegression, learner(Algorithm::LogisticRegression).unwrap().grid()),
        (Algorithm::NeuralNetwork, learner(Algorithm::NeuralNetwork).unwrap().grid()),
        (Algorithm::GradientBoosting, learner(Algorithm::GradientBoosting).unwrap().grid()),
        (Algorithm::RandomForest, learner(Algorithm::RandomForest).unwrap().grid()),
        (Algorithm::Xgboost, learner(Algorithm::Xgboost).unwrap().grid()),
    ];
    for (algorithm, grid) in grids {
        let space = space(algorithm, Tuning::GridSearch, &grid).unwrap();
        let made: Vec<CheckedParams> = (0..space.candidates()).map(|i| space.candidate(i).unwrap()).collect();
        assert_eq!(made, listed(learner(algorithm).unwrap(), &grid), "{algorithm}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Numbers and points are the same set, each once and in the same order.
    #[test]
    fn each_number_is_another_point(lengths in proptest::collection::vec(1usize..7, 0..6)) {
        let size: usize = lengths.iter().product();
        let mut points: Vec<Vec<usize>> = (0..size as u128).map(|i| decode(i, lengths.iter().copied())).collect();
        prop_assert!(points.iter().all(|point| point.len() == lengths.len()));
        prop_assert!(points.iter().flat_map(|p| p.iter().zip(&lengths)).all(|(digit, base)| digit < base));
        prop_assert!(points.is_sorted());
        points.dedup();
        prop_assert_eq!(points.len(), size);
    }
}

#[test]
fn sizes_beyond_any_number_are_counted_without_a_list() {
    let names = ["n_estimators", "min_samples_split", "min_samples_leaf"];
    let axes: Vec<(&str, Value)> = names.into_iter().map(|name| (name, (2..5_002).collect())).collect();
    let (large, size) = (grid(&axes), 125_000_000_000u128);
    let forest = |tuning| space(Algorithm::RandomForest, tuning, &large);
    for tuning in [Tuning::RandomSearch, Tuning::Bayesian] {
        let space = forest(tuning).unwrap();
        assert_eq!((space.points(), space.candidates(), space.most(50)), (Some(size), size, 50));
        let last = space.candidate(size - 1).unwrap();
        assert!(names.iter().all(|name| last[*name] == json!(5_001)), "{last:?}");
    }
    let refused = forest(Tuning::GridSearch).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "the grid of random_forest has 125000000000 candidates; `grid_search` is allowed for at most 100000: shorten its \
         lists, or use `random_search` or `bayesian`, which draw from a grid of any size"
    );
    let parameter = |n: usize| Parameter {
        name: n.to_string(),
        idle: false,
        given: vec![Value::Null; 100_000],
        places: Vec::new(),
        distinct: vec![Value::Null; 100_000],
    };
    let parameters = (0..8).map(parameter).collect();
    let space = Space { learner: learner(Algorithm::Xgboost).unwrap(), tuning: Tuning::RandomSearch, parameters };
    assert_eq!((space.points(), space.candidates(), space.most(200)), (None, u128::MAX, 200));
}

#[test]
fn a_grid_search_may_have_a_hundred_thousand_candidates_and_no_more() {
    let of = |trees: u64| {
        grid(&[("n_estimators", numbers(trees)), ("max_depth", numbers(10)), ("min_samples_leaf", numbers(10))])
    };
    let most = space(Algorithm::RandomForest, Tuning::GridSearch, &of(1_000)).unwrap();
    assert_eq!(most.most(10), 100_000);
    let beyond = space(Algorithm::RandomForest, Tuning::GridSearch, &of(1_001));
    assert!(matches!(beyond, Err(LearnError::SearchSpace { candidates: 100_100, .. })));
    // Points that lead to the same models do not count.
    let repeats = grid(&[("C", json!([1, 1.0, 2])), ("max_iter", numbers(100_000))]);
    assert_eq!(space(Algorithm::LogisticRegression, Tuning::GridSearch, &repeats).unwrap().most(10), 2);
}

#[test]
fn bad_values_are_named_up_to_a_number_and_a_stop_is_heard() {
    let bad: Value = (0..250).map(|i| -i - 1).collect();
    let bad = grid(&[("n_estimators", bad), ("leafs", json!([1]))]);
    let Err(LearnError::Params(Faults(faults))) = space(Algorithm::RandomForest, Tuning::RandomSearch, &bad) else {
        panic!()
    };
    assert_eq!(faults.len(), MOST_FAULTS + 1);
    assert_eq!(faults[1].pointer, "/grids/random_forest/n_estimators/0");
    assert_eq!(faults[MOST_FAULTS].message, "and 151 more faults");

    let control = Control::default();
    control.token.trip(StopReason::Cancelled);
    let stopped = Space::new(learner(Algorithm::RandomForest).unwrap(), Tuning::RandomSearch, None, &control);
    assert!(matches!(stopped, Err(LearnError::Stopped(StopReason::Cancelled))));
}
