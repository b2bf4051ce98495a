//! `serve` on MongoDB: two processes, each with a data folder of its own, see the same points, jobs, models and artifacts.
#![allow(clippy::unwrap_used)]

use crate::broker::wait_for;
use crate::command::Place;
use crate::durability::{ask, events, final_state, job, submit};
use crate::http::long_job;
use crate::mongo_server::Server as Mongo;
use crate::serving::Server;
use serde_json::Value;
use std::cell::Cell;
use std::time::Duration;

const STORE: &str = "PROVOST_STORE__URL";

fn json(place: &Place, database: &str, arguments: &[&str]) -> Value {
    let output = place.command(arguments).env(STORE, database).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn a_service_on_mongodb_trains_activates_and_is_all_there_on_another_host() {
    let Some(mongo) = Mongo::start() else { return };
    let database = mongo.database();
    let first = Place::new();
    first.file("a.jsonl", crate::command::points(0..600));
    let report = json(&first, &database, &["import", "a.jsonl", "--json"]);
    assert_eq!(report["inserted"], 600, "{report}");
    let doctor = first.command(&["doctor"]).env(STORE, &database).output().unwrap();
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.contains("✓ store") && doctor.contains("600 points"), "{doctor}");

    let mut server = Server::start_with(&first, &[(STORE, &database)]);
    let job = r#"{"use_verified_only": false, "min_samples": 100, "algorithms": ["logistic_regression"],
        "hyperparameter_tuning": "none", "cross_validation_folds": 3}"#;
    first.file("job.json", job);
    let done = json(&first, &database, &["train", "--config", "job.json", "--wait", "--url", &server.url, "--json"]);
    assert_eq!(done["status"], "completed", "{done}");
    let model = done["best_model_id"].as_str().unwrap().to_owned();
    json(&first, &database, &["activate", &model, "--url", &server.url, "--json"]);
    assert_eq!(server.terminate(), Some(0));

    // Another host: nothing but the address.
    let second = Place::new();
    let mut server = Server::start_with(&second, &[(STORE, &database)]);
    let status = json(&second, &database, &["status", "--url", &server.url, "--json"]);
    assert_eq!(status["models"]["active_model_id"], model.as_str(), "{status}");
    assert_eq!(status["jobs"]["completed"], 1, "{status}");
    let base = format!("{}/api/v1/model-training", server.url);
    let mut plot = ureq::get(format!("{base}/evaluate/{model}/plots/roc_curve.png")).call().unwrap();
    let bytes = plot.body_mut().read_to_vec().unwrap();
    assert!(bytes.starts_with(b"\x89PNG"), "an artifact that only the first host has made");
    let evaluated: Value =
        ureq::post(format!("{base}/evaluate/{model}")).send_empty().unwrap().body_mut().read_json().unwrap();
    assert_eq!(evaluated["model_id"], model.as_str(), "{evaluated}");
    assert_eq!(server.terminate(), Some(0));
}

/// Two services on one store: the first is frozen for longer than its lease, the second ends its job, and what the first does
/// when it wakes up changes nothing.
#[test]
fn a_frozen_services_job_is_ended_by_another_and_done_once() {
    let Some(mongo) = Mongo::start() else { return };
    let database = mongo.database();
    let environment = [(STORE, database.as_str()), ("PROVOST_STORE__LEASE", "2s")];
    let (first, second) = (Place::new(), Place::new());
    first.file("a.jsonl", crate::command::points(0..600));
    assert_eq!(json(&first, &database, &["import", "a.jsonl", "--json"])["inserted"], 600);
    let frozen = Server::start_with(&first, &environment);
    frozen.expects(&["the lease is lost", "the job was not settled by this driver", "saving a job"]);
    let id = submit(&frozen, &long_job());
    events(&frozen, &id, |name, _| name == "trial");
    let other = Server::start_with(&second, &environment);
    other.expects(&["taken over: its holder has fallen silent"]);
    frozen.signal("STOP");
    events(&other, &id, final_state);
    let done = job(&other, &id);
    frozen.signal("CONT");
    assert_eq!(done["status"], "completed", "{done}");
    let drivers = done["logs"].as_array().unwrap().iter().filter_map(Value::as_str);
    let drivers: Vec<&str> = drivers.filter(|l| l.contains("started by") || l.contains("resumed by")).collect();
    let process = |server: &Server| format!("-{}-", server.process.id());
    assert_eq!(drivers.len(), 2, "{drivers:?}");
    assert!(drivers[0].contains(&process(&frozen)) && drivers[1].contains(&process(&other)), "{drivers:?}");
    // It is heard again, and says what the store says.
    assert_eq!(job(&frozen, &id), done);
    let (_, models) = ask(&other, "GET", "/models?limit=200", None);
    assert_eq!(models.as_array().unwrap().len(), 1, "{models}");
    let next = submit(&frozen, &long_job());
    events(&frozen, &next, final_state);
    assert_eq!(job(&other, &next)["status"], "completed");
}

/// A store that is away is no failed attempt of the work that waits for it.
#[test]
fn a_job_outlasts_more_outages_of_its_store_than_a_unit_has_attempts() {
    let Some(mut mongo) = Mongo::start() else { return };
    if !mongo.is_ours() {
        eprintln!("SKIPPED: the MongoDB that PROVOST_TEST_MONGODB names is not to be killed");
        return;
    }
    let database = mongo.database();
    let place = Place::new();
    place.file("a.jsonl", crate::command::points(0..600));
    assert_eq!(json(&place, &database, &["import", "a.jsonl", "--json"])["inserted"], 600);
    let environment = [(STORE, database.as_str()), ("PROVOST_JOBS__ATTEMPTS", "1"), ("PROVOST_JOBS__BACKOFF", "100ms")];
    let server = Server::start_with(&place, &environment);
    // Whatever is told of the outages: it names the store.
    server.expects(&["the store is"]);
    let id = submit(&server, &long_job());
    for outage in 1..=4 {
        let told = Cell::new(0);
        events(&server, &id, |name, _| {
            told.set(told.get() + u32::from(name == "trial"));
            told.get() == 2 * outage
        });
        mongo.kill();
        let refused = ask(&server, "GET", "/jobs", None);
        assert_eq!(refused.0, 503, "{}", refused.1);
        mongo.revive();
        wait_for("answer", Duration::from_secs(20), || ask(&server, "GET", "/jobs", None).0 == 200);
    }
    events(&server, &id, final_state);
    let done = job(&server, &id);
    assert_eq!(done["status"], "completed", "{done}");
    let logs = done["logs"].to_string();
    assert!(logs.contains("the store is unavailable") && !logs.contains("attempt"), "{logs}");
}

#[test]
fn a_mongodb_that_does_not_answer_is_said_so_without_its_password() {
    let place = Place::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("mongodb://olga:geheim@{free}/provost");
    for command in [&["doctor"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = place.command(command).env(STORE, &url).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&free.to_string()) && !said.contains("geheim") && !said.contains("olga"), "{said}");
        // What the driver adds for programs is left out.
        assert!(!said.contains("labels"), "{said}");
    }
}
