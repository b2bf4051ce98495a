//! Fitted models and rows that the tests of other systems share.

use provost_domain::features::{CATEGORY_RULE, EXTENDED, FEATURES, FeatureTables};
use provost_domain::rng::SplitMix64;
use provost_domain::{Algorithm, sample};
use provost_learn::learners::learner;
use provost_learn::{Control, Dataset, FitTask};
use provost_predict::{Calibration, Matrix, Model, Predictor};
use serde_json::{Value, json};

/// Features of sampled applications, with labels.
pub fn rows(n: usize, seed: u64, extended: bool) -> (Matrix, Vec<u8>) {
    let tables = FeatureTables::default();
    let mut names: Vec<String> = FEATURES.iter().map(ToString::to_string).collect();
    if extended {
        names.extend(EXTENDED.iter().map(ToString::to_string));
    }
    let mut columns = vec![Vec::with_capacity(n); names.len()];
    let mut labels = Vec::with_capacity(n);
    for draw in sample::draw(2 * n, seed).filter(|draw| draw.point.decision.label().is_some()).take(n) {
        labels.push(draw.point.decision.label().unwrap());
        let mut values = tables.row(&draw.point).values.to_vec();
        if extended {
            values.extend(tables.extended(&draw.point));
        }
        columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
    }
    assert_eq!(labels.len(), n);
    (Matrix::new(names, columns).unwrap(), labels)
}

#[allow(dead_code)] // the example of predictions has real rows only
/// The same rows with every tenth value missing and every twentieth extreme.
pub fn harsh(x: &Matrix, seed: u64) -> Matrix {
    let mut random = SplitMix64::new(seed);
    let columns = (0..x.width()).map(|column| {
        let harsh = |value: &f32| match random.next_u64() % 40 {
            0..4 => f32::NAN,
            4 => f32::MAX,
            5 => f32::MIN,
            6 => -0.0,
            _ => *value,
        };
        x.column(column).iter().map(harsh).collect()
    });
    Matrix::new(x.names().to_vec(), columns.collect()).unwrap()
}

/// A single learner's small predictor, fitted on all rows.
#[allow(dead_code)] // the example of predictions fits larger ones
pub fn fitted(algorithm: Algorithm, data: &Dataset) -> Predictor {
    let given = match algorithm {
        Algorithm::RandomForest => json!({"n_estimators": 40}),
        Algorithm::GradientBoosting | Algorithm::Xgboost => json!({"n_estimators": 60}),
        Algorithm::NeuralNetwork => json!({"max_iter": 30, "hidden_layer_sizes": [20, 10]}),
        _ => json!({}),
    };
    fit(algorithm, data, &given)
}

/// A single learner's predictor with these parameters, fitted on all rows.
pub fn fit(algorithm: Algorithm, data: &Dataset, given: &Value) -> Predictor {
    let learner = learner(algorithm).unwrap();
    let columns: Vec<usize> = (0..data.x().width()).collect();
    let train: Vec<u32> = (0..data.rows() as u32).collect();
    let params = learner.check(given.as_object().unwrap()).unwrap();
    let task = FitTask { seed: 7, scale: true, ..FitTask::new(data, &columns, &train, &params) };
    learner.fit(&task, &Control::default()).unwrap().predictor
}

/// With a threshold of 0.5.
pub fn model(algorithm: Algorithm, x: &Matrix, predictor: Predictor, calibration: Calibration) -> Model {
    Model {
        algorithm,
        feature_names: x.names().to_vec(),
        columns: (0..x.width() as u32).collect(),
        predictor,
        calibration,
        threshold: 0.5,
        category_rule: CATEGORY_RULE,
        evidence: None,
    }
}
