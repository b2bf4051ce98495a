//! Metrics and tests between models against scikit-learn, scipy and numpy (see fixtures/make_metrics.py).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use provost_domain::TargetMetric;
use provost_domain::model::TemporalFigures;
use provost_learn::{drift, metrics, stats};
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/metrics.json")).unwrap()
}

fn floats(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn labels(v: &Value) -> Vec<u8> {
    v.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u8).collect()
}

#[track_caller]
fn close(case: &Value, what: &str, got: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!((got - expected).abs() < 1e-9, "{}: {what} is {got}, scikit-learn has {expected}", case["name"]);
}

#[track_caller]
fn all_close(case: &Value, what: &str, got: &[(f64, f64)], expected: &Value) {
    let expected = expected.as_array().unwrap();
    assert_eq!(got.len(), expected.len(), "{}: number of points of {what}", case["name"]);
    for (got, expected) in got.iter().zip(expected) {
        close(case, what, got.0, &expected[0]);
        close(case, what, got.1, &expected[1]);
    }
}

#[test]
fn metrics_are_scikit_learns() {
    for case in fixture()["cases"].as_array().unwrap() {
        let (y, p, t) = (labels(&case["y"]), floats(&case["p"]), case["threshold"].as_f64().unwrap());
        let s = metrics::scores(&y, &p, t);
        let named = [
            ("accuracy", s.accuracy),
            ("precision", s.precision),
            ("recall", s.recall),
            ("f1_score", s.f1_score),
            ("brier", s.brier),
            ("log_loss", s.log_loss),
        ];
        for (name, value) in named {
            close(case, name, value, &case[name]);
        }
        assert_eq!(serde_json::to_value(s.confusion_matrix).unwrap(), case["confusion_matrix"]);
        for m in TargetMetric::ALL {
            if !case[m.as_str()].is_null() {
                close(case, m.as_str(), metrics::metric(m, &y, &p, t), &case[m.as_str()]);
            }
        }
        all_close(case, "the ROC curve", &metrics::roc_curve(&y, &p), &case["roc"]);
        if let Some(expected) = case.get("calibration") {
            let bins = metrics::calibration_bins(&y, &p);
            assert_eq!(bins.iter().map(|b| b.count).sum::<u64>(), y.len() as u64);
            let points: Vec<_> = bins.iter().map(|b| (b.mean_predicted, b.fraction_of_positives)).collect();
            all_close(case, "calibration", &points, expected);
        }
        close(case, "best F1", metrics::best_threshold(TargetMetric::F1Score, &y, &p).1, &case["best_f1"]);
        close(case, "best accuracy", metrics::best_threshold(TargetMetric::Accuracy, &y, &p).1, &case["best_accuracy"]);
    }
}

#[test]
fn the_report_has_scikit_learns_form() {
    for case in fixture()["cases"].as_array().unwrap() {
        let (y, p, t) = (labels(&case["y"]), floats(&case["p"]), case["threshold"].as_f64().unwrap());
        let got = metrics::classification_report(&y, &p, t);
        let expected = case["report"].as_object().unwrap();
        assert_eq!(got.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, entry) in expected {
            let Some(entry) = entry.as_object() else {
                close(case, name, got[name].as_f64().unwrap(), entry);
                continue;
            };
            assert_eq!(got[name].as_object().unwrap().keys().collect::<Vec<_>>(), entry.keys().collect::<Vec<_>>());
            for (key, value) in entry {
                close(case, &format!("{name}/{key}"), got[name][key].as_f64().unwrap(), value);
            }
        }
    }
}

#[test]
fn tiers_are_scikit_learns_on_their_rows() {
    for case in fixture()["cases"].as_array().unwrap() {
        let (y, p, t) = (labels(&case["y"]), floats(&case["p"]), case["threshold"].as_f64().unwrap());
        let got = serde_json::to_value(metrics::tiers(&y, &p, t)).unwrap();
        for (tier, entry) in case["tiers"].as_object().unwrap() {
            // Beside scikit-learn's figures there is the observed rate's interval, where there are rows.
            let more = if entry["n"] == 0 { 0 } else { 2 };
            assert_eq!(got[tier].as_object().unwrap().len(), entry.as_object().unwrap().len() + more);
            for (key, value) in entry.as_object().unwrap() {
                close(case, &format!("{tier}/{key}"), got[tier][key].as_f64().unwrap(), value);
            }
        }
    }
}

#[test]
fn tests_between_models_are_scipys() {
    for pair in fixture()["pairs"].as_array().unwrap() {
        let (y, pa, pb) = (labels(&pair["y"]), floats(&pair["pa"]), floats(&pair["pb"]));
        let d = stats::delong(&y, &pa, &pb);
        close(pair, "difference", d.difference, &pair["delong"]["difference"]);
        close(pair, "lower end", d.interval_95[0], &pair["delong"]["interval_95"][0]);
        close(pair, "upper end", d.interval_95[1], &pair["delong"]["interval_95"][1]);
        close(pair, "DeLong's p", d.p_value, &pair["delong"]["p_value"]);
        let m = stats::mcnemar(&y, &pa, pair["ta"].as_f64().unwrap(), &pb, pair["tb"].as_f64().unwrap());
        assert_eq!(pair["mcnemar"]["only_a_right"], m.only_a_right);
        assert_eq!(pair["mcnemar"]["only_b_right"], m.only_b_right);
        close(pair, "McNemar's p", m.p_value, &pair["mcnemar"]["p_value"]);
    }
}

#[test]
fn errors_and_shifts_are_scipys() {
    for case in fixture()["shifts"].as_array().unwrap() {
        let (y, p, of) = (labels(&case["y"]), floats(&case["p"]), |v: &Value| v.as_f64().unwrap());
        let (auc, loss) = (stats::auc_with_error(&y, &p).unwrap(), stats::log_loss_with_error(&y, &p).unwrap());
        close(case, "the AUC", auc.value, &case["new"]["auc"]);
        close(case, "the AUC's error", auc.error, &case["new"]["auc_error"]);
        close(case, "the log loss", loss.value, &case["new"]["log_loss"]);
        close(case, "the log loss's error", loss.error, &case["new"]["log_loss_error"]);
        let reference = TemporalFigures {
            year: 2016,
            rows: 400,
            positives: 180,
            auc: of(&case["reference"]["auc"]),
            auc_error: of(&case["reference"]["auc_error"]),
            log_loss: of(&case["reference"]["log_loss"]),
            log_loss_error: of(&case["reference"]["log_loss_error"]),
        };
        let shifts = drift::shifts(&reference, &y, &p).unwrap();
        close(case, "p of the AUC", shifts.auc.p_value, &case["auc_p"]);
        close(case, "p of the log loss", shifts.log_loss.p_value, &case["log_loss_p"]);
        assert_eq!(shifts.auc.dropped, of(&case["auc_p"]) < 0.025);
    }
}
