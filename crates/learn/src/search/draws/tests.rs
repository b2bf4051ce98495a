#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::learner::key;
use crate::learners::learner;
use crate::params::CheckedParams;
use proptest::prelude::*;
use provost_domain::Algorithm;
use provost_domain::config::{Grid, Tuning};
use serde_json::{Value, json};

fn space(algorithm: Algorithm, axes: &[(&str, Value)]) -> Space<'static> {
    let grid: Grid =
        axes.iter().map(|(name, values)| ((*name).to_owned(), values.as_array().unwrap().clone())).collect();
    let grid = (!axes.is_empty()).then_some(&grid);
    Space::new(learner(algorithm).unwrap(), Tuning::RandomSearch, grid, &Control::default()).unwrap()
}

fn draw(space: &Space<'_>, iterations: u32, seed: u64) -> Vec<CheckedParams> {
    drawn(space, iterations, seed, &Control::default()).unwrap()
}

/// Different models among what was drawn.
fn models(space: &Space<'_>, drawn: &[CheckedParams]) -> usize {
    drawn.iter().map(|p| key(p, space.learner.idle())).collect::<HashSet<String>>().len()
}

#[test]
fn draws_are_distinct_seeded_and_at_most_the_candidates() {
    let expected = [
        (Algorithm::LogisticRegression, 24),
        (Algorithm::NeuralNetwork, 48),
        (Algorithm::RandomForest, 50),
        (Algorithm::GradientBoosting, 50),
        (Algorithm::Xgboost, 50),
    ];
    for (algorithm, count) in expected {
        let space = space(algorithm, &[]);
        let found = draw(&space, 50, 42);
        assert_eq!((found.len(), models(&space, &found)), (count, count), "{algorithm}");
        assert_eq!(draw(&space, 50, 42), found);
        assert_ne!(draw(&space, 50, 43), found);
        assert_eq!(drawn_points(&space, 50, 42, &Control::default()).unwrap().len(), 50);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any part of the order is that of a list that was shuffled.
    #[test]
    fn places_are_those_of_a_shuffled_list(size in 1u32..3_000, seed: u64, from in 0u32..3_000, many in 0u32..3_000) {
        let random = SplitMix64::keyed(seed, &[STREAM]);
        let mut list: Vec<u32> = (0..size).collect();
        random.clone().shuffle(&mut list);
        let from = from.min(size);
        let to = size.min(from + many);
        let part = shuffled(&random, size, from..to, &Control::default()).unwrap();
        prop_assert_eq!(&part[..], &list[from as usize..to as usize]);
    }
}

#[test]
fn the_whole_order_is_that_of_a_shuffled_list() {
    for size in [1, 2, 1_023, 1_024, 1_025, 10_000] {
        let random = SplitMix64::keyed(5, &[STREAM]);
        let mut list: Vec<u32> = (0..size).collect();
        random.clone().shuffle(&mut list);
        let mut order = Shuffled::new(size);
        let all: Vec<u32> = std::iter::from_fn(|| order.next(&random, &Control::default()).unwrap()).collect();
        assert_eq!(all, list, "{size}");
    }
}

#[test]
fn spaces_of_any_size_are_drawn_from() {
    let many = |n: u64| -> Value { (2..n + 2).collect() };
    // Below and above the shuffled sizes, and above any 64-bit number.
    let rates = |n: u64| -> Value { (1..=n).map(|i| i as f64 / n as f64).collect() };
    let spaces = [
        (1_048_576, space(Algorithm::RandomForest, &[("n_estimators", many(1024)), ("min_samples_split", many(1024))])),
        (
            10u128.pow(9),
            space(
                Algorithm::RandomForest,
                &[("n_estimators", many(1000)), ("min_samples_split", many(1000)), ("min_samples_leaf", many(1000))],
            ),
        ),
        (
            10u128.pow(20),
            space(
                Algorithm::Xgboost,
                &[
                    ("learning_rate", rates(10_000)),
                    ("subsample", rates(10_000)),
                    ("colsample_bytree", rates(10_000)),
                    ("gamma", rates(10_000)),
                    ("min_child_weight", rates(10_000)),
                ],
            ),
        ),
    ];
    for (size, space) in spaces {
        assert_eq!(space.candidates(), size);
        let found = draw(&space, 200, 9);
        assert_eq!(models(&space, &found), 200);
        assert_eq!(draw(&space, 200, 9), found);
        // No parameter keeps one value: a draw is from all of the space.
        for parameter in &space.parameters {
            let values: HashSet<String> = found.iter().map(|p| p[&parameter.name].to_string()).collect();
            assert!(values.len() > 150, "{} different values of {}", values.len(), parameter.name);
        }
    }
}

#[test]
fn few_models_in_many_points_are_all_found() {
    let idle: Value = (1..=200_000).collect();
    let space = space(Algorithm::LogisticRegression, &[("C", json!([1, 1.0, 2, 3])), ("max_iter", idle)]);
    assert_eq!((space.points(), space.candidates()), (Some(800_000), 3));
    assert_eq!(draw(&space, 50, 1).len(), 3);
}

/// Models are the same in later versions only if the draws are. The numbers were worked out apart from this program.
#[test]
fn draws_from_a_large_space_are_those_of_its_seed() {
    let list = |from: u64, n: u64| -> Value { (from..from + n).collect() };
    let space = space(
        Algorithm::RandomForest,
        &[("n_estimators", list(1, 3000)), ("min_samples_split", list(2, 900)), ("min_samples_leaf", list(1, 900))],
    );
    let names = ["min_samples_leaf", "min_samples_split", "n_estimators"];
    let found = draw(&space, 3, 42);
    let values: Vec<[u64; 3]> = found.iter().map(|p| names.map(|name| p[name].as_u64().unwrap())).collect();
    assert_eq!(values, [[63, 252, 1481], [152, 96, 2014], [279, 38, 1306]]);
}
