//! Models over HTTP: read, evaluated, compared, activated, rolled back.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::http::{BASE, Client, place_with_points, small_job};
use crate::serving::Server;
use chrono::{TimeDelta, Utc};
use provost_domain::gate::{GateDecision, GateOutcome};
use provost_domain::{Algorithm, JobId, ModelId};
use provost_store::{ActivationStore, SqliteStore};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PLOTS: [&str; 4] = ["confusion_matrix", "roc_curve", "feature_importance", "calibration"];

fn is_picture(client: &Client, address: &str) {
    let picture = client.get(address);
    let (kind, start) =
        if address.ends_with(".png") { ("image/png", &b"\x89PNG"[..]) } else { ("image/svg+xml", &b"<"[..]) };
    assert_eq!((picture.status, picture.header("content-type")), (200, Some(kind)), "{address}");
    assert!(picture.bytes.starts_with(start) && picture.bytes.len() > 1000, "{address}");
}

fn active(client: &Client) -> Vec<String> {
    let models = client.get("models").ok(200);
    let active = models.as_array().unwrap().iter().filter(|m| m["is_active"] == true);
    active.map(|m| m["model_id"].as_str().unwrap().to_owned()).collect()
}

fn is_well_formed(client: &Client, id: &str) {
    let model = client.get(&format!("models/{id}")).ok(200);
    let m = &model["metrics"];
    assert_eq!(m["cv_scores"].as_array().unwrap().len(), 3, "filled without tuning too");
    assert!(model["hyperparameters"].is_object() && model["model_sha256"].as_str().unwrap().len() == 64);
    let features = model["feature_importance"].as_array().unwrap();
    assert!(features.iter().map(|f| f["rank"].as_u64().unwrap()).eq(1..=12), "{features:?}");

    let metrics = client.get(&format!("metrics/{id}")).ok(200);
    for name in ["accuracy", "precision", "recall", "f1_score", "auc_roc", "cv_mean", "cv_std"] {
        assert!(metrics["metrics"][name].is_f64() && metrics["metrics"][name] == m[name], "{name}");
    }
    assert_eq!(metrics["confusion_matrix"], m["confusion_matrix"]);
    // The threshold, intervals that hold their metric, and the tiers.
    let threshold = metrics["threshold"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&threshold) && m["threshold"] == threshold);
    for name in ["accuracy", "precision", "recall", "f1_score", "auc_roc"] {
        let ends: Vec<f64> = serde_json::from_value(metrics["intervals_95"][name].clone()).unwrap();
        let value = m[name].as_f64().unwrap();
        assert!(
            ends.len() == 2 && ends[0] < ends[1] && (ends[0]..=ends[1]).contains(&value),
            "{name}: {value} {ends:?}"
        );
    }
    let importance = client.get(&format!("feature-importance/{id}")).ok(200);
    assert_eq!(importance["feature_importance"].as_array().unwrap().len(), 12);
    assert_eq!(importance["feature_importance"][0]["feature"], features[0]["feature_name"]);
    // What the importance is, and of which rows: of training rows, not of those held out.
    assert_eq!(importance["importance_kind"], "coefficient");
    assert_eq!(importance["importance_rows"], model["training_samples"]);

    let results = client.get(&format!("evaluate/{id}/results")).ok(200);
    assert_eq!(results["metrics"], *m);
    assert_eq!(metrics["performance_by_university_tier"], results["performance_by_university_tier"]);
    assert_eq!(
        (&results["importance_kind"], &results["importance_rows"]),
        (&importance["importance_kind"], &importance["importance_rows"])
    );
    let tiers = results["performance_by_university_tier"].as_object().unwrap();
    let n: u64 = ["reach", "target", "safety"].iter().map(|t| tiers[*t]["n"].as_u64().unwrap()).sum();
    let cells = m["confusion_matrix"].as_array().unwrap().iter().flat_map(|r| r.as_array().unwrap());
    assert_eq!(n, cells.map(|c| c.as_u64().unwrap()).sum::<u64>());
    assert!(tiers.values().all(|t| t.as_object().unwrap().values().all(Value::is_number)), "{tiers:?}");
    assert!((1..=10).contains(&results["calibration_bins"].as_array().unwrap().len()));
    assert!(results["calibration_score"].is_f64());
    for plot in PLOTS {
        let png = format!("{BASE}/evaluate/{id}/plots/{plot}.png");
        assert_eq!(results[format!("{plot}_plot")], png);
        is_picture(client, &png);
        is_picture(client, &png.replace(".png", ".svg"));
        is_picture(client, &png.replace(".png", "_narrow.svg"));
    }
    let plot = |name: &str| String::from_utf8(client.get(&format!("evaluate/{id}/plots/{name}.svg")).bytes).unwrap();
    assert!(
        plot("feature_importance").contains("coefficient · ") && !plot("feature_importance").contains("held-out rows")
    );
    assert!(plot("roc_curve").contains(id), "the plot does not say whose it is");
    assert!(plot("confusion_matrix").contains(&format!("accepted from {threshold:.3} on")));
    client.get(&format!("evaluate/{id}/plots/roc_curve_narrow.png")).problem(404);
    client.get(&format!("evaluate/{id}/plots/_narrow.svg")).problem(404);
    client.get(&format!("evaluate/{id}/plots/shoe_size.png")).problem(404);
    client.get(&format!("evaluate/{id}/plots/roc_curve.gif")).problem(404);
}

#[test]
fn models_are_evaluated_compared_and_activated() {
    let place = place_with_points(800);
    let server = Server::start(&place);
    let client = Client::of(&server);
    let mut other = small_job();
    other["feature_selection"] = json!("manual");
    other["selected_features"] = json!(["gpa_normalized", "research_score"]);
    let jobs = [client.train(&small_job()), client.train(&other)];
    let models = jobs.map(|job| client.ended(&job)["best_model_id"].as_str().unwrap().to_owned());
    let [a, b] = &models;
    models.iter().for_each(|id| is_well_formed(&client, id));

    // Pages of models, newest first.
    let first = client.get("models?limit=1");
    assert_eq!(first.ok(200)[0]["model_id"], *b);
    let link = first.header("link").unwrap();
    let second = client.get(link[1..].split_once('>').unwrap().0);
    assert_eq!((second.ok(200)[0]["model_id"].as_str(), second.header("link")), (Some(a.as_str()), None));

    let asked = json!({"model_ids": models});
    let compared = client.post_with_key("compare", "compare", &asked).ok(200);
    assert_eq!(compared["models"].as_array().unwrap().len(), 2);
    assert_eq!(compared["metric_comparison"].as_object().unwrap().len(), 5);
    let pair = compared["statistical_significance"].as_object().unwrap().values().next().unwrap();
    for test in ["mcnemar", "delong", "bootstrap"] {
        assert!((0.0..=1.0).contains(&pair[test]["p_value"].as_f64().unwrap()), "{test}: {pair}");
    }
    // One sentence that follows from the interval of the difference.
    let interval: Vec<f64> = serde_json::from_value(pair["delong"]["interval_95"].clone()).unwrap();
    let said = match (interval[0] > 0.0, interval[1] < 0.0) {
        (true, _) => " ranks better than ",
        (_, true) => " ranks worse than ",
        _ => " cannot be told apart from ",
    };
    assert!(pair["verdict"].as_str().unwrap().contains(said), "{pair}");
    let verdict = compared["verdict"].as_str().unwrap();
    assert!(
        verdict.contains(": AUC ") && verdict.contains(&a[a.len() - 4..]) && verdict.contains(&b[b.len() - 4..]),
        "{verdict}"
    );
    assert_eq!(said == " cannot be told apart from ", verdict.contains(" cannot be told apart from "), "{verdict}");
    assert_eq!(said == " cannot be told apart from ", compared["highest_beyond_chance"].get("auc_roc").is_none());
    assert_eq!(compared["rows"], pair["rows"]);
    assert_eq!(compared["metric_intervals_95"]["auc_roc"].as_object().unwrap().len(), 2);
    let drawn = compared["comparison_plots"].as_object().unwrap();
    assert_eq!(drawn.len(), 3, "wide and narrow: {drawn:?}");
    assert!(!drawn.is_empty());
    drawn.values().for_each(|address| is_picture(&client, address.as_str().unwrap()));
    assert_eq!(client.post_with_key("compare", "compare", &asked).ok(200), compared);
    let plain = json!({"model_ids": models, "metrics": ["f1", "roc_auc"], "include_visualizations": false});
    let compared = client.post("compare", &plain).ok(200);
    assert_eq!(compared["metric_comparison"].as_object().unwrap().keys().collect::<Vec<_>>(), ["auc_roc", "f1_score"]);
    assert_eq!(compared["comparison_plots"], json!({}));

    // Nothing but a picture leaves the artifact store through a plot's address.
    let sha256 = client.get(&format!("models/{a}")).ok(200)["model_sha256"].as_str().unwrap().to_owned();
    client.get(&format!("compare/plots/{sha256}.png")).problem(404);

    assert_eq!(active(&client), Vec::<String>::new());
    let activated = client.send("POST", &format!("activate/{a}"), &[], Some(b"")).ok(200);
    assert_eq!((&activated["model_id"], &activated["is_active"]), (&json!(a), &json!(true)));
    client.post(&format!("activate/{b}"), &json!({"model_id": a})).problem(422);
    client.post(&format!("activate/{b}"), &json!({"because": 1})).problem(422);
    client.post("activate/model_xgboost_01a208aa82827cecbe32d12f08c4c57b", &json!(null)).problem(404);
    assert_eq!(active(&client), [a.as_str()]);
    client.post(&format!("activate/{b}"), &json!({"model_id": b, "reason": "a trial"})).ok(200);
    assert_eq!(active(&client), [b.as_str()]);
    assert_eq!(client.get("models?active_only=true").ok(200)[0]["model_id"], *b);
    assert_eq!(client.get("activations").ok(200)[0]["reason"], "a trial");
    for _ in 0..2 {
        assert_eq!(client.post_with_key("rollback", "back", &json!({})).ok(200)["model_id"], *a, "once per key");
    }
    assert_eq!(active(&client), [a.as_str()]);
    // The history in pages, and at any time.
    let page = client.get("activations?limit=2");
    let history = page.ok(200);
    assert_eq!((history[0]["model_id"].as_str(), history[0]["rev"].as_u64()), (Some(a.as_str()), Some(3)));
    let link = page.header("link").unwrap();
    let older = client.get(link[1..].split_once('>').unwrap().0);
    assert_eq!((older.ok(200)[0]["rev"].as_u64(), older.header("link")), (Some(1), None));
    let time = history[1]["activated_at"].as_str().unwrap();
    assert_eq!(client.get(&format!("activations?at={time}")).ok(200), json!([history[1]]));
    assert_eq!(client.get("activations?at=2001-01-01T00:00:00Z").ok(200), json!([]));
    assert_eq!(client.get("activations?at=yesterday&cursor=x").problem(422), ["/at", "/cursor"]);
    assert_eq!(client.get("decisions").ok(200), json!([]), "jobs by hand pass no gate");
    let counts = client.get("status").ok(200)["models"].clone();
    assert_eq!(counts, json!({"total": 2, "active": 1, "active_model_id": a}));

    // Evaluated again, without plots: the same numbers at a later time.
    let before = client.get(&format!("evaluate/{a}/results")).ok(200);
    assert_eq!(
        client.post(&format!("evaluate/{a}?generate_plots=perhaps"), &json!({})).problem(422),
        ["/generate_plots"]
    );
    let accepted = client.post(&format!("evaluate/{a}?generate_plots=false"), &json!({})).ok(202);
    assert!(accepted["task_id"].is_string() && accepted["model_id"] == *a && accepted["success"] == true);
    let begun = Instant::now();
    let after = loop {
        let results = client.get(&format!("evaluate/{a}/results")).ok(200);
        if results["evaluation_date"] != before["evaluation_date"] {
            break results;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no new evaluation");
    };
    assert_eq!((&after["metrics"], &after["calibration_bins"]), (&before["metrics"], &before["calibration_bins"]));
    assert_eq!(after["roc_curve_plot"], json!(null));
    client.get(&format!("evaluate/{a}/plots/roc_curve.png")).problem(404);
}

#[test]
fn decisions_are_listed_newest_first_in_pages_with_a_link() {
    let place = place_with_points(20);
    let began = Utc::now();
    let jobs: Vec<JobId> = (0..3_u32).map(|n| JobId::new(began, n.into())).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = SqliteStore::open(&place.path("data"), began).unwrap();
    for (n, job) in jobs.iter().enumerate() {
        let decision = GateDecision {
            job_id: job.clone(),
            challenger_id: ModelId::new(Algorithm::Xgboost, began, n as u128),
            champion_id: None,
            decided_at: began + TimeDelta::seconds(n as i64),
            outcome: GateOutcome::Kept,
            reason: "no better than chance".to_owned(),
            improvement_threshold: 0.02,
            evidence: None,
        };
        runtime.block_on(store.decide(decision, vec![])).unwrap();
    }
    drop(store);
    let server = Server::start(&place);
    let client = Client::of(&server);
    let listed = |list: Value| {
        let ids = list.as_array().unwrap().iter().map(|decision| decision["job_id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let newest_first: Vec<&str> = jobs.iter().rev().map(JobId::as_str).collect();
    let all = client.get("decisions");
    assert_eq!(
        (listed(all.ok(200)), all.header("link")),
        (newest_first.iter().map(ToString::to_string).collect(), None)
    );
    let first = client.get("decisions?limit=2");
    assert_eq!(listed(first.ok(200)), newest_first[..2]);
    let link = first.header("link").unwrap();
    let second = client.get(link[1..].split_once('>').unwrap().0);
    assert_eq!(listed(second.ok(200)), newest_first[2..]);
    assert_eq!(second.header("link"), None);
}
