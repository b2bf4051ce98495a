//! `backup` beside a service at work, `restore` elsewhere, and a service on what was restored.
#![allow(clippy::unwrap_used)]

use crate::broker::wait_for;
use crate::command::{Place, points};
use crate::http::{Client, long_job, place_with_points, small_job};
use crate::serving::Server;
use serde_json::{Value, json};
use std::time::Duration;

/// The results of a new evaluation.
fn scored(client: &Client, model: &str) -> Value {
    let path = format!("evaluate/{model}/results");
    let before = client.get(&path).ok(200)["evaluation_date"].clone();
    client.post(&format!("evaluate/{model}"), &json!({})).ok(202);
    let now = || client.get(&path).ok(200);
    wait_for("a new evaluation", Duration::from_secs(60), || now()["evaluation_date"] != before);
    let mut results = now();
    results.as_object_mut().unwrap().remove("evaluation_date");
    results
}

#[test]
fn what_a_service_at_work_had_is_served_elsewhere() {
    let place = place_with_points(600);
    let server = Server::start(&place);
    let client = Client::of(&server);
    let job = client.ended(&client.train(&small_job()));
    let model = job["best_model_id"].as_str().unwrap().to_owned();
    client.post(&format!("activate/{model}"), &json!({})).ok(200);

    // At work: a long search, and an import beside it.
    let running = client.train(&long_job());
    client.events(&running, 0, |event| event.kind == "trial");
    place.file("more.jsonl", points(0..20_000));
    let mut import =
        place.command(&["import", "more.jsonl", "--json"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    let ran = place.run(&["backup", "kept", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!((&ran.json()["backup"], &ran.json()["damaged"]), (&json!("kept"), &json!([])));
    assert!(import.wait().unwrap().success());
    let again = place.run(&["backup", "kept"]);
    assert_eq!(again.code, Some(2), "{again:?}");
    let (models, results) = (client.get("models").ok(200), scored(&client, &model));

    let elsewhere = Place::new();
    let kept = place.path("kept").display().to_string();
    // The folder of a service is refused, and named.
    let over = place.run(&["restore", &kept]);
    assert!(over.code == Some(2) && over.err.contains(&format!("process {}", server.process.id())), "{over:?}");
    drop(server);
    let over = place.run(&["restore", &kept]);
    assert!(over.code == Some(2) && over.err.contains("not empty"), "{over:?}");
    let ran = elsewhere.run(&["restore", &kept, "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");

    let mut server = Server::start(&elsewhere);
    let client = Client::of(&server);
    let restored = client.get("models").ok(200);
    assert!(
        restored
            .as_array()
            .unwrap()
            .contains(&models.as_array().unwrap().iter().find(|m| m["model_id"] == model.as_str()).unwrap().clone())
    );
    assert_eq!(client.get("models?active_only=true").ok(200)[0]["model_id"], model.as_str());
    assert_eq!(scored(&client, &model), results, "the model predicts the same");
    let total = client.post("data-quality", &small_job()).ok(200)["total_samples"].as_u64().unwrap();
    assert!((600..=20_600).contains(&total), "{total}");
    // The job goes on from its trials.
    let job = client.ended(&running);
    assert_eq!(job["status"], "completed", "{job}");
    assert!(job["logs"].to_string().contains("resumed"), "{job}");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_damaged_backup_is_refused_and_changes_nothing() {
    let place = place_with_points(200);
    assert_eq!(place.run(&["backup", "kept"]).code, Some(0));
    let database = place.path("kept/provost.db");
    let mut bytes = std::fs::read(&database).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&database, bytes).unwrap();
    let ran = place.run(&["restore", "kept", "--data-dir", "other"]);
    assert!(ran.code == Some(1) && ran.err.contains("corrupt") && ran.err.contains("provost.db"), "{ran:?}");
    assert!(!place.path("other").exists());
    for (arguments, wanted) in [
        (["restore", "nowhere", "--data-dir", "other"], "no backup"),
        (["backup", "new", "--data-dir", "other"], "nothing to back up"),
    ] {
        let ran = place.run(&arguments);
        assert!(ran.code == Some(2) && ran.err.contains(wanted), "{ran:?}");
    }
    assert!(!place.path("other").exists() && !place.path("new").exists());
}
