//! `serve` on MongoDB: two processes, each with a data folder of its own, see the same points, jobs, models and artifacts.
#![allow(clippy::unwrap_used)]

use crate::broker::wait_for;
use crate::command::Place;
use crate::durability::{ask, events, final_state, job, submit};
use crate::http::long_job;
use crate::mongo_server::Server as Mongo;
use crate::serving::Server;
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::{Duration, Instant};

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
    frozen.expects(&["the lease is lost", "the job was not settled by this driver", "saving job"]);
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

/// How often writes of jobs have met an outage of the store.
fn met_outages(server: &Server) -> u64 {
    let text = ureq::get(&format!("{}/metrics", server.url)).call().unwrap().body_mut().read_to_string().unwrap();
    let line = text.lines().find(|line| line.starts_with("provost_failures_total{component=\"jobs\",kind=\"outage\"}"));
    line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
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
    let mut quick = long_job();
    quick["grids"]["gradient_boosting"]["n_estimators"] = json!([300]);
    let id = submit(&server, &quick);
    for outage in 1..=4 {
        let told = Cell::new(0);
        events(&server, &id, |name, _| {
            told.set(told.get() + u32::from(name == "trial"));
            told.get() == 2 * outage
        });
        let before = met_outages(&server);
        mongo.kill();
        let refused = ask(&server, "GET", "/jobs", None);
        assert_eq!(refused.0, 503, "{}", refused.1);
        wait_for("write of the job that meets the outage", Duration::from_secs(60), || met_outages(&server) > before);
        mongo.revive();
        wait_for("answer", Duration::from_secs(20), || ask(&server, "GET", "/jobs", None).0 == 200);
    }
    events(&server, &id, final_state);
    let done = job(&server, &id);
    assert_eq!(done["status"], "completed", "{done}");
    let logs = done["logs"].to_string();
    assert!(!logs.contains("attempt"), "{logs}");
}

/// Asks outside of the API's base path.
fn probe(server: &Server, path: &str) -> (u16, serde_json::Value) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut answer = agent.get(format!("{}{path}", server.url)).call().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_json().unwrap())
}

/// A frozen server neither refuses nor answers. The status is told all the same, with what is away, and the process is alive.
#[test]
fn the_status_is_answered_while_the_store_is_frozen_or_gone() {
    let Some(mut mongo) = Mongo::start() else { return };
    if !mongo.is_ours() {
        eprintln!("SKIPPED: the MongoDB that PROVOST_TEST_MONGODB names is not to be frozen");
        return;
    }
    let place = Place::new();
    let server = Server::start_with(&place, &[(STORE, &mongo.database())]);
    server.expects(&["the store", "MongoDB", "store is", "keys"]);
    let (code, status) = ask(&server, "GET", "/status", None);
    assert_eq!(
        (code, &status["status"], &status["models"]["total"]),
        (200, &json!("operational"), &json!(0)),
        "{status}"
    );
    for fault in ["frozen", "gone"] {
        match fault {
            "frozen" => mongo.signal("STOP"),
            _ => mongo.kill(),
        }
        let began = Instant::now();
        let (code, status) = ask(&server, "GET", "/status", None);
        // Its own bound is .9 s; the rest is for a busy machine. Without it the answer took a minute.
        assert!(began.elapsed() < Duration::from_secs(3), "{fault}: {:?}", began.elapsed());
        assert_eq!((code, &status["status"]), (200, &json!("degraded")), "{fault}: {status}");
        // It is told what was known last; whoever can wait for the outcome of a round trip hears it.
        let known = &status["components"]["store"]["health"];
        assert!(known == "down" || known == "degraded", "{fault}: {status}");
        let (code, ready) = probe(&server, "/readyz");
        assert_eq!((code, &ready["store"]), (503, &json!("down")), "{fault}: {ready}");
        assert_eq!(ask(&server, "GET", "/status", None).1["components"]["store"]["health"], "down", "{fault}");
        assert!(status["models"]["total"].is_null() && status["jobs"]["running"].is_null(), "{fault}: {status}");
        let said = status["components"]["store"].to_string();
        assert!(!said.contains("127.0.0.1"), "{said}");
        assert_eq!(probe(&server, "/livez").0, 200);
        if fault == "frozen" {
            mongo.signal("CONT");
            wait_for("store", Duration::from_secs(20), || {
                ask(&server, "GET", "/status", None).1["status"] == "operational"
            });
        }
    }
}

/// Before the store is open the process says that it is alive, and that everything else has to wait.
#[test]
fn a_process_is_alive_while_its_store_is_opened() {
    let Some(mongo) = Mongo::start() else { return };
    if !mongo.is_ours() {
        eprintln!("SKIPPED: the MongoDB that PROVOST_TEST_MONGODB names is not to be frozen");
        return;
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    mongo.signal("STOP");
    let (database, place) = (mongo.database(), Place::new());
    let status = |path: &str| {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        agent.get(format!("http://{free}{path}")).call().map_or(0, |answer| answer.status().as_u16())
    };
    let open = ("PROVOST_HTTP__OPEN_METRICS", "true");
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| Server::start_at(&place, &free, &[(STORE, &database), open]));
        wait_for("life", Duration::from_secs(20), || status("/livez") == 200);
        assert_eq!((status("/readyz"), status("/api/v1/model-training/status")), (503, 503));
        assert_eq!(status("/metrics"), 200);
        mongo.signal("CONT");
        let mut server = starting.join().unwrap();
        assert_eq!((status("/livez"), status("/readyz")), (200, 200));
        assert_eq!(server.terminate(), Some(0));
    });
}

/// Models of the replaced service are records: listed, compared by their figures, found by their old ids, and 409 wherever they
/// would have to predict.
#[test]
fn models_of_the_replaced_service_are_records_alone() {
    use mongodb::bson::{DateTime, doc, oid::ObjectId};
    let Some(mongo) = Mongo::start() else { return };
    let database = mongo.database();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let ids = [ObjectId::new(), ObjectId::new()];
    let model = |nth: usize, auc: f64| {
        doc! {"_id": ids[nth], "model_id": format!("rf_{nth}"), "algorithm": "random_forest", "training_date": DateTime::now(),
        "training_samples": 500, "metrics": {"accuracy": 0.8, "f1_score": auc - 0.1, "auc_roc": auc}, "is_active": nth == 0}
    };
    runtime.block_on(async {
        let client = mongodb::Client::with_uri_str(&database).await.unwrap();
        let there = client.default_database().unwrap();
        there.collection("ml_models").insert_many([model(0, 0.8), model(1, 0.9)]).await.unwrap();
        let job = doc! {"_id": ObjectId::new(), "job_id": "job_7", "status": "paused", "created_at": DateTime::now()};
        there.collection("training_jobs").insert_one(job).await.unwrap();
    });
    let place = Place::new();
    let server = Server::start_with(&place, &[(STORE, &database)]);
    server.expects(&["of the replaced service"]);
    let (code, first) = ask(&server, "GET", &format!("/models/{}", ids[0].to_hex()), None);
    assert_eq!((code, &first["is_active"]), (200, &json!(true)), "{first}");
    let ours = first["model_id"].as_str().unwrap();
    assert_eq!(ask(&server, "GET", "/models/rf_0", None), (200, first.clone()));
    assert_eq!(ask(&server, "GET", "/models/rf_7", None).0, 404);
    assert_eq!(ask(&server, "GET", "/metrics/rf_1", None).1["metrics"]["auc_roc"], 0.9);
    assert_eq!(ask(&server, "GET", "/jobs/job_7", None).1["status"], "failed");
    assert_eq!(ask(&server, "GET", "/jobs/job_8", None).0, 404);
    for (method, path) in [
        ("POST", "/activate/rf_1".to_owned()),
        ("POST", format!("/evaluate/{ours}")),
        ("GET", "/evaluate/rf_1/results".to_owned()),
        ("GET", format!("/evaluate/{ours}/plots/roc_curve.png")),
    ] {
        let (code, problem) = ask(&server, method, &path, None);
        assert_eq!((code, &problem["code"]), (409, &json!("no_artifact")), "{method} {path}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains("has no artifact"), "{problem}");
    }
    let asked = json!({"model_ids": ["rf_0", ids[1].to_hex()], "metrics": ["auc_roc", "f1_score"]});
    let (code, compared) = ask(&server, "POST", "/compare", Some(&asked));
    assert_eq!(code, 200, "{compared}");
    assert_eq!(compared["metric_comparison"]["auc_roc"][ours], 0.8, "{compared}");
    assert_eq!(compared["best_model_id"], ask(&server, "GET", "/models/rf_1", None).1["model_id"]);
    assert!(compared["warnings"][0].as_str().unwrap().contains("not made on the same rows"), "{compared}");
    let log = std::fs::read_to_string(place.path("serve.log")).unwrap();
    assert!(log.contains("paused") && log.contains("training_jobs.status"), "{log}");
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
