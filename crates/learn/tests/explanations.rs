//! Explanations of trained models against the definition: the mean over all orders of the groups of what each adds when it joins
//! (Shapley 1953), every coalition predicted by the model itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use provost_domain::config::{FeatureSelection, Pruning, SplitKind, Tuning};
use provost_domain::rng::SplitMix64;
use provost_domain::{Algorithm, TargetMetric};
use provost_learn::ensemble::combine;
use provost_learn::split::{Parts, SplitRows, split};
use provost_learn::train::{NoJournal, TrainSpec, train};
use provost_learn::{Control, Dataset, Matrix, Model, Trained};
use provost_predict::groups::Group;
use provost_predict::shapley::shares;

const NAMES: [&str; 7] = [
    "gpa_normalized",
    "gre_quant_percentile",
    "research_score",
    "undergrad_prestige",
    "application_year",
    "university",
    "university_program",
];

/// Universities of different standards over some years; some values are missing.
fn applications(rows: usize, names: &[&str]) -> Dataset {
    let mut r = SplitMix64::new(17);
    let mut columns = vec![Vec::new(); NAMES.len()];
    let mut y = Vec::new();
    for _ in 0..rows {
        let (gpa, quant, university) = (r.unit(), r.unit(), r.below(6));
        let z = 4.0 * gpa + 2.0 * quant - 3.0 + 1.5 * (f64::from(university) / 5.0 - 0.5) * (2.0 * gpa - 1.0);
        y.push(u8::from(r.unit() < 1.0 / (1.0 + (-z).exp())));
        let research = r.unit() as f32;
        let prestige = [0.2, 0.5, 1.0][r.below(3) as usize];
        let year = 2010.0 + r.below(5) as f32;
        let row = [gpa as f32, (100.0 * quant) as f32, research, prestige, year, 100.0 + university as f32];
        let program = 1000.0 + (university * 3 + r.below(3)) as f32;
        for (column, v) in columns.iter_mut().zip(row.into_iter().chain([program])) {
            column.push(if r.unit() < 0.08 { f32::NAN } else { v });
        }
    }
    let kept: Vec<usize> = names.iter().map(|n| NAMES.iter().position(|m| m == n).unwrap()).collect();
    let columns = kept.iter().map(|c| columns[*c].clone()).collect();
    Dataset::new(Matrix::new(names.iter().map(|n| (*n).to_owned()).collect(), columns).unwrap(), y).unwrap()
}

fn spec(algorithm: Algorithm) -> TrainSpec {
    TrainSpec {
        algorithm,
        tuning: Tuning::None,
        iterations: 1,
        folds: 3,
        metric: TargetMetric::F1Score,
        seed: 5,
        feature_selection: FeatureSelection::Auto,
        selected_features: None,
        scale: true,
        early_stopping_rounds: 5,
        pruning: Pruning::None,
        grid: None,
    }
}

fn parts(data: &Dataset) -> Parts {
    let n = data.rows();
    let ids: Vec<u128> = (0..n as u128).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
    let applicants: Vec<u64> = (0..n as u64).collect();
    let rows = SplitRows { labels: data.y(), applicants: &applicants, row_ids: &ids, years: &vec![2012; n] };
    split(&rows, SplitKind::Random, 0.15, 0.15, 1, 42).unwrap()
}

/// The six algorithms, trained on the same rows.
fn trained(data: &Dataset) -> Vec<Trained> {
    let (parts, control) = (parts(data), Control::default());
    let single = [
        Algorithm::LogisticRegression,
        Algorithm::RandomForest,
        Algorithm::GradientBoosting,
        Algorithm::NeuralNetwork,
        Algorithm::Xgboost,
    ];
    let mut all: Vec<Trained> =
        single.iter().map(|a| train(data, &parts, &spec(*a), &NoJournal, &control).unwrap()).collect();
    let members: Vec<&Trained> = all.iter().collect();
    let ensemble = combine(data, &parts, &spec(Algorithm::Ensemble), &members, &control).unwrap();
    all.push(ensemble);
    all
}

fn predict(model: &Model, rows: &[Vec<f32>]) -> Vec<f64> {
    let columns = (0..model.feature_names.len()).map(|c| rows.iter().map(|row| row[c]).collect()).collect();
    let x = Matrix::new(model.feature_names.clone(), columns).unwrap();
    model.predict_proba(&x, &(0..rows.len() as u32).collect::<Vec<_>>()).unwrap()
}

/// All orders of `0..n`.
fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(n - 1);
    shorter.iter().flat_map(|o| (0..n).map(move |at| [&o[..at], &[n - 1], &o[at..]].concat())).collect()
}

/// By the definition.
fn by_orders(model: &Model, x: &[f32], background: &[Vec<f32>], groups: &[Group]) -> Vec<f64> {
    let n = groups.len();
    let coalition = |s: usize, other: &Vec<f32>| {
        let mut row = other.clone();
        let joined = (0..n).filter(|g| s >> g & 1 == 1);
        joined.flat_map(|g| &groups[g].columns).for_each(|c| row[*c] = x[*c]);
        row
    };
    let worth: Vec<f64> = (0..1usize << n)
        .map(|s| {
            let rows: Vec<Vec<f32>> = background.iter().map(|other| coalition(s, other)).collect();
            predict(model, &rows).iter().sum::<f64>() / rows.len() as f64
        })
        .collect();
    let orders = orders(n);
    let mut shares = vec![0.0; n];
    for order in &orders {
        let mut s = 0;
        for g in order {
            shares[*g] += (worth[s | 1 << g] - worth[s]) / orders.len() as f64;
            s |= 1 << g;
        }
    }
    shares
}

fn close_to_the_definition(names: &[&str], groups: &[&[usize]]) {
    let data = applications(700, names);
    let groups: Vec<Group> =
        groups.iter().map(|columns| Group { name: String::new(), columns: columns.to_vec() }).collect();
    for trained in trained(&data) {
        let model = &trained.model;
        let evidence = model.evidence.as_ref().unwrap();
        assert_eq!(evidence.background.len(), 100, "{}", model.algorithm);
        let background: Vec<Vec<f32>> = evidence.background[..7].to_vec();
        let theirs = predict(model, &background);
        let with: Vec<(&[f32], f64)> = background.iter().map(Vec::as_slice).zip(theirs.iter().copied()).collect();
        for row in [3, 40, 41, 99] {
            let x: Vec<f32> = (0..names.len()).map(|c| data.x().value(row, c)).collect();
            let p = predict(model, std::slice::from_ref(&x))[0];
            let found = shares(model, &x, p, &with, &groups);
            assert!(
                (found.base + found.contributions.iter().sum::<f64>() - p).abs() < 1e-9,
                "{}: {found:?} for {p}",
                model.algorithm
            );
            let expected = by_orders(model, &x, &background, &groups);
            // The library's sums, and the network's, are of f32.
            let exact = matches!(
                model.algorithm,
                Algorithm::LogisticRegression | Algorithm::RandomForest | Algorithm::GradientBoosting
            );
            let most = if exact { 1e-9 } else { 2e-6 };
            let worst = found.contributions.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < most, "{} row {row}: {worst:e}, {found:?} for {expected:?}", model.algorithm);
        }
    }
}

#[test]
fn shares_of_numbers_are_those_of_the_definition_for_all_six_algorithms() {
    close_to_the_definition(&NAMES[..5], &[&[0], &[1], &[2], &[3], &[4]]);
}

#[test]
fn shares_of_encoded_categories_and_of_grouped_features_are_those_of_the_definition() {
    close_to_the_definition(&NAMES, &[&[0], &[1, 2], &[3], &[4], &[5, 6]]);
    close_to_the_definition(&NAMES, &[&[4], &[0], &[5], &[1, 6], &[2, 3]]);
}

#[test]
fn the_same_training_keeps_the_same_evidence_and_none_of_its_rows_is_an_applicants() {
    let data = applications(400, &NAMES);
    let parts = parts(&data);
    let one = |seed| {
        let spec = TrainSpec { seed, ..spec(Algorithm::LogisticRegression) };
        train(&data, &parts, &spec, &NoJournal, &Control::default()).unwrap().model
    };
    let model = one(5);
    assert_eq!(model.to_bytes(), one(5).to_bytes());
    assert_eq!(Model::from_bytes(&model.to_bytes()).unwrap().to_bytes(), model.to_bytes());
    let evidence = model.evidence.as_ref().unwrap();
    assert_ne!(evidence.background, one(6).evidence.as_ref().unwrap().background);
    let bits = |v: f32| if v.is_nan() { u32::MAX } else { v.to_bits() };
    for row in &evidence.background {
        let is = |r: usize| (0..NAMES.len()).all(|c| bits(data.x().value(r, c)) == bits(row[c]));
        assert!(!(0..data.rows()).any(is), "{row:?}");
    }
}

/// `cargo test -p provost-learn --test explanations -- --ignored --nocapture`
#[test]
#[ignore = "prints how long answers take; not a bar"]
fn how_long_answers_take() {
    use provost_domain::features::{FEATURES, FeatureTables};
    use provost_predict::application::Application;
    use provost_predict::serving::{DEFAULT_CHANGEABLE, DEFAULT_COVERAGE, ServingModel};
    use std::time::Instant;
    let mut r = SplitMix64::new(3);
    let mut columns = vec![Vec::new(); 12];
    let mut y = Vec::new();
    for _ in 0..3_000 {
        let row: Vec<f64> = (0..12).map(|_| r.unit()).collect();
        y.push(u8::from(r.unit() < 1.0 / (1.0 + (-6.0 * (row[0] * row[2] + row[5] * 0.3 - 0.4)).exp())));
        let scale = |at: usize| if (1..5).contains(&at) { 100.0 } else { 1.0 };
        columns.iter_mut().enumerate().for_each(|(at, column)| column.push((row[at] * scale(at)) as f32));
    }
    let data = Dataset::new(Matrix::new(FEATURES.map(str::to_owned).to_vec(), columns).unwrap(), y).unwrap();
    let application = |gpa: f64| {
        let value = serde_json::json!({"profile": {"gpa": gpa, "research_publications": 2, "test_scores": [
            {"test_type": "gre", "quantitative_score": 158.0, "verbal_score": 150.0}]}, "program": {"acceptance_rate": 0.3}});
        Application::from_value(value).unwrap()
    };
    let grid = |words: &[(&str, u64)]| {
        let list = |(name, n): &(&str, u64)| ((*name).to_owned(), vec![serde_json::json!(n)]);
        Some(words.iter().map(list).collect())
    };
    let parts = parts(&data);
    let boosted = TrainSpec {
        tuning: Tuning::GridSearch,
        grid: grid(&[("n_estimators", 300), ("max_depth", 5)]),
        early_stopping_rounds: 0,
        ..spec(Algorithm::GradientBoosting)
    };
    let mut models = vec![train(&data, &parts, &boosted, &NoJournal, &Control::default()).unwrap()];
    models.extend(trained(&data));
    for trained in models {
        let serving = ServingModel::new(trained.model, FeatureTables::default()).unwrap();
        let rows: Vec<Application> = (0..1_000).map(|i| application(2.0 + f64::from(i) / 500.0)).collect();
        let time = |times: usize, work: &dyn Fn(usize)| {
            let started = Instant::now();
            (0..times).for_each(work);
            started.elapsed().as_secs_f64() / times as f64
        };
        let one = time(1_000, &|i| drop(serving.predict(std::slice::from_ref(&rows[i]), DEFAULT_COVERAGE)));
        let batch = time(20, &|_| drop(serving.predict(&rows, DEFAULT_COVERAGE))) / 1_000.0;
        let explained = time(5, &|i| drop(serving.explain(&rows[i * 100]).unwrap()));
        let changed = time(5, &|i| drop(serving.counterfactual(&rows[i], &DEFAULT_CHANGEABLE)));
        println!(
            "{}: one row {:.1} µs, of a batch {:.2} µs, explained {:.2} ms, counterfactual {:.2} ms",
            serving.algorithm(),
            one * 1e6,
            batch * 1e6,
            explained * 1e3,
            changed * 1e3
        );
    }
}
