//! How fast one thread predicts and explains, with what other systems need to do the same:
//!
//! ```sh
//! cargo run --release -p provost-export --example predictions -- FOLDER
//! ```
//!
//! One JSON line, of medians. The folder gets the boosted model as ONNX and as XGBoost's JSON, the rows that were predicted
//! (`rows`), those that it was trained on (`train`, `labels`), the background rows and the row of the explanation (`background`,
//! `explained`): f32, row-major, 12 in a row. `scripts/bench_predictions_peer.py` reads them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // a tool for people who measure: any fault ends it

#[path = "../tests/fitted/mod.rs"]
mod fitted;

use fitted::{fit, model, rows};
use provost_domain::features::FeatureTables;
use provost_domain::{Algorithm, Application, sample};
use provost_learn::xgboost::library;
use provost_learn::{Control, Dataset};
use provost_predict::background::resampled;
use provost_predict::evidence::Evidence;
use provost_predict::groups::groups;
use provost_predict::predictor::member::Member;
use provost_predict::ranges::FeatureRange;
use provost_predict::score_counts::ScoreCounts;
use provost_predict::serving::{DEFAULT_COVERAGE, ServingModel};
use provost_predict::{Calibration, Matrix, Model, Predictor};
use serde_json::{Value, json};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const TRAINED: usize = 25_000;
const BATCH: usize = 100_000;
const EXPLAINED: usize = 11;

/// The median of the seconds of so many calls.
fn median(calls: usize, mut call: impl FnMut(usize)) -> f64 {
    let mut seconds: Vec<f64> = (0..calls)
        .map(|at| {
            let began = Instant::now();
            call(at);
            began.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn row(x: &Matrix, row: usize) -> Vec<f32> {
    (0..x.width()).map(|column| x.value(row, column)).collect()
}

fn write<'r>(folder: &Path, name: &str, rows: impl IntoIterator<Item = &'r Vec<f32>>) {
    let bytes: Vec<u8> = rows.into_iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(folder.join(name), bytes).unwrap();
}

fn main() {
    let folder = std::env::args().nth(1).expect("a folder");
    let folder = Path::new(&folder);
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    let (x, y) = rows(TRAINED, 3, false);
    let asked = rows(BATCH, 4, false).0;
    let all: Vec<u32> = (0..TRAINED as u32).collect();
    let control = Control::default();
    let evidence = Arc::new(Evidence {
        scores: ScoreCounts::new(&[0.2, 0.8], &[0, 1]),
        background: resampled(&x, &all, &groups(x.names()), 7, &control).unwrap(),
        ranges: (0..x.width()).map(|column| FeatureRange::of(&x, column, &all, &control).unwrap()).collect(),
    });
    let train: Vec<Vec<f32>> = (0..TRAINED).map(|at| row(&x, at)).collect();
    write(folder, "train", &train);
    std::fs::write(folder.join("labels"), &y).unwrap();
    let data = Dataset::new(x, y).unwrap();
    let platt = Calibration::Platt { a: 1.1, b: -0.1 };
    let served = |algorithm, predictor: &Predictor| {
        let model = model(algorithm, data.x(), predictor.clone(), platt.clone());
        ServingModel::new(Model { evidence: Some(evidence.clone()), ..model }, FeatureTables::default()).unwrap()
    };
    let predictors = [
        (Algorithm::Xgboost, json!({"n_estimators": 300, "max_depth": 5, "learning_rate": 0.1})),
        (Algorithm::RandomForest, json!({"n_estimators": 100})),
        (Algorithm::NeuralNetwork, json!({"max_iter": 20})),
        (Algorithm::LogisticRegression, json!({})),
    ]
    .map(|(algorithm, given)| (algorithm, fit(algorithm, &data, &given)));

    let Predictor::Xgboost(booster) = &predictors[0].1 else { panic!("no booster") };
    std::fs::write(folder.join("model.json"), library::to_json(booster).unwrap()).unwrap();
    let boosted = served(Algorithm::Xgboost, &predictors[0].1);
    std::fs::write(folder.join("model.onnx"), provost_export::onnx(boosted.model(), usize::MAX).unwrap().bytes)
        .unwrap();
    write(folder, "background", &evidence.background);
    write(folder, "explained", [&row(&asked, 0)]);
    let batch: Vec<Vec<f32>> = (0..BATCH).map(|at| row(&asked, at)).collect();
    write(folder, "rows", &batch);

    let applications: Vec<Application> =
        sample::draw(1_000, 11).map(|drawn| Application::from_point(drawn.point)).collect();
    let one = median(5_000, |at| {
        let application = &applications[at % applications.len()];
        black_box(boosted.predict(std::slice::from_ref(application), DEFAULT_COVERAGE));
    });
    let (columns, every): (Vec<usize>, Vec<u32>) = ((0..asked.width()).collect(), (0..BATCH as u32).collect());
    let many = median(7, |_| {
        let mut p = boosted.model().predictor.predict(&asked, &columns, &every);
        p.iter_mut().for_each(|p| *p = platt.apply(*p));
        black_box(p);
    });
    let explaining = |model: &ServingModel| {
        median(EXPLAINED, |at| {
            black_box(model.explain_features(&batch[at]).unwrap());
        })
    };
    let mut explained: Vec<(String, f64)> = predictors
        .iter()
        .map(|(algorithm, predictor)| (algorithm.to_string(), explaining(&served(*algorithm, predictor))))
        .collect();
    let member = |(_, predictor): &(Algorithm, Predictor)| Member {
        weight: 1.0 / predictors.len() as f64,
        columns: (0..12).collect(),
        predictor: Box::new(predictor.clone()),
        calibration: platt.clone(),
    };
    let ensemble = Predictor::Ensemble(predictors.iter().map(member).collect());
    explained.push(("ensemble".to_owned(), explaining(&served(Algorithm::Ensemble, &ensemble))));
    let explained: serde_json::Map<String, Value> =
        explained.into_iter().map(|(name, seconds)| (name, json!(seconds))).collect();
    println!("{}", json!({"one_row_s": one, "rows_per_s": BATCH as f64 / many, "explanation_s": explained}));
}
