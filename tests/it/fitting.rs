//! `fit` as a command; what it computes is tested beside it.
#![allow(clippy::unwrap_used)]

use crate::command::Place;

#[test]
fn sample_to_features_to_a_fitted_model() {
    let place = Place::new();
    place.run(&["sample", "--rows", "1500", "--seed", "3", "--out", "a.jsonl"]);
    assert_eq!(place.run(&["features", "a.jsonl", "--out", "a.csv", "--split"]).code, Some(0));
    let arguments = ["fit", "a.csv", "--algorithms", "logistic_regression,xgboost", "--json", "--save", "models"];
    let ran = place.run(&arguments);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines: Vec<serde_json::Value> = ran.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(
        lines.iter().map(|l| l["algorithm"].as_str().unwrap()).collect::<Vec<_>>(),
        ["logistic_regression", "xgboost"]
    );
    for line in &lines {
        assert!(line["test"]["auc"].as_f64().unwrap() > 0.6, "{line}");
        let model = place.path("models").join(format!("{}.model", line["algorithm"].as_str().unwrap()));
        assert!(model.metadata().unwrap().len() > 100);
    }
    let bad = place.run(&["fit", "a.csv", "--algorithms", "random_forrest"]);
    assert_eq!(bad.code, Some(2), "{bad:?}");
}
