//! What is proposed is what earlier versions proposed: else the same configuration would lead to other models.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::learners::learner;
use crate::params::Params;
use crate::testing::trial;
use provost_domain::Algorithm;
use provost_domain::config::Grid;
use provost_domain::rng::mix;
use serde_json::{Value, json};
use std::fmt::Write;

fn hash(text: &str) -> String {
    let mut h = 0xcbf2_9ce4_8422_2325u64;
    for b in text.bytes() {
        h = (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{h:016x}")
}
fn grid(axes: &[(&str, Value)]) -> Grid {
    axes.iter().map(|(n, v)| ((*n).to_owned(), v.as_array().unwrap().clone())).collect()
}
fn upto(n: u64, from: u64) -> Value {
    Value::from((from..from + n).collect::<Vec<_>>())
}
fn cases() -> Vec<(&'static str, Algorithm, Option<Grid>)> {
    use Algorithm::*;
    let mut all: Vec<_> = Algorithm::BASE.into_iter().map(|a| ("own", a, None)).collect();
    all.push((
        "dups",
        Xgboost,
        Some(grid(&[("learning_rate", json!([0.1, 0.10, 0.2, 0.1])), ("max_depth", json!([3, 5.0, 7, 5]))])),
    ));
    all.push((
        "nulls",
        RandomForest,
        Some(grid(&[("max_depth", json!([3, null, "none", 3.0, 8])), ("n_estimators", json!([10, 20, 10]))])),
    ));
    all.push((
        "idle",
        LogisticRegression,
        Some(grid(&[
            ("C", json!([0.1, 1, 1.0, 10])),
            ("max_iter", upto(40, 100)),
            ("solver", json!(["lbfgs", "saga"])),
        ])),
    ));
    all.push((
        "idle-first",
        NeuralNetwork,
        Some(grid(&[
            ("alpha", json!([0.1, 0.01])),
            ("max_iter", upto(20, 100)),
            ("learning_rate", json!(["constant", "adaptive"])),
        ])),
    ));
    all.push((
        "middle",
        RandomForest,
        Some(grid(&[
            ("n_estimators", upto(300, 1)),
            ("min_samples_split", upto(60, 2)),
            ("min_samples_leaf", upto(40, 1)),
        ])),
    ));
    all.push((
        "shuffled-most",
        RandomForest,
        Some(grid(&[
            ("n_estimators", upto(512, 1)),
            ("min_samples_split", upto(64, 2)),
            ("min_samples_leaf", upto(32, 1)),
        ])),
    ));
    all.push((
        "large",
        RandomForest,
        Some(grid(&[
            ("n_estimators", upto(3000, 1)),
            ("min_samples_split", upto(900, 2)),
            ("min_samples_leaf", upto(900, 1)),
        ])),
    ));
    all
}

fn driven(sampler: &mut dyn Sampler) -> Vec<Params> {
    let mut trials: Vec<TrialResult> = Vec::new();
    let mut sizes = [4, 23, 7, 64].into_iter().cycle();
    loop {
        let block = sampler.next(&trials, sizes.next().unwrap(), &Control::default()).unwrap();
        if block.is_empty() || trials.len() > 3000 {
            return trials.into_iter().map(|t| t.params).collect();
        }
        for params in block {
            let text = serde_json::to_string(&*params).unwrap();
            let score = (text.bytes().fold(7u64, |h, b| mix(h ^ u64::from(b))) >> 40) as f64;
            trials.push(trial(trials.len() as u32, params.into_map(), score));
        }
    }
}

/// `candidates.txt` was written by the version that listed every grid: name, algorithm, tuning, seed and iterations,
/// then the number of candidates and a hash of all of them.
#[test]
fn proposals_are_those_of_the_version_that_listed_every_grid() {
    let control = Control::default();
    let mut found = String::new();
    for (name, algorithm, grid) in cases() {
        for tuning in [Tuning::None, Tuning::GridSearch, Tuning::RandomSearch, Tuning::Bayesian] {
            for iterations in [10, 50, 200] {
                let space = match Space::new(learner(algorithm).unwrap(), tuning, grid.as_ref(), &control) {
                    Err(LearnError::SearchSpace { .. }) => continue,
                    space => space.unwrap(),
                };
                let proposed = driven(&mut *sampler(&space, iterations, 42, &control).unwrap());
                let hash = hash(&serde_json::to_string(&proposed).unwrap());
                writeln!(found, "{name} {algorithm} {tuning} 42 {iterations}: {} {hash}", proposed.len()).unwrap();
            }
        }
    }
    assert_eq!(found, include_str!("../../../tests/fixtures/candidates.txt"));
}
