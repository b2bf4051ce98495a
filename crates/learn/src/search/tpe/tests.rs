#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::learners::learner;
use crate::testing::trial;
use provost_domain::Algorithm;
use provost_domain::config::{Grid, Tuning};
use serde_json::json;

const AXES: [Axis; 7] = {
    const fn ordered(values: usize) -> Axis {
        Axis { values, ordered: true }
    }
    let kind = Axis { values: 4, ordered: false };
    [ordered(4), ordered(4), ordered(3), ordered(4), ordered(4), ordered(3), kind]
};

/// The same as in `tests/fixtures/make_tpe.py`.
fn objective(p: &[usize]) -> f64 {
    let (best, weight) = ([2.0, 1.0, 2.0, 3.0, 0.0, 1.0], [1.0, 0.8, 0.3, 0.2, 0.2, 0.1]);
    let x = |i: usize| p[i] as f64;
    let mut loss: f64 = (0..6).map(|i| weight[i] * ((x(i) - best[i]) / (AXES[i].values - 1) as f64).powi(2)).sum();
    loss += 0.5 * ((x(0) + x(1) - 3.0) / 3.0).powi(2);
    loss += 0.05 * (7.0 * x(2) + 3.0 * x(3) + 11.0 * x(4)).sin();
    [0.0, 0.35, 0.1, 0.25][p[6]] - loss
}

/// Best possible less best found in 50 trials, in blocks as a search has them.
fn regret(seed: u64, top: f64, startup: usize) -> f64 {
    let mut tried: Vec<(f64, Vec<usize>)> = Vec::new();
    let mut random = SplitMix64::keyed(seed, &[1]);
    while tried.len() < startup {
        let point: Vec<usize> = AXES.iter().map(|a| random.below(a.values as u32) as usize).collect();
        if !tried.iter().any(|(_, p)| *p == point) {
            tried.push((objective(&point), point));
        }
    }
    while tried.len() < 50 {
        let mut sorted = tried.clone();
        sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
        let best_first: Vec<Vec<usize>> = sorted.into_iter().map(|(_, p)| p).collect();
        let control = Control::default();
        let estimator = Estimator::new(&AXES, &best_first, &control).unwrap();
        for _ in 0..BLOCK.min(50 - tried.len()) {
            let known = |p: &[usize]| tried.iter().any(|(_, q)| q == p);
            let point = estimator.propose(&mut random, known, &control).unwrap().unwrap();
            tried.push((objective(&point), point));
        }
    }
    top - tried.iter().map(|(v, _)| *v).fold(f64::NEG_INFINITY, f64::max)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn finds_what_optuna_finds_and_far_more_than_chance() {
    let optuna: Value = serde_json::from_str(include_str!("../../../tests/fixtures/tpe.json")).unwrap();
    let top = optuna["top"].as_f64().unwrap();
    let theirs =
        |name: &str| -> Vec<f64> { optuna[name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect() };
    let ours: Vec<f64> = (0..100).map(|seed| regret(seed, top, STARTUP)).collect();
    let chance: Vec<f64> = (0..100).map(|seed| regret(seed, top, 50)).collect();
    let (tpe, random) = (theirs("tpe"), theirs("random"));
    println!("ours {} optuna {} chance {} optuna's {}", mean(&ours), mean(&tpe), mean(&chance), mean(&random));
    // Both samplers of chance agree, so the objective is the same.
    let error = |v: &[f64]| (v.iter().map(|x| (x - mean(v)).powi(2)).sum::<f64>() / 99.0 / 100.0).sqrt();
    assert!((mean(&chance) - mean(&random)).abs() < 4.0 * (error(&chance) + error(&random)));
    assert!(mean(&ours) < 0.6 * mean(&chance), "{} against chance's {}", mean(&ours), mean(&chance));
    assert!(mean(&ours) < mean(&tpe) + 2.0 * (error(&ours) + error(&tpe)), "{} {}", mean(&ours), mean(&tpe));
}

#[test]
fn densities_are_of_the_points_and_of_their_neighbours_where_there_are_any() {
    let sum = |d: &[f64]| d.iter().sum::<f64>();
    let density = |axis, points| Density::new(axis, points, &Control::default()).unwrap().of;
    let nothing = density(Axis { values: 4, ordered: true }, vec![]);
    assert_eq!(nothing, vec![0.25; 4]);
    let counted = density(Axis { values: 4, ordered: false }, vec![1, 1, 3]);
    assert_eq!(counted, vec![0.0625, 0.5625, 0.0625, 0.3125]);
    let spread = density(Axis { values: 9, ordered: true }, vec![6, 6, 6, 7, 6, 6, 6, 6, 6]);
    assert!((sum(&spread) - 1.0).abs() < 1e-12);
    assert!(spread[6] > spread[7] && spread[7] > spread[4] && spread[4] > spread[0], "{spread:?}");
    assert_eq!(density(Axis { values: 1, ordered: true }, vec![0]), vec![1.0]);
}

/// Draws trials from a score that the learning rate and depth decide.
fn search(sampler: &mut Bayesian<'_>, most: usize) -> Vec<TrialResult> {
    let mut trials: Vec<TrialResult> = Vec::new();
    loop {
        let block = sampler.next(&trials, most, &Control::default()).unwrap();
        if block.is_empty() {
            return trials;
        }
        for params in block {
            let number = |name: &str| params[name].as_f64().unwrap();
            let score = -(number("learning_rate") - 0.1).abs() - 0.1 * (number("max_depth") - 5.0).abs();
            trials.push(trial(trials.len() as u32, params.into_map(), score));
        }
    }
}

#[test]
fn proposals_are_distinct_repeatable_and_end_with_the_grid() {
    let xgboost = learner(Algorithm::Xgboost).unwrap();
    let control = Control::default();
    let space = Space::new(xgboost, Tuning::Bayesian, None, &control).unwrap();
    let of = |seed| search(&mut Bayesian::new(&space, 60, seed, &control).unwrap(), 8);
    let trials = of(3);
    assert_eq!(trials.len(), 60);
    let distinct: HashSet<String> = trials.iter().map(|t| key(&t.params, &[])).collect();
    assert_eq!(distinct.len(), 60);
    assert_eq!(of(3), trials);
    assert_ne!(of(4)[0].params, trials[0].params);
    assert!(trials.iter().all(|t| xgboost.check(&t.params).unwrap().into_map() == t.params));
    let random = drawn(&space, 60, 3, &control).unwrap();
    assert!(trials[..10].iter().zip(&random).all(|(t, p)| t.params == **p), "the start is random search's");
    // What it learnt shows.
    let good = |t: &&TrialResult| t.params["learning_rate"] == json!(0.1) && t.params["max_depth"] == json!(5);
    assert!(trials[30..].iter().filter(good).count() > 10, "{}", trials[30..].iter().filter(good).count());

    let grid: Grid = [
        ("learning_rate".to_owned(), vec![json!(0.1), json!(0.10), json!(0.2)]),
        ("max_depth".to_owned(), vec![json!(3), json!(5.0), json!(7)]),
    ]
    .into_iter()
    .collect();
    let space = Space::new(xgboost, Tuning::Bayesian, Some(&grid), &control).unwrap();
    assert_eq!((space.points(), space.candidates(), space.most(50)), (Some(9), 6, 6));
    let mut small = Bayesian::new(&space, 50, 1, &control).unwrap();
    assert_eq!(search(&mut small, 3).len(), 6);
    // Null is "no limit", the last of an ordered axis.
    let forest = learner(Algorithm::RandomForest).unwrap();
    let space = Space::new(forest, Tuning::Bayesian, None, &control).unwrap();
    let sampler = Bayesian::new(&space, 10, 1, &control).unwrap();
    let depth = sampler.names.iter().position(|n| n == "max_depth").unwrap();
    assert_eq!(sampler.values[depth], [json!(10), json!(20), json!(30), Value::Null]);
    assert!(sampler.axes[depth].ordered);
    let word = sampler.names.iter().position(|n| n == "class_weight").unwrap();
    assert!(!sampler.axes[word].ordered);
}
