#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use proptest::prelude::*;
use serde_json::{Map, json};

fn faults(body: Value) -> Vec<(String, String)> {
    TrainingConfig::from_json(&body).unwrap_err().0.into_iter().map(|f| (f.pointer, f.message)).collect()
}

fn pointers(body: Value) -> Vec<String> {
    faults(body).into_iter().map(|f| f.0).collect()
}

#[test]
fn empty_body_gives_the_contracts_defaults() {
    let read = TrainingConfig::from_json(&json!({})).unwrap();
    assert_eq!(
        serde_json::to_value(&read).unwrap(),
        json!({
            "data_source": "mongodb", "data_path": null, "min_samples": 1000, "use_verified_only": true,
            "algorithms": ["random_forest", "xgboost"], "test_size": 0.15, "validation_size": 0.15, "random_state": 42,
            "feature_selection": "auto", "selected_features": null, "scale_features": true,
            "hyperparameter_tuning": "random_search", "tuning_iterations": 50, "cross_validation_folds": 5,
            "target_metric": "f1_score", "early_stopping_rounds": 10, "max_training_time_minutes": 60, "n_jobs": -1,
            "version_tag": null, "notes": null, "pruning": "racing", "split": "random", "features": "base",
        })
    );
}

#[test]
fn own_output_is_read_back() {
    let mut config =
        TrainingConfig { target_metric: TargetMetric::AucRoc, notes: Some("x".into()), ..Default::default() };
    config.grids =
        Some(BTreeMap::from([(Algorithm::Xgboost, Grid::from([("gamma".into(), vec![json!(0), json!(0.1)])]))]));
    assert_eq!(TrainingConfig::from_json(&serde_json::to_value(&config).unwrap()).unwrap(), config);
}

#[test]
fn every_fault_at_once() {
    let found = faults(json!({
        "data_source": "postgres", "min_samples": 99, "use_verified_only": 1, "algorithms": ["xgboost", "xgbost", "xgboost"],
        "test_size": 0.9, "validation_size": "0.2", "random_state": -1, "feature_selection": null,
        "tuning_iterations": 9, "cross_validation_folds": 11, "target_metric": "logloss", "early_stopping_rounds": 1.5,
        "max_training_time_minutes": 0, "n_jobs": 0, "notes": 7, "alogrithms": [], "pruning": "on", "split": "time",
        "features": "all", "grids": {"svm": {}, "xgboost": {"gamma": []}, "random_forest": 3, "ensemble": {}},
    }));
    let at: Vec<&str> = found.iter().map(|f| f.0.as_str()).collect();
    assert_eq!(
        at,
        [
            "/data_source",
            "/min_samples",
            "/use_verified_only",
            "/algorithms/1",
            "/algorithms/2",
            "/test_size",
            "/validation_size",
            "/random_state",
            "/feature_selection",
            "/tuning_iterations",
            "/cross_validation_folds",
            "/target_metric",
            "/early_stopping_rounds",
            "/max_training_time_minutes",
            "/n_jobs",
            "/notes",
            "/pruning",
            "/split",
            "/features",
            "/grids/svm",
            "/grids/xgboost/gamma",
            "/grids/random_forest",
            "/grids/ensemble",
            "/alogrithms",
        ]
    );
    let message = |p: &str| found.iter().find(|f| f.0 == p).unwrap().1.clone();
    assert_eq!(message("/test_size"), "`test_size` is 0.9; a number from 0.1 to 0.3 is allowed");
    assert_eq!(message("/min_samples"), "`min_samples` is 99; an integer of at least 100 is allowed");
    let large = TrainingConfig::from_json(&json!({"min_samples": 1e16})).unwrap_err().to_string();
    assert!(large.contains("from 100 to 18446744073709551615 (with a decimal point or an exponent up to"), "{large}");
    assert!(message("/algorithms/1").contains("did you mean `xgboost`?"), "{}", message("/algorithms/1"));
    assert!(message("/alogrithms").contains("did you mean `algorithms`?"), "{}", message("/alogrithms"));
}

#[test]
fn ranges_include_their_ends() {
    for size in [0.1, 0.15, 0.3] {
        TrainingConfig::from_json(&json!({"test_size": size, "validation_size": size})).unwrap();
    }
    for size in [json!(0.0999), json!(0.3001), json!(1e308), json!(-1), json!(null), json!("NaN"), json!([0.2])] {
        assert_eq!(pointers(json!({"test_size": size})), ["/test_size"]);
    }
    let ends = json!({"min_samples": 100, "tuning_iterations": 10, "cross_validation_folds": 3, "n_jobs": 1,
        "early_stopping_rounds": 0, "max_training_time_minutes": 1, "random_state": u64::MAX});
    assert_eq!(TrainingConfig::from_json(&ends).unwrap().random_state, u64::MAX);
    TrainingConfig::from_json(&json!({"tuning_iterations": 200.0, "cross_validation_folds": 10})).unwrap();
    assert_eq!(pointers(json!({"min_samples": 1e308, "n_jobs": -2, "tuning_iterations": 201})).len(), 3);
}

/// The numbers of a range that a message names.
fn range(message: &str) -> Option<(f64, f64)> {
    let number = |text: &str| text.trim_end_matches([';', ',']).parse::<f64>().ok();
    if let Some((_, rest)) = message.split_once("of at least ") {
        return Some((number(rest.split(' ').next()?)?, f64::INFINITY));
    }
    let (low, high) = message.split_once("from ")?.1.split_once(" to ")?;
    Some((number(low)?, number(high.split(' ').next()?)?))
}

proptest! {
    /// Of every number of a configuration: what is refused is not in the range that the message names, and the range's ends
    /// are taken.
    #[test]
    fn no_message_names_a_range_that_holds_what_is_refused(at in 0usize..10, around in 0usize..4, off in -2i64..=2) {
        const NUMBERS: [(&str, bool); 10] = [
            ("min_samples", true), ("test_size", false), ("validation_size", false), ("random_state", true),
            ("tuning_iterations", true), ("cross_validation_folds", true), ("early_stopping_rounds", true),
            ("max_training_time_minutes", true), ("n_jobs", true), ("min_samples", true),
        ];
        let (name, whole) = NUMBERS[at];
        let refused = |value: &Value| {
            let found = TrainingConfig::from_json(&json!({ name: value })).err()?;
            found.0.into_iter().find(|f| f.pointer == format!("/{name}")).map(|f| f.message)
        };
        // The ends of the range, as the messages about values far off name them.
        let ends = [json!(-1e9), json!(1e30)].map(|far| range(&refused(&far).unwrap()).unwrap());
        let (low, high) = (ends[0].0, ends[1].1);
        let value = match (whole, around) {
            (true, 0) => json!(low as i128 as i64 + off),
            (true, 1) => json!((high as u64).saturating_add_signed(off)),
            (true, 2) => json!(off),
            (true, _) => json!(low + off as f64 / 3.0),
            (false, 0) => json!(low + off as f64 * 1e-9),
            (false, 1) => json!(f64::from_bits(high.to_bits().saturating_add_signed(off))),
            (false, _) => json!(off),
        };
        let number = value.as_f64().unwrap();
        match refused(&value) {
            None => prop_assert!((low..=high).contains(&number) || (name == "n_jobs" && number == -1.0), "{name}: {value} was taken"),
            Some(message) => {
                let (low, high) = range(&message).unwrap();
                let of_kind = !whole || number.fract() == 0.0;
                prop_assert!(!(of_kind && (low..=high).contains(&number)), "{message}");
            }
        }
    }
}

#[test]
fn null_only_where_the_default_is_null() {
    let nulls = json!({"data_path": null, "selected_features": null, "version_tag": null, "notes": null});
    assert_eq!(TrainingConfig::from_json(&nulls).unwrap(), TrainingConfig::default());
    assert_eq!(pointers(json!({"algorithms": null, "scale_features": null})), ["/algorithms", "/scale_features"]);
}

#[test]
fn algorithms_are_some_and_distinct() {
    assert_eq!(pointers(json!({"algorithms": []})), ["/algorithms"]);
    assert_eq!(pointers(json!({"algorithms": "xgboost"})), ["/algorithms"]);
    assert_eq!(pointers(json!({"algorithms": [1]})), ["/algorithms/0"]);
}

#[test]
fn metric_aliases() {
    for (word, metric) in
        [("f1", TargetMetric::F1Score), ("roc_auc", TargetMetric::AucRoc), ("recall", TargetMetric::Recall)]
    {
        assert_eq!(TrainingConfig::from_json(&json!({"target_metric": word})).unwrap().target_metric, metric);
    }
}

#[test]
fn manual_selection_needs_known_names() {
    assert_eq!(pointers(json!({"feature_selection": "manual"})), ["/selected_features"]);
    assert_eq!(pointers(json!({"feature_selection": "manual", "selected_features": []})), ["/selected_features"]);
    let body =
        json!({"feature_selection": "manual", "selected_features": ["gpa_normalised", "gpa_vs_avg", "gpa_vs_avg"]});
    let found = faults(body);
    assert_eq!(found[0].0, "/selected_features/0");
    assert!(found[0].1.contains("did you mean `gpa_normalized`?"), "{}", found[0].1);
    assert_eq!(found[1].0, "/selected_features/2");
    TrainingConfig::from_json(&json!({"feature_selection": "manual", "selected_features": FEATURES})).unwrap();
}

#[test]
fn files_need_a_path_that_stays_below() {
    assert_eq!(pointers(json!({"data_source": "csv"})), ["/data_path"]);
    assert_eq!(pointers(json!({"data_source": "json", "data_path": null})), ["/data_path"]);
    for path in ["/etc/passwd", "../x.csv", "a/../../x.csv", "", "a/..", "..\\x", "C:\\x", "a\0b", "file:///x"] {
        assert_eq!(pointers(json!({"data_source": "csv", "data_path": path})), ["/data_path"], "{path:?}");
    }
    for path in ["x.csv", "2026/autumn/x..csv", "./x.csv"] {
        TrainingConfig::from_json(&json!({"data_source": "csv", "data_path": path})).unwrap();
    }
}

#[test]
fn pointers_are_escaped() {
    assert_eq!(pointers(json!({"a/b~c": 1})), ["/a~1b~0c"]);
    assert_eq!(pointers(json!("text")), [""]);
}

#[test]
fn hash_follows_what_changes_the_result() {
    let base = TrainingConfig::default();
    let labelled = TrainingConfig {
        notes: Some("n".into()),
        version_tag: Some("v".into()),
        n_jobs: 2,
        ..TrainingConfig::default()
    };
    assert_eq!(base.config_hash(), labelled.config_hash());
    assert_eq!(base.config_hash().len(), 64);
    let other = TrainingConfig { random_state: 43, ..TrainingConfig::default() };
    assert_ne!(base.config_hash(), other.config_hash());
    let keys = |a: &str, b: &str| {
        let body = format!(r#"{{"grids": {{"xgboost": {{{a}, {b}}}}}}}"#);
        TrainingConfig::from_json(&serde_json::from_str(&body).unwrap()).unwrap().config_hash()
    };
    assert_eq!(keys(r#""gamma": [0]"#, r#""max_depth": [3]"#), keys(r#""max_depth": [3]"#, r#""gamma": [0]"#));
}

proptest! {
    /// Whatever arrives, the answer is a checked configuration or a list of named faults.
    #[test]
    fn never_panics_and_never_accepts_out_of_range(size in any::<f64>(), folds in any::<i64>(), name in "\\PC{0,12}") {
        let body = json!({"test_size": size, "cross_validation_folds": folds, name.clone(): name});
        match TrainingConfig::from_json(&body) {
            Ok(c) => prop_assert!((0.1..=0.3).contains(&c.test_size) && (3..=10).contains(&c.cross_validation_folds)),
            Err(f) => prop_assert!(!f.0.is_empty() && f.0.iter().all(|f| !f.message.is_empty())),
        }
    }
}

#[test]
fn a_body_that_is_wrong_everywhere_is_answered_briefly() {
    let many: Map<String, Value> = (0..50_000).map(|i| (format!("min_sample{i}"), json!(1))).collect();
    let faults = TrainingConfig::from_json(&Value::Object(many)).unwrap_err();
    assert_eq!(faults.0.len(), 101);
    assert_eq!(faults.0[100].message, "and 49900 more faults");
    let words = json!({ "algorithms": vec!["xgbost"; 50_000], "selected_features": vec!["gpa"; 50_000] });
    let faults = TrainingConfig::from_json(&words).unwrap_err();
    let told: Vec<&str> = faults.0.iter().map(|f| f.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "`algorithms` has 50000 items; at most 6 are allowed",
            "`selected_features` has 50000 items; at most 100 are allowed"
        ]
    );
    // A megabyte where a word is meant has no nearest word: looking for it takes time and memory by its length.
    let long = "a".repeat(1 << 20);
    let faults = TrainingConfig::from_json(&json!({ "split": long, long.as_str(): 1 })).unwrap_err();
    assert!(faults.0.iter().all(|f| f.message.len() < 200 && !f.message.contains("did you mean")), "{faults}");
    assert!(faults.to_string().len() < 1000);
}

#[test]
fn long_texts_are_faults_and_the_longest_allowed_are_none() {
    let body = |extra: usize| {
        json!({
            "notes": "ä".repeat(10_000 + extra), "version_tag": "ä".repeat(100 + extra),
            "data_source": "csv", "data_path": "x".repeat(1000 + extra), "feature_selection": "manual",
            "selected_features": if extra == 0 { json!(["gpa_vs_avg"]) } else { json!(["x".repeat(101)]) },
        })
    };
    TrainingConfig::from_json(&body(0)).unwrap();
    assert_eq!(pointers(body(1)), ["/data_path", "/selected_features/0", "/version_tag", "/notes"]);
    assert_eq!(faults(body(1))[3].1, "`notes` has 10001 characters; at most 10000 are allowed");
    let long = "x".repeat(5000);
    assert_eq!(pointers(json!({ long.as_str(): 1 }))[0].chars().count(), 201, "a long name is not sent back whole");
}

#[test]
fn what_has_no_effect_is_told() {
    let of = |body: Value| TrainingConfig::from_json(&body).unwrap().warnings();
    assert!(of(json!({})).is_empty());
    assert!(of(json!({"data_source": "csv", "data_path": "a.csv"})).is_empty());
    assert!(of(json!({"feature_selection": "manual", "selected_features": ["gpa_normalized"]})).is_empty());
    let warnings = of(json!({"data_path": "other.csv", "selected_features": ["gpa_normalized"],
        "algorithms": ["logistic_regression"], "grids": {"xgboost": {"gamma": [0.0]}}}));
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    for (warning, named) in warnings.iter().zip(["data_path", "selected_features", "grids.xgboost"]) {
        assert!(warning.contains(named) && warning.contains("has no effect"), "{warning}");
    }
}
