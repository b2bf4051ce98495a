//! Models and explanations beside those of others: XGBoost's Python package reads the booster that is exported as JSON, and shap's
//! exact explainer explains the same calibrated probability over the same background rows.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fitted;
#[path = "../../../tests/it/skip.rs"]
mod skip;

use fitted::{fitted, harsh, model, rows};
use provost_domain::Algorithm;
use provost_domain::features::FeatureTables;
use provost_learn::xgboost::library;
use provost_learn::{Control, Dataset};
use provost_predict::evidence::Evidence;
use provost_predict::ranges::FeatureRange;
use provost_predict::score_counts::ScoreCounts;
use provost_predict::serving::ServingModel;
use provost_predict::{Calibration, Matrix, Model, Predictor};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Exit code of the script where a package is not installed.
const MISSING: i32 = 3;
const COMPARED: usize = 10_000;
const EXPLAINED: usize = 5;
const BACKGROUND: usize = 40;
const SLOPE: f64 = 1.3;
const INTERCEPT: f64 = -0.2;

fn written(x: &Matrix, rows: usize) -> Vec<u8> {
    (0..rows).flat_map(|row| (0..x.width()).flat_map(move |column| x.value(row, column).to_le_bytes())).collect()
}

fn read(path: &Path) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    let (chunks, rest) = bytes.as_chunks::<8>();
    assert!(rest.is_empty());
    chunks.iter().map(|c| f64::from_le_bytes(*c)).collect()
}

fn worst(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// With the first rows of `x` as background rows.
fn served(model: Model, x: &Matrix) -> ServingModel {
    let row = |row: usize| (0..x.width()).map(|column| x.value(row, column)).collect();
    let all: Vec<u32> = (0..x.rows() as u32).collect();
    let range = |column| FeatureRange::of(x, column, &all, &Control::default()).unwrap();
    let evidence = Evidence {
        scores: ScoreCounts::new(&[0.2, 0.8], &[0, 1]),
        background: (0..BACKGROUND).map(row).collect(),
        ranges: (0..x.width()).map(range).collect(),
    };
    ServingModel::new(Model { evidence: Some(Arc::new(evidence)), ..model }, FeatureTables::default()).unwrap()
}

#[test]
#[ignore = "acceptance"]
fn acceptance_xgboost_reads_the_export_and_shap_explains_alike() {
    let (x, y) = rows(1_200, 3, false);
    // shap tells values that are missing from each other, so the explained rows have none.
    let filled = |x: &Matrix| {
        let fill = |v: &f32| if v.is_nan() { 0.5 } else { *v };
        let columns = (0..x.width()).map(|column| x.column(column).iter().map(fill).collect()).collect();
        Matrix::new(x.names().to_vec(), columns).unwrap()
    };
    let (background, explained) = (filled(&rows(BACKGROUND, 8, false).0), filled(&rows(EXPLAINED, 9, false).0));
    let asked = harsh(&rows(COMPARED, 4, false).0, 5);
    let data = Dataset::new(x, y).unwrap();
    let predictor = fitted(Algorithm::Xgboost, &data);
    let Predictor::Xgboost(booster) = &predictor else { panic!("no booster") };

    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    file("model.json", &library::to_json(booster).unwrap());
    file("asked", &written(&asked, COMPARED));
    file("background", &written(&background, BACKGROUND));
    file("explained", &written(&explained, EXPLAINED));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let ran = Command::new("python3")
        .arg(root.join("crates/export/tests/peers.py"))
        .args([folder.path().to_str().unwrap(), &SLOPE.to_string(), &INTERCEPT.to_string()])
        .env("PYTHONPATH", root.join("third_party/python-acceptance"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    if ran.status.code() == Some(MISSING) {
        skip::skipped("shap", &told);
        return;
    }
    assert!(ran.status.success(), "{told}");

    let uncalibrated = model(Algorithm::Xgboost, data.x(), predictor.clone(), Calibration::None);
    let all: Vec<u32> = (0..COMPARED as u32).collect();
    let own = uncalibrated.predict_proba(&asked, &all).unwrap();
    let difference = worst(&own, &read(&folder.path().join("probability")));
    eprintln!("xgboost: worst difference {difference:e}");
    assert!(difference <= 1e-6, "{difference:e}");

    let platt = Calibration::Platt { a: SLOPE, b: INTERCEPT };
    let serving = served(model(Algorithm::Xgboost, data.x(), predictor, platt), &background);
    let mut shares = Vec::new();
    for row in 0..EXPLAINED {
        let values: Vec<f32> = (0..explained.width()).map(|column| explained.value(row, column)).collect();
        let found = serving.explain_features(&values).unwrap();
        shares.push(found.base);
        shares.extend(found.contributions.iter().map(|share| share.contribution));
    }
    let difference = worst(&shares, &read(&folder.path().join("shares")));
    eprintln!("shap: worst difference {difference:e}");
    assert!(difference <= 1e-6, "{difference:e}");
}
