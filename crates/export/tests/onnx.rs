//! Exported models beside the models themselves, in ONNX Runtime, over 10,000 rows with missing and extreme values.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fitted;
#[path = "../../../tests/it/skip.rs"]
mod skip;

use fitted::{fitted, harsh, model, rows};
use provost_domain::Algorithm;
use provost_export::{ExportError, Exported, Source};
use provost_learn::Dataset;
use provost_predict::predictor::member::Member;
use provost_predict::predictor::stack::{Stack, StackMember};
use provost_predict::{Calibration, Matrix, Model, Predictor};
use std::path::Path;
use std::process::Command;

const TRAINED: usize = 1_200;
const COMPARED: usize = 10_000;
/// Exit code of the script where ONNX Runtime is not installed.
const MISSING: i32 = 3;
/// For trees and logistic regression, and for what contains a network.
const CLOSE: f64 = 1e-6;
const OF_NETWORKS: f64 = 1e-5;

fn onnx(model: &Model) -> Result<Exported, ExportError> {
    provost_export::onnx(model, usize::MAX)
}

/// The encoders of a predictor's members, in order.
fn encoders<'p>(
    predictor: &'p Predictor,
    found: &mut Vec<(&'p provost_predict::encoder::Encoder, Vec<u32>)>,
    own: &[u32],
) {
    let part = |columns: &[u32]| columns.iter().map(|c| own[*c as usize]).collect::<Vec<u32>>();
    match predictor {
        Predictor::Encoded(model) => found.push((model.encoder(), own.to_vec())),
        Predictor::Ensemble(members) => {
            members.iter().for_each(|m| encoders(&m.predictor, found, &part(&m.columns)));
        }
        Predictor::Stack(stack) => {
            stack.members.iter().for_each(|m| encoders(&m.predictor, found, &part(&m.columns)));
        }
        _ => {}
    }
}

/// The input of the exported model for each row, row-major.
fn input(model: &Model, exported: &Exported, x: &Matrix) -> Vec<f32> {
    let all: Vec<u32> = (0..x.rows() as u32).collect();
    let mut found = Vec::new();
    encoders(&model.predictor, &mut found, &model.columns);
    let encoded: Vec<Vec<Vec<f32>>> = found
        .iter()
        .map(|(encoder, own)| encoder.encode(x, &own.iter().map(|c| *c as usize).collect::<Vec<_>>(), &all))
        .collect();
    let value = |row: usize, source: Source| match source {
        Source::Feature(feature) => x.value(row, feature as usize),
        Source::Encoded { encoder, column } => encoded[encoder][column][row],
    };
    (0..x.rows())
        .flat_map(|row| exported.inputs.iter().map(move |input| (row, input.source)))
        .map(|(r, s)| value(r, s))
        .collect()
}

/// Probabilities and outcomes by ONNX Runtime; None where it is not installed.
fn by_onnx_runtime(folder: &Path, exported: &Exported, input: &[f32]) -> Option<(Vec<f64>, Vec<String>)> {
    std::fs::write(folder.join("model.onnx"), &exported.bytes).unwrap();
    std::fs::write(folder.join("input"), input.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let ran = Command::new("python3")
        .arg(root.join("crates/export/tests/onnx.py"))
        .args([folder.to_str().unwrap(), &exported.inputs.len().to_string()])
        .env("PYTHONPATH", root.join("third_party/python-acceptance"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    if ran.status.code() == Some(MISSING) {
        skip::skipped("onnxruntime", &told);
        return None;
    }
    assert!(ran.status.success(), "{told}");
    let bytes = std::fs::read(folder.join("probability")).unwrap();
    let (chunks, rest) = bytes.as_chunks::<8>();
    assert!(rest.is_empty());
    let outcomes = std::fs::read_to_string(folder.join("outcome")).unwrap();
    Some((chunks.iter().map(|c| f64::from_le_bytes(*c)).collect(), outcomes.lines().map(str::to_owned).collect()))
}

/// False where ONNX Runtime is not installed.
fn agrees(name: &str, model: &Model, x: &Matrix, tolerance: f64) -> bool {
    let exported = onnx(model).unwrap();
    assert_eq!(onnx(model).unwrap().bytes, exported.bytes, "the same model gives the same bytes");
    let folder = tempfile::tempdir().unwrap();
    let Some((found, outcomes)) = by_onnx_runtime(folder.path(), &exported, &input(model, &exported, x)) else {
        return false;
    };
    let all: Vec<u32> = (0..x.rows() as u32).collect();
    let own = model.predict_proba(x, &all).unwrap();
    assert_eq!((found.len(), outcomes.len()), (own.len(), own.len()));
    let worst = own.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    eprintln!("{name}: {} bytes, {} inputs, worst difference {worst:e}", exported.bytes.len(), exported.inputs.len());
    assert!(worst <= tolerance, "{name}: {worst:e}");
    for ((p, _), outcome) in
        own.iter().zip(&found).zip(&outcomes).filter(|((p, _), _)| (*p - model.threshold).abs() > tolerance)
    {
        assert_eq!(outcome == "accepted", *p >= model.threshold, "{name}: {p}");
    }
    true
}

fn isotonic() -> Calibration {
    Calibration::Isotonic { x: vec![0.0, 0.2, 0.21, 0.7, 1.0], y: vec![0.02, 0.1, 0.3, 0.6, 0.97] }
}

#[test]
#[ignore = "acceptance"]
fn acceptance_exported_models_predict_in_onnx_runtime_what_they_predict_here() {
    for extended in [false, true] {
        let (x, y) = rows(TRAINED, 3, extended);
        let test = harsh(&rows(COMPARED, 4, extended).0, 5);
        let data = Dataset::new(x, y).unwrap();
        let columns: Vec<u32> = (0..data.x().width() as u32).collect();
        let platt = Calibration::Platt { a: 1.3, b: -0.2 };
        let mut members = Vec::new();
        for algorithm in Algorithm::BASE {
            let predictor = fitted(algorithm, &data);
            let tolerance = if algorithm == Algorithm::NeuralNetwork { OF_NETWORKS } else { CLOSE };
            let calibration = if algorithm == Algorithm::Xgboost { isotonic() } else { platt.clone() };
            let name = format!("{algorithm}, extended {extended}");
            if !agrees(&name, &model(algorithm, data.x(), predictor.clone(), calibration), &test, tolerance) {
                return;
            }
            members.push(predictor);
        }
        let weight = 1.0 / members.len() as f64;
        let member = |predictor: &Predictor| Member {
            weight,
            columns: columns.clone(),
            predictor: Box::new(predictor.clone()),
            calibration: platt.clone(),
        };
        let ensemble = Predictor::Ensemble(members.iter().map(member).collect());
        agrees("ensemble", &model(Algorithm::Ensemble, data.x(), ensemble, Calibration::None), &test, OF_NETWORKS);
        let member = |(at, predictor): (usize, &Predictor)| StackMember {
            weight: 0.5 - 0.2 * at as f64,
            columns: columns.clone(),
            predictor: Box::new(predictor.clone()),
            calibration: isotonic(),
        };
        let stack = Stack { intercept: 0.1, members: members.iter().enumerate().map(member).collect() };
        let stack = Predictor::Stack(stack);
        agrees("stack", &model(Algorithm::Ensemble, data.x(), stack, Calibration::None), &test, 1e-4);
    }
}

#[test]
fn an_export_that_would_take_too_much_memory_is_refused_before_it_is_made() {
    let (x, y) = rows(300, 3, true);
    let data = Dataset::new(x, y).unwrap();
    for algorithm in Algorithm::BASE {
        let model = model(algorithm, data.x(), fitted(algorithm, &data), isotonic());
        let file = onnx(&model).unwrap().bytes.len();
        let refused = |most| match provost_export::onnx(&model, most) {
            Err(ExportError::TooLarge { bytes, most: told }) => {
                assert_eq!(told, most);
                Some(bytes)
            }
            exported => {
                exported.unwrap();
                None
            }
        };
        // The file alone is there three times while it is made.
        let needed = refused(3 * file).unwrap();
        assert_eq!(refused(needed - 1), Some(needed), "{algorithm}");
        assert_eq!(refused(needed), None, "{algorithm}: what is estimated is enough");
    }
}

#[test]
fn a_constant_is_exported_too() {
    let (x, _) = rows(10, 1, false);
    let constant = model(Algorithm::RandomForest, &x, Predictor::Constant(0.25), Calibration::None);
    let exported = onnx(&constant).unwrap();
    assert_eq!(exported.inputs.len(), 1);
    let constant = Model { columns: Vec::new(), ..constant };
    assert_eq!(onnx(&constant).unwrap().inputs[0].name, "gpa_normalized");
}
