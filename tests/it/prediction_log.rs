//! The log of predictions and the shadow models, over HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::auth::until;
use crate::http::{Client, place_with_points};
use crate::inference::second_model;
use crate::predictions::{application, serving, serving_with};
use provost_domain::features::FEATURES;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The log, once it has so many entries.
fn log(client: &Client, query: &str, entries: usize) -> Vec<Value> {
    let mut found = Vec::new();
    until("the predictions are logged", || {
        found = client.get(&format!("predictions?limit=200{query}")).ok(200).as_array().unwrap().clone();
        found.len() == entries
    });
    found
}

#[test]
fn shadow_models_score_what_the_serving_model_answers_and_all_of_it_is_logged() {
    let place = place_with_points(600);
    let (mut server, client, active) = serving(&place);
    let shadow = second_model(&client);
    let put =
        |ids: &[&str]| client.send("PUT", "shadow", &[], Some(json!({ "model_ids": ids }).to_string().as_bytes()));
    assert_eq!(client.get("shadow").ok(200)["model_ids"], json!([]));
    let selected = put(&[&shadow]).ok(200);
    assert_eq!((&selected["model_ids"], &selected["dropped"]), (&json!([shadow]), &json!(0)));
    assert_eq!(put(&[&active.replace("_0", "_1")]).status, 404);
    assert_eq!(put(&["a", "b", "c", "d"]).problem(422)[0], "/model_ids");
    assert_eq!(client.get("shadow").ok(200)["model_ids"], json!([shadow]), "what is refused changes nothing");

    // An application with an id, and rows of features by both protocols.
    let mut named = application(3.7);
    named["data_point_id"] = json!("app-7");
    named["profile"]["nationality"] = json!("Atlantis");
    let answer = client.post("predict", &named).ok(200);
    let tensors: Vec<Value> =
        FEATURES.map(|name| json!({"name": name, "shape": [2], "datatype": "FP64", "data": [0.5, null]})).to_vec();
    let inferred = client.post("/v2/models/admission/infer", &json!({ "inputs": tensors })).ok(200);
    let record: serde_json::Map<String, Value> =
        FEATURES.map(|name| (name.to_owned(), json!(0.25))).into_iter().collect();
    let table = json!({ "instances": [record] }).to_string();
    let kind = [("content-type", "application/json")];
    let invoked = client.send("POST", "/invocations", &kind, Some(table.as_bytes())).ok(200);
    let logged = log(&client, "", 4);
    let mut probabilities: Vec<f64> = logged.iter().map(|entry| entry["probability"].as_f64().unwrap()).collect();
    let mut expected: Vec<f64> = inferred["outputs"][0]["data"]
        .as_array()
        .unwrap()
        .iter()
        .chain(invoked["predictions"].as_array().unwrap())
        .chain([&answer["predictions"][0]["probability"]])
        .map(|p| p.as_f64().unwrap())
        .collect();
    probabilities.sort_by(f64::total_cmp);
    expected.sort_by(f64::total_cmp);
    assert_eq!(probabilities, expected);
    let id = answer["predictions"][0]["prediction_id"].as_str().unwrap();
    let entry = logged.iter().find(|entry| entry["prediction_id"] == id).unwrap();
    let members: BTreeSet<&str> = entry.as_object().unwrap().keys().map(String::as_str).collect();
    let shape = [
        "prediction_id",
        "predicted_at",
        "model_id",
        "data_point_id",
        "probability",
        "predicted_outcome",
        "outcome",
        "features",
    ];
    assert_eq!(members, shape.into(), "no name, no attribute, not who asked");
    assert!(!entry.to_string().contains("Atlantis"));
    assert_eq!((&entry["data_point_id"], &entry["model_id"]), (&json!("app-7"), &json!(active)));
    assert_eq!(entry["features"].as_object().unwrap().len(), 12);
    let of_features = logged.iter().find(|entry| entry["features"][FEATURES[0]] == json!(0.25)).unwrap();
    assert_eq!((&of_features["data_point_id"], &of_features["outcome"]), (&Value::Null, &Value::Null));
    // Each row was scored by the shadow model, which has the same features.
    until("the shadow model has scored them", || client.get("shadow").ok(200)["models"][0]["predictions"] == json!(4));
    let report = client.get("shadow").ok(200);
    let model = &report["models"][0];
    assert!(
        report["since"].is_string() && model["agreement"].is_f64() && model["mean_difference"].is_f64(),
        "{report}"
    );
    assert_eq!(
        (&model["model_id"], &model["with_outcome"], &model["metrics"]),
        (&json!(shadow), &json!(0), &Value::Null)
    );

    // The log is filtered and paged.
    assert_eq!(log(&client, &format!("&model_id={shadow}"), 0), [] as [Value; 0]);
    assert_eq!(log(&client, "&from=2000-01-01T00:00:00Z&to=2000-01-02T00:00:00Z", 0), [] as [Value; 0]);
    assert_eq!(client.get("predictions?from=yesterday&outcome=maybe").problem(422), ["/from", "/outcome"]);
    let first = client.get("predictions?limit=3");
    assert_eq!(first.json().as_array().unwrap().len(), 3);
    let next = first.header("link").unwrap().split(['<', '>']).nth(1).unwrap().to_owned();
    assert_eq!(client.get(&next).ok(200).as_array().unwrap().len(), 1);
    assert_eq!(first.header("prediction-log-sample"), Some("1"));
    // The outcome arrives with a point of that id.
    let mut outcome = named;
    outcome["decision"] = json!("accepted");
    place.file("outcome.jsonl", format!("{outcome}\n"));
    assert_eq!(place.run(&["import", "outcome.jsonl"]).code, Some(0));
    assert_eq!(log(&client, "&outcome=accepted", 1)[0]["prediction_id"], id);
    assert_eq!(client.get(&format!("predictions/{id}")).ok(200)["outcome"], "accepted");
    assert_eq!(client.get("predictions/pred_none").ok(404)["code"], "prediction_not_found");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn large_batches_are_logged_as_a_sample_and_the_log_says_so() {
    let place = place_with_points(600);
    let (mut server, client, _) = serving_with(&place, &[("PROVOST_PREDICT__LOG_SAMPLE", "10")]);
    let many = json!({"applications": vec![application(3.5); 1_001]});
    assert_eq!(client.post("predict", &many).ok(200)["predictions"].as_array().unwrap().len(), 1_001);
    client.post("predict", &application(3.1)).ok(200);
    let answer = client.get("predictions");
    assert_eq!(answer.header("prediction-log-sample"), Some("0.1"));
    // What was asked last is logged last.
    let mut entries = 0;
    until("the last one is logged", || {
        let page = client.get("predictions?limit=200").ok(200);
        entries = page.as_array().unwrap().len();
        page[0]["probability"] != page[1]["probability"] && entries > 1
    });
    assert!((30..200).contains(&entries), "{entries}");
    assert_eq!(server.terminate(), Some(0));
}
