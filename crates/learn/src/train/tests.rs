#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::ensemble::combine;
use crate::metrics::{auc, log_loss};
use crate::params::Params;
use crate::split::{SplitRows, split};
use crate::testdata::{noisy, on_threads};
use crate::testing::dataset;
use provost_domain::config::SplitKind;
use provost_domain::rng::mix;
use provost_predict::predictor::Predictor;
use serde_json::json;
use std::sync::Mutex;

/// Keeps trials as text, as a store does; trips the token after a number of records.
#[derive(Default)]
struct Memory {
    texts: Mutex<Vec<String>>,
    trip: Option<(usize, StopReason, provost_predict::control::Token)>,
}

impl Journal for Memory {
    fn finished(&self) -> Arc<[TrialResult]> {
        self.texts.lock().unwrap().iter().map(|t| serde_json::from_str(t).unwrap()).collect()
    }
    fn record(&self, trial: &TrialResult) -> Result<(), String> {
        let mut texts = self.texts.lock().unwrap();
        texts.push(serde_json::to_string(trial).unwrap());
        if let Some((after, reason, token)) = &self.trip
            && texts.len() == *after
        {
            token.trip(*reason);
        }
        Ok(())
    }
}

impl Memory {
    fn tripping(after: usize, reason: StopReason) -> (Self, Control) {
        let control = Control::default();
        let memory = Memory { trip: Some((after, reason, control.token.clone())), ..Memory::default() };
        (memory, control)
    }
    fn len(&self) -> usize {
        self.texts.lock().unwrap().len()
    }
    fn untripped(self) -> Self {
        Memory { trip: None, ..self }
    }
}

fn parts_of(data: &Dataset) -> Parts {
    let n = data.rows();
    let ids: Vec<u128> = (0..n as u128).map(|i| i * 0x9E37_79B9_7F4A_7C15).collect();
    let applicants: Vec<u64> = (0..n as u64).map(mix).collect();
    let years = vec![2020; n];
    let rows = SplitRows { labels: data.y(), applicants: &applicants, row_ids: &ids, years: &years };
    split(&rows, SplitKind::Random, 0.15, 0.15, 1, 42).unwrap()
}

fn spec(algorithm: Algorithm) -> TrainSpec {
    TrainSpec {
        algorithm,
        tuning: Tuning::RandomSearch,
        iterations: 10,
        folds: 4,
        metric: TargetMetric::F1Score,
        seed: 42,
        feature_selection: FeatureSelection::Auto,
        selected_features: None,
        scale: true,
        early_stopping_rounds: 10,
        pruning: Pruning::Racing,
        grid: None,
    }
}

fn small_boosting() -> TrainSpec {
    let grid = [
        ("n_estimators", vec![json!(5), json!(20), json!(40)]),
        ("learning_rate", vec![json!(0.001), json!(0.1), json!(0.3)]),
        ("max_depth", vec![json!(1), json!(3)]),
        ("subsample", vec![json!(0.8), json!(1.0)]),
    ];
    let grid = grid.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
    TrainSpec { grid: Some(grid), iterations: 14, ..spec(Algorithm::GradientBoosting) }
}

/// All but the time it took.
fn bytes(trained: &Trained) -> Vec<u8> {
    Trained { seconds: 0.0, ..trained.clone() }.to_bytes()
}

#[test]
fn a_resumed_search_gives_the_same_bytes() {
    let data = noisy(420, 3);
    let parts = parts_of(&data);
    for (pruning, tuning) in [
        (Pruning::Racing, Tuning::RandomSearch),
        (Pruning::None, Tuning::RandomSearch),
        (Pruning::Racing, Tuning::Bayesian),
        (Pruning::None, Tuning::Bayesian),
    ] {
        let spec = TrainSpec { pruning, tuning, ..small_boosting() };
        let whole = Memory::default();
        let expected = train(&data, &parts, &spec, &whole, &Control::default()).unwrap();
        assert_eq!(whole.len(), 14);
        let pruned = whole.finished().iter().filter(|t| t.status == TrialStatus::Pruned).count();
        assert_eq!(pruned > 2, pruning == Pruning::Racing, "{pruned} pruned with {pruning}");
        for after in [1, 4, 9] {
            let (cut, control) = Memory::tripping(after, StopReason::Shutdown);
            let stopped = train(&data, &parts, &spec, &cut, &control);
            assert!(matches!(stopped, Err(LearnError::Stopped(StopReason::Shutdown))), "{stopped:?}");
            let cut = cut.untripped();
            let before = cut.len();
            assert!((after..14).contains(&before));
            let resumed = train(&data, &parts, &spec, &cut, &Control::default()).unwrap();
            assert_eq!(bytes(&resumed), bytes(&expected), "stopped after {after} with {pruning}, {tuning}");
            assert_eq!(cut.len(), 14, "nothing is recorded twice");
        }
        // Nothing is left to search: the winner's predictions are computed again.
        let again = train(&data, &parts, &spec, &whole, &Control::default()).unwrap();
        assert_eq!(bytes(&again), bytes(&expected));
        assert_eq!(whole.len(), 14);
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let data = noisy(400, 4);
    let parts = parts_of(&data);
    let spec = TrainSpec { tuning: Tuning::Bayesian, ..small_boosting() };
    let on = |threads| {
        on_threads(threads, || {
            let journal = Memory::default();
            let trained = train(&data, &parts, &spec, &journal, &Control::default()).unwrap();
            let mut trials = journal.finished().to_vec();
            trials.sort_by_key(|t| t.index);
            for t in &mut trials {
                t.seconds = 0.0;
                t.folds.iter_mut().for_each(|f| f.seconds = 0.0);
            }
            (bytes(&trained), trials)
        })
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(3));
    assert_eq!(Trained::from_bytes(&one.0).unwrap().to_bytes(), one.0);
    assert!(Trained::from_bytes(&one.0[..one.0.len() - 1]).is_err());
}

#[test]
fn what_comes_out_is_complete_and_out_of_fold() {
    let data = noisy(500, 5);
    let parts = parts_of(&data);
    for metric in TargetMetric::ALL {
        let spec = TrainSpec { metric, tuning: Tuning::None, ..spec(Algorithm::LogisticRegression) };
        let t = train(&data, &parts, &spec, &NoJournal, &Control::default()).unwrap();
        assert_eq!((t.cv_scores.len(), t.oof.len(), t.trials), (4, parts.train.len(), 1));
        assert_eq!(t.importance.len(), 6, "all features");
        assert!(t.importance.windows(2).all(|w| w[0].1 >= w[1].1));
        // c4 is constant, so `auto` leaves it out.
        assert_eq!(t.model.columns, vec![0, 1, 2, 3, 5]);
        assert_eq!(t.importance.iter().find(|(name, _)| name == "c4").unwrap().1, 0.0);
        let tuned = matches!(metric, TargetMetric::F1Score | TargetMetric::Accuracy);
        assert_eq!(t.model.threshold != 0.5, tuned, "{metric}: {}", t.model.threshold);
        let y: Vec<u8> = parts.train.iter().map(|r| data.y()[*r as usize]).collect();
        let inside = auc(&y, &t.model.predict_proba(data.x(), &parts.train).unwrap());
        let outside = auc(&y, &t.oof);
        assert!(outside > 0.7 && outside < inside + 0.02, "{outside} {inside}");
    }
}

#[test]
fn the_time_limit_keeps_the_best_so_far() {
    let data = noisy(400, 6);
    let parts = parts_of(&data);
    let (journal, control) = Memory::tripping(3, StopReason::TimeLimit);
    let t = train(&data, &parts, &small_boosting(), &journal, &control).unwrap();
    assert!(t.trials >= 3 && t.trials < 14, "{}", t.trials);
    assert!(t.warnings[0].contains("time limit") && t.warnings[0].contains("of 14 candidates"), "{:?}", t.warnings);

    let early = Control::default();
    early.token.trip(StopReason::TimeLimit);
    let none = train(&data, &parts, &small_boosting(), &NoJournal, &early);
    assert!(matches!(none, Err(LearnError::Stopped(StopReason::TimeLimit))));
}

#[test]
fn a_limit_that_was_reached_before_a_resume_keeps_what_was_recorded() {
    let data = noisy(400, 6);
    let parts = parts_of(&data);
    for tuning in [Tuning::GridSearch, Tuning::RandomSearch, Tuning::Bayesian] {
        // Elimination looks at the control before the search begins.
        for feature_selection in [FeatureSelection::Auto, FeatureSelection::Rfe] {
            let spec = TrainSpec { tuning, feature_selection, ..small_boosting() };
            let (journal, control) = Memory::tripping(5, StopReason::Shutdown);
            assert!(train(&data, &parts, &spec, &journal, &control).is_err());
            let journal = journal.untripped();
            let recorded = journal.len();
            let late = Control::default();
            late.token.trip(StopReason::TimeLimit);
            let kept = train(&data, &parts, &spec, &journal, &late).unwrap();
            assert_eq!((journal.len(), kept.trials as usize), (recorded, recorded), "{tuning} {feature_selection}");
            assert!(kept.warnings[0].contains("the time limit ended the search after"), "{:?}", kept.warnings);
            late.token.trip(StopReason::Cancelled);
            let stopped = train(&data, &parts, &spec, &journal, &late);
            assert!(matches!(stopped, Err(LearnError::Stopped(StopReason::Cancelled))));
        }
    }
}

#[test]
fn an_oversized_grid_search_is_refused_before_any_fit() {
    let data = noisy(200, 8);
    let parts = parts_of(&data);
    let names = ["n_estimators", "min_samples_split", "min_samples_leaf"];
    let grid = names.map(|name| (name.to_owned(), (2..2_002).map(serde_json::Value::from).collect())).into();
    let spec = TrainSpec { tuning: Tuning::GridSearch, grid: Some(grid), ..spec(Algorithm::RandomForest) };
    let refused = train(&data, &parts, &spec, &NoJournal, &Control::default());
    assert!(matches!(refused, Err(LearnError::SearchSpace { candidates: 8_000_000_000, .. })));
}

#[test]
fn finishing_fits_the_best_of_the_journal() {
    let data = noisy(400, 7);
    let parts = parts_of(&data);
    let spec = small_boosting();
    let (journal, control) = Memory::tripping(4, StopReason::Cancelled);
    assert!(train(&data, &parts, &spec, &journal, &control).is_err());
    let journal = journal.untripped();
    let before = journal.len();
    let kept = finish(&data, &parts, &spec, &journal, &Control::default()).unwrap();
    assert_eq!((journal.len(), kept.trials as usize), (before, before));
    assert!(kept.warnings[0].contains("was ended"), "{:?}", kept.warnings);
    let nothing = finish(&data, &parts, &spec, &NoJournal, &Control::default()).unwrap_err();
    assert!(nothing.to_string().contains("no trial has finished"));
}

#[test]
fn bad_grids_and_names_are_told_before_any_fit() {
    let data = noisy(200, 8);
    let parts = parts_of(&data);
    let grid = [("max_depth", vec![json!(3), json!(-1)]), ("leafs", vec![json!(1)]), ("subsample", vec![])];
    let grid = grid.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
    let bad = TrainSpec { grid: Some(grid), ..spec(Algorithm::GradientBoosting) };
    let Err(LearnError::Params(faults)) = train(&data, &parts, &bad, &NoJournal, &Control::default()) else { panic!() };
    let pointers: Vec<&str> = faults.0.iter().map(|f| &f.pointer[..]).collect();
    let base = "/grids/gradient_boosting";
    let expected = [format!("{base}/leafs/0"), format!("{base}/max_depth/1"), format!("{base}/subsample")];
    assert_eq!(pointers, expected);
    assert!(faults.0[1].message.contains("-1"), "{faults}");

    let manual = TrainSpec {
        tuning: Tuning::None,
        feature_selection: FeatureSelection::Manual,
        selected_features: Some(vec!["c1".into(), "gpa".into()]),
        ..spec(Algorithm::LogisticRegression)
    };
    let e = train(&data, &parts, &manual, &NoJournal, &Control::default()).unwrap_err().to_string();
    assert!(e.contains("/selected_features/1") && e.contains("\"gpa\" is not a feature"), "{e}");
    let named = TrainSpec { selected_features: Some(vec!["c2".into(), "c0".into()]), ..manual };
    let t = train(&data, &parts, &named, &NoJournal, &Control::default()).unwrap();
    assert_eq!(t.model.columns, vec![2, 0]);

    let e = train(&data, &parts, &spec(Algorithm::Ensemble), &NoJournal, &Control::default()).unwrap_err();
    assert!(e.to_string().contains("combine"), "{e}");
}

/// 40 columns of noise after `informative` ones.
fn wide(n: usize, informative: usize, seed: u64) -> Dataset {
    let mut r = SplitMix64::new(seed);
    let mut columns = vec![Vec::with_capacity(n); informative + 40];
    let mut y = Vec::with_capacity(n);
    for _ in 0..n {
        let row: Vec<f64> = columns.iter().map(|_| r.normal()).collect();
        let z: f64 = row[..informative].iter().sum::<f64>() * 1.2;
        y.push(u8::from(r.unit() < 1.0 / (1.0 + (-z).exp())));
        columns.iter_mut().zip(&row).for_each(|(c, v)| c.push(*v as f32));
    }
    dataset(columns, y)
}

const SELECTIONS: [FeatureSelection; 3] = [FeatureSelection::Rfe, FeatureSelection::Lasso, FeatureSelection::TreeBased];

#[test]
fn selection_sees_nothing_of_the_held_out_rows() {
    for feature_selection in SELECTIONS {
        let spec = TrainSpec { feature_selection, tuning: Tuning::None, ..spec(Algorithm::LogisticRegression) };
        let out_of_fold = |seed| {
            let data = wide(400, 0, seed);
            let parts = parts_of(&data);
            let t = train(&data, &parts, &spec, &NoJournal, &Control::default()).unwrap();
            let y: Vec<u8> = parts.train.iter().map(|r| data.y()[*r as usize]).collect();
            auc(&y, &t.oof)
        };
        // Each has a standard deviation of 0.035; selecting on all rows first would lift the mean to about 0.65.
        let mean = (11..17).map(out_of_fold).sum::<f64>() / 6.0;
        assert!((mean - 0.5).abs() < 0.05, "{feature_selection}: {mean}");
    }
}

#[test]
fn selection_finds_what_matters() {
    let data = wide(600, 3, 12);
    let rows: Vec<u32> = (0..600).collect();
    for kind in SELECTIONS {
        let columns = Selection { kind, features: None, seed: 1 }.columns(&data, &rows, &Control::default()).unwrap();
        assert!([0, 1, 2].iter().all(|c| columns.contains(c)), "{kind}: {columns:?}");
        assert!(columns.len() < 30, "{kind}: {columns:?}");
    }
    let flat = dataset(vec![vec![1.0; 40]], (0..40).map(|i| i % 2).collect());
    let rows: Vec<u32> = (0..40).collect();
    let all = Selection { kind: FeatureSelection::Auto, features: None, seed: 1 };
    let e = all.columns(&flat, &rows, &Control::default()).unwrap_err().to_string();
    assert!(e.contains("no feature varies"), "{e}");
}

#[test]
fn the_ensemble_is_never_below_its_best_member() {
    let data = noisy(600, 9);
    let parts = parts_of(&data);
    let none = |algorithm| TrainSpec { tuning: Tuning::None, ..spec(algorithm) };
    let members: Vec<Trained> = [Algorithm::RandomForest, Algorithm::GradientBoosting, Algorithm::LogisticRegression]
        .iter()
        .map(|a| train(&data, &parts, &none(*a), &NoJournal, &Control::default()).unwrap())
        .collect();
    let members: Vec<&Trained> = members.iter().collect();
    let e = combine(&data, &parts, &spec(Algorithm::Ensemble), &members, &Control::default()).unwrap();
    let y: Vec<u8> = parts.train.iter().map(|r| data.y()[*r as usize]).collect();
    let best = members.iter().map(|m| log_loss(&y, &m.oof)).fold(f64::INFINITY, f64::min);
    assert!(log_loss(&y, &e.oof) <= best, "{} {best}", log_loss(&y, &e.oof));
    assert_eq!((e.cv_scores.len(), e.importance.len(), e.model.algorithm), (4, 6, Algorithm::Ensemble));
    let shares: f64 = e.importance.iter().map(|(_, s)| s).sum();
    assert!((shares - 1.0).abs() < 1e-6, "{shares}");

    let again = combine(&data, &parts, &spec(Algorithm::Ensemble), &members, &Control::default()).unwrap();
    assert_eq!(bytes(&again), bytes(&e));
    let e = combine(&data, &parts, &spec(Algorithm::Ensemble), &[], &Control::default()).unwrap_err();
    assert!(e.to_string().contains("no members"), "{e}");
}

#[test]
fn an_ensemble_is_the_weighted_mean_of_its_members_and_their_fold_models() {
    let data = noisy(600, 9);
    let parts = parts_of(&data);
    let with = |algorithm| TrainSpec { tuning: Tuning::None, early_stopping_rounds: 0, ..spec(algorithm) };
    let of = |algorithms: &[Algorithm]| -> Vec<Trained> {
        algorithms.iter().map(|a| train(&data, &parts, &with(*a), &NoJournal, &Control::default()).unwrap()).collect()
    };
    let combined = |members: &[Trained]| {
        let members: Vec<&Trained> = members.iter().collect();
        let e = combine(&data, &parts, &with(Algorithm::Ensemble), &members, &Control::default()).unwrap();
        (Model::from_bytes(&e.model.to_bytes()).unwrap(), e)
    };
    // One that is not bagged is the model itself.
    let forest = of(&[Algorithm::RandomForest]);
    let (model, _) = combined(&forest);
    let p = model.predict_proba(data.x(), &parts.test).unwrap();
    let alone = forest[0].model.predict_proba(data.x(), &parts.test).unwrap();
    assert!(p.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-12));

    // Weights of several are those that the parameters name.
    let all = of(&[Algorithm::RandomForest, Algorithm::GradientBoosting, Algorithm::LogisticRegression]);
    let (model, e) = combined(&all);
    let Predictor::Ensemble(members) = &model.predictor else { panic!("an ensemble") };
    let held = held_out(&data, &parts, &with(Algorithm::GradientBoosting), &Control::default()).unwrap();
    for entry in e.params["members"].as_array().unwrap() {
        let bagged = entry["algorithm"] == "gradient_boosting";
        let share = entry["weight"].as_f64().unwrap() / if bagged { (1 + held.len()) as f64 } else { 1.0 };
        let times = members.iter().filter(|m| (m.weight - share).abs() < 1e-12).count();
        assert!(times >= if bagged { 1 + held.len() } else { 1 }, "{entry}");
    }
    // And its prediction is their weighted mean, after a round trip too.
    let mut mean = vec![0.0; parts.test.len()];
    for entry in e.params["members"].as_array().unwrap() {
        let member = all.iter().find(|m| m.model.algorithm.as_str() == entry["algorithm"]).unwrap();
        let (alone, _) = combined(std::slice::from_ref(member));
        for (mean, p) in mean.iter_mut().zip(alone.predict_proba(data.x(), &parts.test).unwrap()) {
            *mean += entry["weight"].as_f64().unwrap() * p;
        }
    }
    let p = model.predict_proba(data.x(), &parts.test).unwrap();
    assert!(p.iter().zip(&mean).all(|(p, m)| (p - m).abs() < 1e-9));
}

#[test]
fn out_of_fold_predictions_are_those_of_the_bagged_models_and_of_fits_as_long_as_the_final_one() {
    let data = noisy(600, 9);
    let parts = parts_of(&data);
    for algorithm in [Algorithm::GradientBoosting, Algorithm::Xgboost, Algorithm::NeuralNetwork] {
        let length = |early_stopping_rounds| {
            let spec = TrainSpec { tuning: Tuning::None, early_stopping_rounds, ..spec(algorithm) };
            let member = train(&data, &parts, &spec, &NoJournal, &Control::default()).unwrap();
            let bag = combine(&data, &parts, &spec, &[&member], &Control::default()).unwrap().model;
            let Predictor::Ensemble(members) = &bag.predictor else { panic!("an ensemble") };
            let held = held_out(&data, &parts, &spec, &Control::default()).unwrap();
            assert_eq!(members.len(), 1 + held.len());
            for (fold, held) in members[1..].iter().zip(&held) {
                assert_eq!((fold.weight, &fold.calibration), (1.0 / members.len() as f64, &member.model.calibration));
                let columns: Vec<usize> = fold.columns.iter().map(|c| bag.columns[*c as usize] as usize).collect();
                for (row, p) in held.iter().zip(fold.predictor.predict(data.x(), &columns, held)) {
                    let at = parts.train.binary_search(row).unwrap();
                    assert_eq!(fold.calibration.apply(p), member.oof[at], "{algorithm}, row {row}");
                }
            }
            (member.iterations, member.params)
        };
        let ((whole, given), (stopped, same)) = (length(0), length(5));
        assert!(0 < stopped && stopped < whole && given == same, "{algorithm}: {whole}, {stopped}");
    }
}

#[test]
fn a_grouped_split_gives_grouped_folds() {
    let data = noisy(400, 10);
    let applicants: Vec<u64> = (0..400u64).map(|i| mix(i / 4)).collect();
    let (ids, years): (Vec<u128>, Vec<i32>) = ((0..400).collect(), vec![2020; 400]);
    let rows = SplitRows { labels: data.y(), applicants: &applicants, row_ids: &ids, years: &years };
    let parts = split(&rows, SplitKind::Grouped, 0.15, 0.15, 1, 42).unwrap();
    let spec = TrainSpec { tuning: Tuning::None, ..spec(Algorithm::LogisticRegression) };
    for held in held_out(&data, &parts, &spec, &Control::default()).unwrap() {
        let rest = without(&parts.train, &held);
        assert!(held.iter().all(|h| rest.iter().all(|r| applicants[*r as usize] != applicants[*h as usize])));
    }
    train(&data, &parts, &spec, &NoJournal, &Control::default()).unwrap();
}

/// `noisy` rows over four years; in the last one the labels follow the features less.
fn over_years(n: usize, seed: u64) -> (Dataset, Parts) {
    let (data, mut r) = (noisy(n, seed), SplitMix64::new(seed));
    let years: Vec<i32> = (0..n).map(|i| if i % 9 == 0 { i32::MIN } else { 2013 + (i % 4) as i32 }).collect();
    let y = data.y().iter().zip(&years).map(|(y, year)| if *year == 2016 && r.unit() < 0.3 { 1 - y } else { *y });
    let data = Dataset::new(data.x().clone(), y.collect()).unwrap();
    let ids: Vec<u128> = (0..n as u128).map(|i| i * 0x9E37_79B9_7F4A_7C15).collect();
    let applicants: Vec<u64> = (0..n as u64).map(mix).collect();
    let rows = SplitRows { labels: data.y(), applicants: &applicants, row_ids: &ids, years: &years };
    let parts = split(&rows, SplitKind::Random, 0.15, 0.15, 1, 42).unwrap();
    let latest = parts.latest.clone().unwrap();
    assert_eq!((latest.from, latest.last.iter().all(|r| years[*r as usize] == 2016)), (2016, true));
    (data, parts)
}

const BASE: [Algorithm; 5] = [
    Algorithm::RandomForest,
    Algorithm::Xgboost,
    Algorithm::GradientBoosting,
    Algorithm::LogisticRegression,
    Algorithm::NeuralNetwork,
];

#[test]
fn the_last_year_is_foretold_without_a_trace_in_the_model() {
    let (data, parts) = over_years(2_600, 14);
    let without = Parts { latest: None, ..parts.clone() };
    let latest = parts.latest.as_ref().unwrap();
    for algorithm in BASE {
        let spec = TrainSpec { tuning: Tuning::None, ..spec(algorithm) };
        let run = |parts: &Parts| train(&data, parts, &spec, &NoJournal, &Control::default()).unwrap();
        let (with, plain) = (run(&parts), run(&without));
        assert_eq!(plain.temporal, None);
        assert_eq!(bytes(&Trained { temporal: None, ..with.clone() }), bytes(&plain), "{algorithm}");
        let t = with.temporal.clone().unwrap();
        assert_eq!((&t.rows, t.p.len(), t.figures.year), (&latest.last, latest.last.len(), 2016));
        let y: Vec<u8> = t.rows.iter().map(|r| data.y()[*r as usize]).collect();
        assert!(
            (t.figures.auc - auc(&y, &t.p)).abs() < 1e-12 && (t.figures.log_loss - log_loss(&y, &t.p)).abs() < 1e-12
        );
        // Noise that the fit has seen, it would have learnt in part.
        let oof: Vec<u8> = parts.train.iter().map(|r| data.y()[*r as usize]).collect();
        assert!(t.figures.auc < auc(&oof, &with.oof) - 0.03, "{algorithm}: {:?}", t.figures);
        // Background rows have missing values, which are not equal to themselves; bytes are.
        assert_eq!(bytes(&Trained::from_bytes(&with.to_bytes()).unwrap()), bytes(&with));
        assert_eq!(bytes(&on_threads(3, || run(&parts))), bytes(&with), "{algorithm}");
    }
}

#[test]
fn the_reference_knows_nothing_of_the_last_year() {
    let (data, parts) = over_years(2_600, 15);
    let latest = parts.latest.as_ref().unwrap();
    // Labels of the last year turned round, validation and test rows included: its probabilities stay.
    let seen = |r: &u32| latest.earlier.binary_search(r).is_ok() || latest.earlier_validation.binary_search(r).is_ok();
    let y = (0..2_600u32).map(|r| data.y()[r as usize] ^ u8::from(!seen(&r)));
    let turned = Dataset::new(data.x().clone(), y.collect()).unwrap();
    let params = Params::from_iter([("n_estimators".to_owned(), json!(30))]);
    for algorithm in [Algorithm::GradientBoosting, Algorithm::Xgboost] {
        let predict = |data: &Dataset| {
            let spec = TrainSpec { tuning: Tuning::None, ..spec(algorithm) };
            let control = Control::default();
            let unit = Unit::new(learner(algorithm).unwrap(), data, &parts, &spec, &control).unwrap();
            let params = unit.learner.check(&params).unwrap();
            // Out-of-fold predictions enter through the calibration; here they are the same.
            let raw: Vec<f64> = (0..parts.train.len()).map(|i| (i % 97) as f64 / 97.0).collect();
            let y: Vec<u8> = parts.train.iter().map(|r| data.y()[*r as usize]).collect();
            unit.temporal(&params, &raw, &y, &Meter::new(&control, 1), &control).unwrap().unwrap()
        };
        let (one, other) = (predict(&data), predict(&turned));
        assert_eq!(one.p, other.p, "{algorithm}");
        assert!((one.figures.auc + other.figures.auc - 1.0).abs() < 1e-9, "{algorithm}");
    }
}

#[test]
fn the_ensembles_reference_is_its_members_weighted_mean() {
    let (data, parts) = over_years(2_600, 16);
    let none = |algorithm| TrainSpec { tuning: Tuning::None, ..spec(algorithm) };
    let mut members: Vec<Trained> = [Algorithm::Xgboost, Algorithm::LogisticRegression]
        .iter()
        .map(|a| train(&data, &parts, &none(*a), &NoJournal, &Control::default()).unwrap())
        .collect();
    let combined = |members: &[Trained]| {
        let members: Vec<&Trained> = members.iter().collect();
        combine(&data, &parts, &spec(Algorithm::Ensemble), &members, &Control::default()).unwrap()
    };
    let e = combined(&members);
    let t = e.temporal.as_ref().unwrap();
    let listed = e.params["members"].as_array().unwrap();
    assert_eq!(listed.len(), 2, "{listed:?}");
    for (at, p) in t.p.iter().enumerate() {
        let mean: f64 = members
            .iter()
            .zip(listed)
            .map(|(m, l)| m.temporal.as_ref().unwrap().p[at] * l["weight"].as_f64().unwrap())
            .sum();
        assert!((p - mean).abs() < 1e-12);
    }
    let y: Vec<u8> = t.rows.iter().map(|r| data.y()[*r as usize]).collect();
    assert!((t.figures.auc - auc(&y, &t.p)).abs() < 1e-12);
    // Members kept before the upgrade have no reference, and then the ensemble has none.
    let old = Trained::from_bytes(&crate::trained::as_version_1(&members[0].to_bytes())).unwrap();
    assert_eq!(bytes(&old), bytes(&Trained { temporal: None, ..members[0].clone() }));
    members[0] = old;
    let e = combined(&members);
    assert_eq!(e.temporal, None);
    assert_eq!(bytes(&Trained::from_bytes(&e.to_bytes()).unwrap()), bytes(&e));
}

#[test]
fn a_cancelled_reference_stops_and_a_time_limit_does_not() {
    let (data, parts) = over_years(2_600, 17);
    let spec = TrainSpec { tuning: Tuning::None, ..spec(Algorithm::GradientBoosting) };
    let fits = u64::from(spec.folds) + 2;
    for (reason, stops) in [(StopReason::Cancelled, true), (StopReason::Shutdown, true), (StopReason::TimeLimit, false)]
    {
        let token = provost_predict::control::Token::default();
        let (tripped, seen) = (token.clone(), std::sync::Arc::new(Mutex::new(Vec::new())));
        let sink = seen.clone();
        // All but the reference is done.
        let on_progress = move |p: provost_predict::control::Progress| {
            sink.lock().unwrap().push(p);
            if p.done * fits > p.of * (fits - 1) {
                tripped.trip(reason);
            }
        };
        let control = Control { token, on_progress: Some(std::sync::Arc::new(on_progress)) };
        let end = train(&data, &parts, &spec, &NoJournal, &control);
        let last = *seen.lock().unwrap().last().unwrap();
        if stops {
            assert!(matches!(end, Err(LearnError::Stopped(r)) if r == reason), "{end:?}");
            assert!(last.done < last.of, "{last:?}");
        } else {
            assert!(end.unwrap().temporal.is_some());
            assert_eq!(last.done, last.of);
        }
    }
}
