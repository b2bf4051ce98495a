//! What every learner promises, checked for each of the five by the same tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::dataset::Dataset;
use crate::error::LearnError;
use crate::learner::{Fit, FitTask, Learner};
use crate::learners::learner;
use crate::metrics::auc;
use crate::params::{CheckedParams, Params};
use crate::testing::dataset;
use provost_domain::features::{CATEGORY_RULE, FeatureTables, is_category};
use provost_domain::model::ImportanceKind;
use provost_domain::rng::SplitMix64;
use provost_domain::{Algorithm, sample};
use provost_predict::artifact::seal;
use provost_predict::calibration::Calibration;
use provost_predict::control::StopReason;
use provost_predict::control::Token;
use provost_predict::control::{Control, Progress};
use provost_predict::error::PredictError;
use provost_predict::matrix::Matrix;
use provost_predict::model::{FORMAT, Model};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Defaults with the work cut down and with all the randomness that the algorithm has.
fn small(algorithm: Algorithm) -> Value {
    match algorithm {
        Algorithm::RandomForest => json!({"n_estimators": 20}),
        Algorithm::GradientBoosting => json!({"n_estimators": 20, "subsample": 0.7}),
        Algorithm::Xgboost => json!({"n_estimators": 20, "subsample": 0.7, "colsample_bytree": 0.7}),
        Algorithm::NeuralNetwork => json!({"max_iter": 12, "hidden_layer_sizes": [20]}),
        _ => json!({}),
    }
}

/// A network needs its epochs where rows are few.
fn enough(algorithm: Algorithm) -> Value {
    if algorithm == Algorithm::NeuralNetwork { json!({"max_iter": 200}) } else { json!({}) }
}

/// One learner with what to fit it on; tests change the fields they are about.
struct Case {
    learner: &'static dyn Learner,
    data: Dataset,
    columns: Vec<usize>,
    train: Vec<u32>,
    validation: Vec<u32>,
    params: CheckedParams,
    seed: u64,
    rounds: u32,
}

impl Case {
    fn new(algorithm: Algorithm, data: Dataset) -> Self {
        let learner = learner(algorithm).unwrap();
        assert_eq!(learner.algorithm(), algorithm);
        let params = learner.check(small(algorithm).as_object().unwrap()).unwrap();
        let columns = (0..data.x().width()).collect();
        let train = (0..data.rows() as u32).collect();
        Self { learner, data, columns, train, validation: Vec::new(), params, seed: 42, rounds: 0 }
    }

    fn with(mut self, given: Value) -> Self {
        let mut params = Params::clone(&self.params);
        for (name, value) in given.as_object().unwrap() {
            params.insert(name.clone(), value.clone());
        }
        self.params = self.learner.check(&params).unwrap();
        self
    }

    fn fit_under(&self, control: &Control) -> Result<Fit, LearnError> {
        let task = FitTask {
            validation: &self.validation,
            seed: self.seed,
            early_stopping_rounds: self.rounds,
            scale: true,
            ..FitTask::new(&self.data, &self.columns, &self.train, &self.params)
        };
        self.learner.fit(&task, control)
    }

    fn fit(&self) -> Fit {
        self.fit_under(&Control::default()).unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        self.model(self.fit()).to_bytes()
    }

    fn model(&self, fit: Fit) -> Model {
        Model {
            algorithm: self.learner.algorithm(),
            feature_names: self.data.x().names().to_vec(),
            columns: self.columns.iter().map(|c| *c as u32).collect(),
            predictor: fit.predictor,
            calibration: Calibration::Platt { a: 1.1, b: -0.1 },
            threshold: 0.4,
            category_rule: CATEGORY_RULE,
            evidence: None,
        }
    }

    /// Of all rows.
    fn predict(&self, fit: &Fit) -> Vec<f64> {
        let rows: Vec<u32> = (0..self.data.rows() as u32).collect();
        let p = fit.predictor.predict(self.data.x(), &self.columns, &rows);
        assert!(p.iter().all(|p| (0.0..=1.0).contains(p)), "{:?}", p.iter().find(|p| !(0.0..=1.0).contains(*p)));
        p
    }
}

/// Three columns that matter, one of them with missing values that matter too, and one that does not.
fn learnable(rows: usize, seed: u64) -> Dataset {
    let mut r = SplitMix64::new(seed);
    let (mut columns, mut y) = (vec![Vec::new(); 4], Vec::new());
    for _ in 0..rows {
        let [a, b, c, d] = [r.normal(), r.normal(), r.unit(), r.normal()];
        let missing = r.unit() < 0.15;
        let z = 2.0 * a - 1.5 * b + if missing { 1.0 } else { 3.0 * c - 1.5 };
        y.push(u8::from(r.unit() < 1.0 / (1.0 + (-z).exp())));
        for (column, v) in columns.iter_mut().zip([a, b, if missing { f64::NAN } else { c }, d]) {
            column.push(v as f32);
        }
    }
    dataset(columns, y)
}

/// Labels that nothing explains.
fn noise(rows: usize) -> Dataset {
    let mut r = SplitMix64::new(77);
    let columns = (0..5).map(|_| (0..rows).map(|_| r.normal() as f32).collect()).collect();
    dataset(columns, (0..rows).map(|_| u8::from(r.unit() < 0.4)).collect())
}

fn same_bytes_at_any_number_of_threads(algorithm: Algorithm) {
    let mut case = Case::new(algorithm, learnable(9_000, 1));
    case.train = (0..8_000).collect();
    case.validation = (8_000..9_000).collect();
    case.rounds = 5;
    let bytes: Vec<Vec<u8>> = [1, 2, 3]
        .into_iter()
        .map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(|| case.bytes()))
        .collect();
    assert!(bytes[0] == bytes[1], "1 and 2 threads");
    assert!(bytes[0] == bytes[2], "1 and 3 threads");
}

fn the_seed_decides(algorithm: Algorithm) {
    let mut case = Case::new(algorithm, learnable(800, 2));
    let first = case.bytes();
    assert!(first == case.bytes(), "same seed, other bytes");
    case.seed = 43;
    let random = algorithm != Algorithm::LogisticRegression;
    assert_eq!(first != case.bytes(), random, "other seed");
}

fn missing_constant_and_empty_columns(algorithm: Algorithm) {
    let mut r = SplitMix64::new(4);
    let n = 600;
    let useful: Vec<f32> = (0..n).map(|i| if i % 5 == 0 { f32::NAN } else { r.normal() as f32 }).collect();
    let y = useful.iter().map(|v| u8::from(if v.is_nan() { true } else { *v > 0.5 })).collect();
    let late: Vec<f32> = (0..n).map(|i| if i < 500 { f32::NAN } else { 1e30 }).collect();
    let edge: Vec<f32> = (0..n).map(|i| if i % 97 == 0 { 3.4e38 } else { -1e-40 }).collect();
    let columns = vec![vec![f32::NAN; n], vec![2.5; n], useful, late, edge];
    let mut case = Case::new(algorithm, dataset(columns, y)).with(enough(algorithm));
    // The fourth column has values only beyond the training rows.
    case.train = (0..500).collect();
    let fit = case.fit();
    let p = case.predict(&fit);
    assert!(auc(case.data.y(), &p) > 0.9, "{}", auc(case.data.y(), &p));
    if let Some(importance) = fit.importance {
        assert!(importance[0] == 0.0 && importance[1] == 0.0 && importance[3] == 0.0, "{importance:?}");
        assert!(importance[2] > 0.5, "{importance:?}");
    }
    case.columns = vec![0, 1];
    let flat = case.predict(&case.fit());
    assert!(flat.iter().all(|p| (p - flat[0]).abs() < 1e-6), "columns that say nothing");
    case.columns = vec![];
    let none = case.predict(&case.fit());
    assert!(none.iter().all(|p| (p - none[0]).abs() < 1e-6), "no columns");
}

fn one_class_is_named(algorithm: Algorithm) {
    for class in [0, 1] {
        let case = Case::new(algorithm, dataset(vec![vec![1.0, 2.0, 3.0]], vec![class; 3]));
        let error = case.fit_under(&Control::default()).unwrap_err();
        assert!(matches!(error, LearnError::Data(_)), "{error:?}");
        assert!(error.to_string().contains(&format!("class {class}")), "{error}");
    }
    let mut case = Case::new(algorithm, learnable(20, 1));
    case.train = vec![];
    assert!(matches!(case.fit_under(&Control::default()), Err(LearnError::Data(_))));
}

fn few_and_equal_rows(algorithm: Algorithm) {
    let five = dataset(vec![vec![1.0, 2.0, f32::NAN, 4.0, 5.0]], vec![0, 0, 1, 1, 1]);
    let mut case = Case::new(algorithm, five);
    case.predict(&case.fit());
    case.validation = vec![0];
    case.rounds = 1;
    case.predict(&case.fit());
    let equal = dataset(vec![vec![3.0; 400], vec![-1.0; 400]], (0..400).map(|i| u8::from(i % 4 == 0)).collect());
    let case = Case::new(algorithm, equal).with(enough(algorithm));
    let p = case.predict(&case.fit());
    assert!(p.iter().all(|p| (p - 0.25).abs() < 0.05), "{}", p[0]);
}

/// Two numbers and two categories, one of them missing throughout.
fn with_categories(rows: usize) -> Dataset {
    let mut r = SplitMix64::new(21);
    let number: Vec<f32> = (0..rows).map(|_| r.normal() as f32).collect();
    let university: Vec<f32> = (0..rows).map(|i| if i % 7 == 0 { f32::NAN } else { r.below(5) as f32 }).collect();
    let y = (0..rows).map(|i| u8::from(number[i] + university[i].max(0.0) / 4.0 > 0.4)).collect();
    let names = ["gpa_normalized", "university", "university_program", "year"].map(String::from).to_vec();
    assert!(is_category(&names[1]) && is_category(&names[2]) && !is_category(&names[0]));
    let columns = vec![number, university, vec![f32::NAN; rows], (0..rows).map(|i| 2010.0 + (i % 5) as f32).collect()];
    Dataset::new(Matrix::new(names, columns).unwrap(), y).unwrap()
}

/// Whatever was fitted predicts a batch without rows, of one row, and of rows in which everything is missing.
fn any_batch_is_predicted(algorithm: Algorithm) {
    for data in [learnable(120, 13), with_categories(120)] {
        let names = data.x().names().to_vec();
        let nothing = Matrix::new(names.clone(), vec![vec![f32::NAN; 3]; names.len()]).unwrap();
        let empty = Matrix::new(names.clone(), vec![vec![]; names.len()]).unwrap();
        let mut case = Case::new(algorithm, data);
        for columns in [(0..names.len()).collect::<Vec<usize>>(), vec![1], vec![2], vec![]] {
            case.columns = columns;
            let predictor = case.fit().predictor;
            let predict = |x: &Matrix, rows: &[u32]| predictor.predict(x, &case.columns, rows);
            assert!(predict(case.data.x(), &[]).is_empty() && predict(&empty, &[]).is_empty());
            let (one, all) = (predict(case.data.x(), &[7]), predict(case.data.x(), &[3, 7, 9]));
            assert!(one.len() == 1 && (one[0] - all[1]).abs() < 1e-6, "{one:?} {all:?}");
            let missing = predict(&nothing, &[0, 1, 2]);
            assert!(missing.len() == 3 && missing.iter().all(|p| (0.0..=1.0).contains(p)), "{missing:?}");
            let model = case.model(case.fit());
            assert!(model.predict_proba(&empty, &[]).unwrap().is_empty());
        }
    }
}

/// Members of a family may be grown together: the same cases, for the rows to predict, the columns and the validation
/// rows.
fn families_take_any_batch(algorithm: Algorithm) {
    for data in [learnable(120, 14), with_categories(120)] {
        let width = data.x().width();
        let mut case = Case::new(algorithm, data);
        case.train = (0..90).collect();
        let accepted: Vec<u32> = (90..120).filter(|r| case.data.y()[*r as usize] == 1).collect();
        for columns in [(0..width).collect::<Vec<usize>>(), vec![1], vec![]] {
            for validation in [vec![], vec![95], accepted.clone()] {
                case.columns = columns.clone();
                case.validation = validation;
                case.rounds = 2;
                let shared = crate::shared::Shared::default();
                let task = FitTask {
                    validation: &case.validation,
                    seed: 1,
                    early_stopping_rounds: case.rounds,
                    scale: true,
                    shared: Some(&shared),
                    ..FitTask::new(&case.data, &case.columns, &case.train, &case.params)
                };
                let grow = |members: &[&CheckedParams], rows: &[u32]| {
                    case.learner.fit_family(&task, members, rows, &Control::default()).unwrap()
                };
                assert!(grow(&[], &[]).is_empty() && grow(&[], &[100]).is_empty());
                for rows in [vec![], vec![100], vec![100, 101, 119]] {
                    let of_members = grow(&[&case.params, &case.params], &rows);
                    assert!(of_members.len() == 2 && of_members.iter().all(|p| p.len() == rows.len()));
                    assert!(of_members.iter().flatten().all(|p| (0.0..=1.0).contains(p)), "{of_members:?}");
                }
            }
        }
    }
}

/// One row, one class, no rows, no values: an error that says so, or a model that says the same of everything.
fn too_little_is_an_error_or_a_flat_model(algorithm: Algorithm) {
    let data_error = |case: &Case, expected: &str| match case.fit_under(&Control::default()) {
        Err(LearnError::Data(why)) => assert!(why.contains(expected), "{why}"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("{expected}: a model came of it"),
    };
    for data in [learnable(60, 15), with_categories(60)] {
        let width = data.x().width();
        let mut case = Case::new(algorithm, data);
        case.train = vec![];
        data_error(&case, "no training rows");
        case.columns = vec![];
        data_error(&case, "no training rows");
        case.columns = (0..width).collect();
        case.train = vec![5];
        data_error(&case, "all 1 training rows are of class");
        case.train = (0..60).filter(|r| case.data.y()[*r as usize] == 1).collect();
        data_error(&case, "training rows are of class 1");
        let rejected = (0..60).find(|r| case.data.y()[*r as usize] == 0).unwrap();
        case.train = vec![case.train[0], rejected];
        case.predict(&case.fit());
    }
    let none = Case::new(algorithm, dataset(vec![vec![], vec![]], vec![]));
    data_error(&none, "no training rows");
    let (names, y) =
        (["university", "c1"].map(String::from).to_vec(), (0..400).map(|i| u8::from(i % 4 == 0)).collect());
    let missing = Matrix::new(names, vec![vec![f32::NAN; 400]; 2]).unwrap();
    let case = Case::new(algorithm, Dataset::new(missing, y).unwrap()).with(enough(algorithm));
    let p = case.predict(&case.fit());
    assert!(p.iter().all(|q| (q - p[0]).abs() < 1e-9 && (q - 0.25).abs() < 0.1), "{p:?}");
}

fn class_weights_shift(algorithm: Algorithm) {
    let learner = learner(algorithm).unwrap();
    let weight = match algorithm {
        Algorithm::Xgboost => json!({"scale_pos_weight": 5.0}),
        // In leaves of one class a weight cancels out.
        Algorithm::RandomForest => json!({"class_weight": "balanced", "min_samples_leaf": 20}),
        _ if learner.defaults().contains_key("class_weight") => json!({"class_weight": "balanced"}),
        _ => return,
    };
    let mut r = SplitMix64::new(6);
    let x: Vec<f32> = (0..1_000).map(|_| r.normal() as f32).collect();
    let y = x.iter().map(|v| u8::from(r.unit() < 0.15 + 0.05 * f64::from(v.clamp(-2.0, 2.0)))).collect();
    let plain = Case::new(algorithm, dataset(vec![x], y));
    let mean = |p: Vec<f64>| p.iter().sum::<f64>() / p.len() as f64;
    let before = mean(plain.predict(&plain.fit()));
    let balanced = plain.with(weight);
    let after = mean(balanced.predict(&balanced.fit()));
    assert!(after > before + 0.1, "{before} {after}");
}

fn bytes_give_the_same_predictions(algorithm: Algorithm) {
    let mut case = Case::new(algorithm, learnable(700, 8));
    // Not the matrix's order, and not all of it.
    case.columns = vec![2, 0, 1];
    let model = case.model(case.fit());
    let bytes = model.to_bytes();
    let back = Model::from_bytes(&bytes).unwrap();
    assert!(back == model && back.to_bytes() == bytes);
    let rows: Vec<u32> = (0..700).rev().collect();
    let p = model.predict_proba(case.data.x(), &rows).unwrap();
    assert_eq!(p, back.predict_proba(case.data.x(), &rows).unwrap());
    let alone: Vec<f64> = rows.iter().map(|r| back.predict_proba(case.data.x(), &[*r]).unwrap()[0]).collect();
    assert!(p.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-6), "a row's prediction depends on the others");
    // The columns count, not their place in the matrix.
    let moved = [1, 2, 0].map(|c| case.data.x().column(c).to_vec()).to_vec();
    let x = Matrix::new(vec!["b".into(), "c".into(), "a".into()], moved).unwrap();
    let all: Vec<u32> = (0..700).collect();
    let other = back.predictor.predict(&x, &[1, 2, 0], &all);
    assert_eq!(other, model.predictor.predict(case.data.x(), &[2, 0, 1], &all));
    for cut in (0..bytes.len()).step_by(1 + bytes.len() / 200) {
        assert!(matches!(Model::from_bytes(&bytes[..cut]), Err(PredictError::Artifact(_))));
    }
}

/// With the right checksum around them: decoding may succeed, but nothing may panic, hang or leave 0..=1.
fn doctored_bytes_are_refused_or_harmless(algorithm: Algorithm) {
    let case = Case::new(algorithm, learnable(60, 9)).with(match algorithm {
        Algorithm::LogisticRegression => json!({}),
        Algorithm::NeuralNetwork => json!({"hidden_layer_sizes": [2], "max_iter": 2}),
        _ => json!({"n_estimators": 2, "max_depth": 2}),
    });
    let model = case.model(case.fit());
    let payload = postcard::to_allocvec(&model).unwrap();
    let rows: Vec<u32> = (0..60).collect();
    for at in 0..payload.len() {
        for change in [0x01u8, 0x40, 0x7f, 0x80, 0xff] {
            let mut bytes = payload.clone();
            bytes[at] ^= change;
            match Model::from_bytes(&seal(FORMAT, &bytes)) {
                Ok(m) => {
                    if let Ok(p) = m.predict_proba(case.data.x(), &rows) {
                        assert!(p.iter().all(|p| (0.0..=1.0).contains(p)), "byte {at} ^ {change}");
                    }
                }
                Err(e) => assert!(matches!(e, PredictError::Artifact(_)), "{e}"),
            }
        }
    }
}

fn stops_when_told(algorithm: Algorithm) {
    let case = Case::new(algorithm, learnable(3_000, 10));
    let control = Control::default();
    control.token.trip(StopReason::TimeLimit);
    assert!(matches!(case.fit_under(&control), Err(LearnError::Stopped(StopReason::TimeLimit))));
    let token = Token::default();
    let tripped = token.clone();
    let on_progress = move |_: Progress| tripped.trip(StopReason::Cancelled);
    let control = Control { token, on_progress: Some(Arc::new(on_progress)) };
    assert!(matches!(case.fit_under(&control), Err(LearnError::Stopped(StopReason::Cancelled))));
}

fn progress_rises_to_the_end(algorithm: Algorithm) {
    let mut case = Case::new(algorithm, learnable(600, 11));
    case.train = (0..500).collect();
    case.validation = (500..600).collect();
    for rounds in [0, 3] {
        case.rounds = rounds;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let writer = seen.clone();
        let on_progress = move |p: Progress| writer.lock().unwrap().push(p);
        let control = Control { on_progress: Some(Arc::new(on_progress)), ..Control::default() };
        case.fit_under(&control).unwrap();
        let seen = seen.lock().unwrap();
        assert!(seen.len() > 1 && seen.windows(2).all(|w| w[0].done <= w[1].done && w[0].of == w[1].of), "{seen:?}");
        let last = seen.last().unwrap();
        assert!(last.done <= last.of, "{last:?}");
        assert!(rounds > 0 || last.done == last.of, "{last:?}");
    }
}

fn early_stopping_gives_up_on_noise(algorithm: Algorithm) {
    if !matches!(algorithm, Algorithm::GradientBoosting | Algorithm::Xgboost | Algorithm::NeuralNetwork) {
        return;
    }
    let given = match algorithm {
        Algorithm::NeuralNetwork => json!({"max_iter": 300, "hidden_layer_sizes": [100]}),
        _ => json!({"n_estimators": 150}),
    };
    let mut case = Case::new(algorithm, noise(3_000)).with(given);
    case.train = (0..2_000).collect();
    case.validation = (2_000..3_000).collect();
    let all = case.fit().iterations;
    case.rounds = 10;
    let stopped = case.fit().iterations;
    assert!(stopped * 3 < all, "{stopped} of {all}");
}

fn bad_parameters_are_named(algorithm: Algorithm) {
    let learner = learner(algorithm).unwrap();
    let mut given = Params::new();
    for name in learner.defaults().keys() {
        given.insert(name.clone(), json!({"no": "value"}));
    }
    given.insert("n_estimatorz".into(), json!(3));
    let faults = learner.check(&given).unwrap_err().0;
    for name in given.keys() {
        let of: Vec<_> = faults.iter().filter(|f| f.pointer == format!("/{name}")).collect();
        assert_eq!(of.len(), 1, "{name}: {faults:?}");
        assert!(of[0].message.contains(name.as_str()), "{faults:?}");
    }
    let defaults = learner.defaults();
    assert_eq!(learner.check(&Params::new()).unwrap(), learner.check(&defaults).unwrap());
    assert_eq!(learner.check(&defaults).unwrap().len(), defaults.len());
    for (name, values) in learner.grid() {
        assert!(defaults.contains_key(&name), "{name} has no default");
        for value in values {
            let one = Params::from_iter([(name.clone(), value)]);
            learner.check(&one).unwrap();
        }
    }
}

fn learns_and_says_from_what(algorithm: Algorithm) {
    let mut case = Case::new(algorithm, learnable(3_000, 12));
    case.train = (0..2_000).collect();
    let fit = case.fit();
    let p = case.predict(&fit);
    let held_out = auc(&case.data.y()[2_000..], &p[2_000..]);
    assert!(held_out > 0.84, "{held_out}");
    assert!(fit.iterations > 0);
    match fit.importance {
        // Only then are rows permuted.
        None => assert_eq!(ImportanceKind::of(algorithm), ImportanceKind::Permutation),
        Some(importance) => {
            assert_ne!(ImportanceKind::of(algorithm), ImportanceKind::Permutation);
            assert_eq!(importance.len(), 4);
            assert!((importance.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{importance:?}");
            let least = importance.iter().copied().fold(1.0, f64::min);
            assert!(importance[3] == least && importance[0] > importance[2], "{importance:?}");
        }
    }
}

/// On the twelve features of the documented sample: within .02 of the best AUC that any model can have.
fn comes_near_the_bayes_auc(algorithm: Algorithm) {
    const TRAIN: usize = 12_000;
    const SEEN: usize = 14_000;
    let tables = FeatureTables::default();
    let mut columns = vec![Vec::new(); 12];
    let (mut y, mut truth) = (Vec::new(), Vec::new());
    for drawn in sample::draw(20_000, 5) {
        let Some(label) = drawn.point.decision.label() else { continue };
        let row = tables.row(&drawn.point);
        columns.iter_mut().zip(row.values).for_each(|(column, v)| column.push(v));
        y.push(label);
        truth.push((drawn.probability, label));
    }
    let learner = learner(algorithm).unwrap();
    let mut case = Case::new(algorithm, dataset(columns, y));
    case.params = learner.check(tuned(algorithm).as_object().unwrap()).unwrap();
    case.train = (0..TRAIN as u32).collect();
    // As the service fits its final models.
    case.validation = (TRAIN as u32..SEEN as u32).collect();
    case.rounds = 10;
    let p = case.predict(&case.fit());
    let best = sample::bayes_auc(&truth[SEEN..]);
    let ours = auc(&case.data.y()[SEEN..], &p[SEEN..]);
    println!("{algorithm}: {ours:.4} of {best:.4}");
    assert!(best > 0.75 && ours > best - 0.02 && ours < best + 0.01, "{ours} of {best}");
}

/// Where the defaults are known to overfit, a point of the contract's grid that a search would choose.
fn tuned(algorithm: Algorithm) -> Value {
    match algorithm {
        Algorithm::RandomForest => json!({"n_estimators": 200, "min_samples_leaf": 4}),
        Algorithm::Xgboost => json!({"learning_rate": 0.05, "max_depth": 3, "n_estimators": 300}),
        _ => json!({}),
    }
}

macro_rules! suite {
    ($($module:ident = $algorithm:ident),+) => {
        $(mod $module {
            suite!(@tests $algorithm: same_bytes_at_any_number_of_threads, the_seed_decides,
                missing_constant_and_empty_columns, one_class_is_named, few_and_equal_rows, any_batch_is_predicted,
                families_take_any_batch, too_little_is_an_error_or_a_flat_model, class_weights_shift,
                bytes_give_the_same_predictions, doctored_bytes_are_refused_or_harmless, stops_when_told,
                progress_rises_to_the_end, early_stopping_gives_up_on_noise, bad_parameters_are_named,
                learns_and_says_from_what, comes_near_the_bayes_auc);
        })+
    };
    (@tests $algorithm:ident: $($check:ident),+) => {
        $(#[test]
        fn $check() {
            super::$check(provost_domain::Algorithm::$algorithm);
        })+
    };
}

suite!(
    random_forest = RandomForest,
    xgboost = Xgboost,
    gradient_boosting = GradientBoosting,
    logistic_regression = LogisticRegression,
    neural_network = NeuralNetwork
);
