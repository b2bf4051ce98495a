//! Deaths and damage: a killed server goes on where it was, to the same bytes; a broken artifact is told and changes nothing.
#![allow(clippy::unwrap_used)]

use crate::command::{Place, copy};
use crate::http::long_job;
use crate::serving::Server;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

const BASE: &str = "/api/v1/model-training";
const ROWS: &str = "700";

/// One request over a connection of its own; the answer's body as a stream, and its status.
fn open(url: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, impl BufRead + use<>) {
    let host = url.strip_prefix("http://").unwrap();
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream = TcpStream::connect(host).unwrap();
    // HTTP/1.0 answers end with the connection, event streams too: no chunks to undo.
    write!(
        stream,
        "{method} {BASE}{path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    while line.trim() != "" {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    (status, reader)
}

pub fn ask(server: &Server, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let (status, mut reader) = open(&server.url, method, path, body);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    (status, serde_json::from_str(&text).unwrap())
}

pub fn submit(server: &Server, config: &Value) -> String {
    let (status, answer) = ask(server, "POST", "/train", Some(config));
    assert_eq!(status, 202, "{answer}");
    answer["job_id"].as_str().unwrap().to_owned()
}

pub fn job(server: &Server, id: &str) -> Value {
    ask(server, "GET", &format!("/jobs/{id}"), None).1
}

/// Reads the job's event stream until `enough`; answers every event seen, as (name, data).
pub fn events(server: &Server, id: &str, enough: impl Fn(&str, &Value) -> bool) -> Vec<(String, Value)> {
    let (status, reader) = open(&server.url, "GET", &format!("/jobs/{id}/events"), None);
    assert_eq!(status, 200);
    let (mut seen, mut name) = (Vec::new(), String::new());
    for line in reader.lines() {
        let line = line.unwrap();
        if let Some(event) = line.strip_prefix("event:") {
            name = event.trim().to_owned();
        } else if let Some(data) = line.strip_prefix("data:") {
            let data: Value = serde_json::from_str(data.trim()).unwrap();
            let end = enough(&name, &data);
            seen.push((name.clone(), data));
            if end {
                return seen;
            }
        }
    }
    panic!("the stream ended before what was waited for: {seen:?}");
}

/// Whether this event is the one to wait for.
type Point = dyn Fn(&str, &Value) -> bool;

pub fn final_state(name: &str, data: &Value) -> bool {
    name == "state" && ["completed", "failed", "cancelled"].iter().any(|s| data["status"] == **s)
}

/// Algorithm to SHA-256 of every model; fails if an algorithm has two.
fn models(server: &Server) -> BTreeMap<String, String> {
    let (_, models) = ask(server, "GET", "/models?limit=200", None);
    let models = models.as_array().unwrap();
    let text = |m: &Value, key: &str| m[key].as_str().unwrap().to_owned();
    let found: BTreeMap<_, _> = models.iter().map(|m| (text(m, "algorithm"), text(m, "model_sha256"))).collect();
    assert_eq!(found.len(), models.len(), "a model was registered twice: {models:?}");
    found
}

/// A folder with data, and others with a copy of it: the same rows, the same salt.
fn places<const N: usize>() -> [Place; N] {
    let first = Place::new();
    assert_eq!(first.run(&["sample", "--rows", ROWS, "--seed", "5", "--out", "s.jsonl"]).code, Some(0));
    let ran = first.run(&["import", "s.jsonl", "--verified", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut places = vec![first];
    while places.len() < N {
        let place = Place::new();
        copy(&places[0].path("data"), &place.path("data"));
        places.push(place);
    }
    places.try_into().unwrap_or_else(|_| unreachable!("as many as asked for"))
}

fn config() -> Value {
    json!({
        "algorithms": ["logistic_regression", "random_forest", "xgboost", "ensemble"],
        "tuning_iterations": 10, "cross_validation_folds": 3, "min_samples": 100, "feature_selection": "lasso",
    })
}

#[test]
fn killed_anywhere_it_goes_on_to_the_same_bytes() {
    let [calm, killed] = places();

    let mut server = Server::start(&calm);
    let id = submit(&server, &config());
    events(&server, &id, final_state);
    assert_eq!(job(&server, &id)["status"], "completed", "{}", job(&server, &id));
    let expected = models(&server);
    assert_eq!(expected.len(), 4);
    assert_eq!(server.terminate(), Some(0));

    let server = Server::start(&killed);
    let id = submit(&server, &config());
    drop(server); // killed right after the 202
    let mut progress = 0.0;
    let trial = |algorithm: &'static str, index: u64| {
        move |name: &str, data: &Value| name == "trial" && data["algorithm"] == algorithm && data["index"] == index
    };
    let registered = |name: &str, data: &Value| name == "log" && data.to_string().contains("registered as");
    let points: [Box<Point>; 5] = [
        Box::new(trial("logistic_regression", 0)),
        Box::new(registered),
        Box::new(trial("random_forest", 4)),
        Box::new(|name, data| name == "log" && data.to_string().contains("random_forest: fitted")),
        Box::new(trial("xgboost", 9)),
    ];
    for point in points {
        let server = Server::start(&killed);
        events(&server, &id, point);
        let now = job(&server, &id)["progress_percentage"].as_f64().unwrap();
        assert!(now >= progress, "progress went back from {progress} to {now}");
        progress = now;
        drop(server);
    }
    let mut server = Server::start(&killed);
    let seen = events(&server, &id, final_state);
    let done = job(&server, &id);
    assert_eq!((done["status"].as_str(), &done["warnings"]), (Some("completed"), &json!([])), "{done}");
    assert_eq!(done["trained_models"].as_array().unwrap().len(), 4, "{done}");
    assert_eq!(models(&server), expected);
    // No trial is told twice, and none is missing.
    for algorithm in ["logistic_regression", "random_forest", "xgboost"] {
        let mut told: Vec<u64> = seen
            .iter()
            .filter(|(name, data)| name == "trial" && data["algorithm"] == algorithm)
            .map(|(_, data)| data["index"].as_u64().unwrap())
            .collect();
        told.sort_unstable();
        assert_eq!(told, (0..10).collect::<Vec<_>>(), "{algorithm}");
    }
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn sigterm_interrupts_a_job_that_the_next_start_ends() {
    let [place] = places();
    let mut server = Server::start(&place);
    let id = submit(&server, &long_job());
    events(&server, &id, |name, _| name == "trial");
    assert_eq!(server.terminate(), Some(0), "an orderly stop exits 0 with a job running too");

    let mut server = Server::start(&place);
    events(&server, &id, final_state);
    let done = job(&server, &id);
    assert_eq!(done["status"], "completed", "{done}");
    let logs = done["logs"].to_string();
    assert!(logs.contains("interrupted by a shutdown") && !logs.contains("had died"), "{logs}");
    assert_eq!(models(&server).len(), 1);
    assert_eq!(server.terminate(), Some(0));
}

fn artifact(place: &Place, sha: &str) -> PathBuf {
    place.path(&format!("data/artifacts/{}/{}/{sha}", &sha[..2], &sha[2..4]))
}

#[test]
fn a_damaged_artifact_is_told_and_the_active_model_stays() {
    let [place] = places();
    let config = json!({
        "algorithms": ["logistic_regression", "random_forest"], "hyperparameter_tuning": "none",
        "cross_validation_folds": 3, "min_samples": 100,
    });
    let mut server = Server::start(&place);
    server.expects(&["is corrupt"]);
    let id = submit(&server, &config);
    events(&server, &id, final_state);
    let (_, found) = ask(&server, "GET", "/models", None);
    let of = |algorithm: &str| {
        let model = found.as_array().unwrap().iter().find(|m| m["algorithm"] == algorithm).unwrap();
        (model["model_id"].as_str().unwrap().to_owned(), model["model_sha256"].as_str().unwrap().to_owned())
    };
    let ((good, _), (bad, sha)) = (of("logistic_regression"), of("random_forest"));
    assert_eq!(ask(&server, "POST", &format!("/activate/{good}"), None).0, 200);

    let path = artifact(&place, &sha);
    let bytes = std::fs::read(&path).unwrap();
    for damage in ["truncated", "missing"] {
        match damage {
            "truncated" => std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
            _ => std::fs::remove_file(&path).unwrap(),
        }
        let compare = json!({"model_ids": [good, bad]});
        for (request, body, expected) in [
            (format!("/activate/{bad}"), None, (409, "cannot_serve")),
            (format!("/evaluate/{bad}"), None, (500, "internal")),
            ("/compare".to_owned(), Some(&compare), (500, "internal")),
        ] {
            let (status, problem) = ask(&server, "POST", &request, body);
            let detail = problem["detail"].as_str().unwrap();
            assert_eq!((status, problem["code"].as_str().unwrap()), expected, "{damage}: {request}: {problem}");
            assert!(detail.contains("corrupt") && detail.contains(&sha), "{damage}: {request}: {detail}");
        }
        let (_, active) = ask(&server, "GET", "/models?active_only=true", None);
        assert_eq!(active[0]["model_id"], good.as_str());
    }
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(ask(&server, "POST", &format!("/activate/{bad}"), None).0, 200, "restored, it is as good as before");
    assert_eq!(server.terminate(), Some(0));
}
