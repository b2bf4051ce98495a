//! Examples of the routes that watch a model.

use super::super::example_ids::{minute, model_id};
use super::records::of;
use provost_domain::Algorithm;
use provost_domain::watch::{
    DriftReference, DriftReport, DriftTest, DriftWindow, FeatureDrift, Interval, MissingDrift, PerformanceMetrics,
    PerformanceReport, PerformanceWindow, WindowKind,
};
use serde_json::Value;

const WINDOW: &str = "window_5d41402abc4b2a76b9719d911017c592";

fn interval(value: f64, by: f64) -> Interval {
    Interval { value, low: value - by, high: value + by }
}

fn window() -> DriftWindow {
    let missing = MissingDrift {
        reference: 0.02,
        window: 0.024,
        effect: 0.004,
        floor: 0.05,
        p: Some(0.61),
        q: Some(0.83),
        over: false,
        alarm: false,
    };
    let moved = FeatureDrift {
        feature: "gpa_normalized".to_owned(),
        test: DriftTest::KolmogorovSmirnov,
        statistic: Some(0.14),
        effect: Some(0.31),
        floor: 0.12,
        p: Some(0.0005),
        q: Some(0.007),
        missing,
        new_categories: None,
        over: true,
        alarm: true,
    };
    DriftWindow {
        id: WINDOW.to_owned(),
        kind: WindowKind::Predictions,
        from: minute(10),
        to: minute(70),
        rows: 500,
        rows_tested: 500,
        reference_rows_tested: 8_421,
        permutations: 2_000,
        level: 0.05,
        alarm: true,
        domain_auc: Some(interval(0.61, 0.03)),
        predictions_moved: Some(0.11),
        features: vec![moved],
        not_compared: vec!["application_year".to_owned(), "application_season".to_owned()],
    }
}

fn performance() -> PerformanceWindow {
    let metrics = |auc, f1, accuracy, brier| PerformanceMetrics {
        auc_roc: Some(interval(auc, 0.04)),
        f1_score: Some(interval(f1, 0.05)),
        accuracy: Some(interval(accuracy, 0.04)),
        brier_score: Some(interval(brier, 0.02)),
    };
    PerformanceWindow {
        id: WINDOW.to_owned(),
        from: minute(10),
        to: minute(70),
        rows: 500,
        outcomes: 212,
        estimated: metrics(0.79, 0.71, 0.72, 0.18),
        realised: Some(metrics(0.77, 0.69, 0.7, 0.19)),
        calibration_holds: Some(true),
    }
}

/// The example of an operation's JSON answer.
pub fn answer(operation: &str) -> Option<Value> {
    let model = model_id(Algorithm::Xgboost);
    Some(match operation {
        "get_drift" => of(&DriftReport {
            model_id: model,
            reference: DriftReference { rows: 12_030, from: Some(2_019), to: Some(2_026) },
            alarm: true,
            since: Some(minute(-50)),
            windows: vec![window()],
        }),
        "get_drift_window" => of(&window()),
        "get_performance" => of(&PerformanceReport { model_id: model, windows: vec![performance()] }),
        _ => return None,
    })
}
