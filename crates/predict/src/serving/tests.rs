#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::Calibration;
use crate::boosting::Boosting;
use crate::evidence::Evidence;
use crate::predictor::Predictor;
use crate::ranges::FeatureRange;
use crate::score_counts::ScoreCounts;
use crate::trees::Node;
use provost_domain::features::CATEGORY_RULE;
use serde_json::json;
use std::sync::Arc;

/// A boosted stump for each of GPA and GRE quant; missing values go left, which is low.
fn model() -> Model {
    let stump = |column, at| vec![Node::split(column, at, true, 1), Node::leaf(-1.0), Node::leaf(1.0)];
    let ranges = FEATURES.map(|name| match name {
        "gre_quant_percentile" => FeatureRange::Numbers { low: 50.0, high: 99.0 },
        _ => FeatureRange::Numbers { low: 0.0, high: 1.0 },
    });
    let rows: Vec<Vec<f32>> = (0..8)
        .map(|i| {
            let mut row = vec![0.5; FEATURES.len()];
            (row[0], row[2]) = (if i % 2 == 0 { 0.2 } else { 0.9 }, if i % 4 < 2 { 30.0 } else { f32::NAN });
            row
        })
        .collect();
    let p: Vec<f64> = (0..200).map(|i| f64::from(i % 20) / 20.0).collect();
    let y: Vec<u8> = (0..200).map(|i| u8::from(i % 20 > 7)).collect();
    Model {
        algorithm: Algorithm::GradientBoosting,
        feature_names: FEATURES.map(str::to_owned).to_vec(),
        columns: vec![0, 2],
        predictor: Predictor::Boosting(Boosting::new(-0.5, vec![stump(0, 0.8), stump(1, 60.0)])),
        calibration: Calibration::Platt { a: 0.9, b: 0.1 },
        threshold: 0.5,
        category_rule: CATEGORY_RULE,
        evidence: Some(Arc::new(Evidence {
            scores: ScoreCounts::new(&p, &y),
            background: rows,
            ranges: ranges.to_vec(),
        })),
    }
}

fn opened(model: &Model) -> ServingModel {
    ServingModel::open(&model.to_bytes(), FeatureTables::default()).unwrap()
}

fn application(gpa: f64, quant: f64) -> Application {
    Application::from_value(json!({"profile": {"gpa": gpa, "test_scores": [
        {"test_type": "gre", "quantitative_score": quant, "verbal_score": 150.0}]}, "program": {}}))
    .unwrap()
}

#[test]
fn the_answer_is_the_models_own_probability_with_all_that_goes_with_it() {
    let serving = opened(&model());
    let rows = [application(3.6, 168.0), application(2.0, 140.0)];
    let answers = serving.predict(&rows, DEFAULT_COVERAGE);
    for (row, answer) in rows.iter().zip(&answers) {
        let values: Vec<f32> = serving.row(row).values;
        let x = Matrix::new(serving.feature_names().to_vec(), values.iter().map(|v| vec![*v]).collect()).unwrap();
        assert_eq!(serving.model().predict_proba(&x, &[0]).unwrap(), [answer.probability]);
        let (low, high) = (answer.probability_low.unwrap(), answer.probability_high.unwrap());
        assert!(low <= answer.probability && answer.probability <= high);
    }
    assert_eq!(answers[0].predicted_outcome, Outcome::Accepted);
    assert_eq!(answers[1].predicted_outcome, Outcome::Rejected);
    assert!(answers[0].plausible_outcomes.as_ref().unwrap().contains(&Outcome::Accepted));
    let written = serde_json::to_value(&answers[1]).unwrap();
    assert_eq!(written["predicted_outcome"], json!("rejected"));
}

#[test]
fn warnings_name_what_was_missing_or_beyond_training() {
    let serving = opened(&model());
    let warnings = |row: &Application| serving.predict(std::slice::from_ref(row), 0.9).remove(0).warnings;
    let nothing = Application::from_value(json!({"profile": {}, "program": {}})).unwrap();
    let found = warnings(&nothing);
    let told: Vec<(&str, &str)> = found.iter().map(|w| (w.code, w.pointer.as_str())).collect();
    assert_eq!(told, [("missing_value", "/profile/gpa"), ("missing_value", "/profile/test_scores")]);
    assert!(warnings(&application(3.6, 160.0)).is_empty());
    let low = warnings(&application(3.6, 130.0));
    assert_eq!(low[0].code, "beyond_training_range", "{low:?}");
    let told = |row: &Application| warnings(row).into_iter().map(|w| (w.code, w.pointer)).collect::<Vec<_>>();
    let (gpa, quant) = ("/profile/gpa".to_owned(), "/profile/test_scores/0/quantitative_score".to_owned());
    assert_eq!(
        told(&application(9.0, 900.0)),
        [
            ("impossible_value", gpa.clone()),
            ("impossible_value", quant),
            ("missing_value", gpa),
            ("missing_value", "/profile/test_scores".to_owned())
        ]
    );
}

#[test]
fn explanations_sum_to_the_answer_and_name_what_was_used() {
    let serving = opened(&model());
    let row = application(3.6, 168.0);
    let p = serving.predict(std::slice::from_ref(&row), 0.9)[0].probability;
    let found = serving.explain(&row).unwrap();
    let sum: f64 = found.contributions.iter().map(|c| c.contribution).sum();
    assert!((found.base + sum - p).abs() < 1e-12, "{found:?}");
    assert_eq!(found.contributions.len(), 12);
    let of = |name: &str| found.contributions.iter().find(|c| c.feature == name).unwrap();
    assert!(of("gpa_normalized").contribution > 0.05 && of("gre_quant_percentile").contribution > 0.05);
    assert_eq!(of("research_score").contribution, 0.0);
    assert_eq!(of("gpa_normalized").value, json!(0.9));
    let values: Vec<f32> = serving.row(&row).values;
    assert_eq!(serving.explain_features(&values).unwrap().base, found.base);
}

#[test]
fn a_rejection_turns_by_a_change_that_was_verified() {
    let serving = opened(&model());
    let rejected = application(3.6, 150.0);
    assert_eq!(serving.predict(std::slice::from_ref(&rejected), 0.9)[0].predicted_outcome, Outcome::Rejected);
    let found = serving.counterfactual(&rejected, &DEFAULT_CHANGEABLE).unwrap();
    assert!(found.probability >= 0.5 && found.changes.len() == 1, "{found:?}");
    assert!(found.changes[0].feature == "gre_quant_percentile" && found.changes[0].to > 60.0, "{found:?}");
    let codes = |row: &Application, of: &[&str]| serving.counterfactual(row, of).unwrap_err().code();
    assert_eq!(codes(&application(3.6, 168.0), &DEFAULT_CHANGEABLE), "already_accepted");
    assert_eq!(codes(&rejected, &["research_score"]), "nothing_changeable");
    assert_eq!(codes(&application(2.0, 150.0), &DEFAULT_CHANGEABLE), "none_found");
}

#[test]
fn an_older_artifact_predicts_and_says_what_it_cannot() {
    let older = Model { evidence: None, ..model() };
    let serving = opened(&older);
    let row = application(3.6, 168.0);
    let answer = serving.predict(std::slice::from_ref(&row), 0.9).remove(0);
    assert_eq!(answer.probability, opened(&model()).predict(std::slice::from_ref(&row), 0.9)[0].probability);
    assert_eq!((answer.probability_low, &answer.plausible_outcomes), (None, &None));
    assert!(serde_json::to_value(&answer).unwrap().get("probability_low").is_none());
    assert_eq!(serving.explain(&row).unwrap_err(), Unavailable::OlderArtifact);
    assert_eq!(serving.counterfactual(&row, &DEFAULT_CHANGEABLE).unwrap_err().code(), "older_artifact");
    assert_eq!(serving.abilities(), Abilities { intervals: false, sets: false, explanations: false, ranges: false });
}

#[test]
fn a_bad_row_of_features_costs_no_other_row_its_answer() {
    let serving = opened(&model());
    let good = vec![0.5; 12];
    let mut infinite = good.clone();
    infinite[2] = f32::INFINITY;
    let found = serving.predict_features(&[good.clone(), vec![0.5; 11], infinite, vec![f32::NAN; 12], good], 0.9);
    let codes: Vec<Option<&str>> = found.iter().map(|row| row.as_ref().err().map(|fault| fault.code)).collect();
    assert_eq!(codes, [None, Some("bad_width"), Some("bad_value"), None, None]);
    assert_eq!(found[2].as_ref().unwrap_err().pointer, "/gre_quant_percentile");
    assert!(serving.predict_features(&[], 0.9).is_empty() && serving.predict(&[], f64::NAN).is_empty());
}

#[test]
fn what_is_no_model_of_applications_is_not_opened() {
    assert!(matches!(ServingModel::open(b"nothing", FeatureTables::default()), Err(OpenError::Artifact(_))));
    let mut strange = Model { evidence: None, ..model() };
    strange.feature_names[3] = "shoe_size".to_owned();
    let error = ServingModel::open(&strange.to_bytes(), FeatureTables::default()).unwrap_err().to_string();
    assert!(error.contains("shoe_size"), "{error}");
}
