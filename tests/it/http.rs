//! A small HTTP client for tests, and tests of requests that the facade refuses.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::command::Place;
use crate::serving::Server;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::time::Duration;
use ureq::http::{HeaderMap, Request};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

pub const BASE: &str = "/api/v1/model-training";

/// A client of one server. Paths that do not begin with `/` are below the base path.
pub struct Client {
    agent: ureq::Agent,
    url: String,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }
    /// Checks the status and returns the body.
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self.json()
    }
    /// Checks the status and the members that every problem has; returns the pointers of the faults.
    pub fn problem(&self, status: u16) -> Vec<String> {
        let body = self.ok(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(body["status"], status);
        for member in ["type", "title", "detail", "code"] {
            assert!(body[member].as_str().is_some_and(|s| !s.is_empty()), "{member}: {body}");
        }
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        assert_eq!(errors.is_empty(), status != 422, "{body}");
        errors.iter().map(|e| e["pointer"].as_str().unwrap().to_owned()).collect()
    }
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: u64,
    pub kind: String,
    pub data: Value,
}

/// Parses server-sent events until `take` returns true or the stream ends.
fn read_events(stream: impl Read, mut take: impl FnMut(Event) -> bool) {
    let (mut id, mut kind) = (0, String::new());
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        match line.split_once(": ") {
            Some(("id", text)) => id = text.parse().unwrap(),
            Some(("event", text)) => kind = text.to_owned(),
            Some(("data", text)) => {
                if take(Event { id, kind: kind.clone(), data: serde_json::from_str(text).unwrap() }) {
                    break;
                }
            }
            _ => assert!(line.is_empty() || line.starts_with(':'), "{line}"),
        }
    }
}

impl Client {
    pub fn of(server: &Server) -> Self {
        Self::at(&server.url)
    }

    pub fn at(url: &str) -> Self {
        Self { agent: Self::agent(TlsConfig::default()), url: url.to_owned() }
    }

    /// A client over TLS that trusts this certificate (PEM).
    pub fn trusting(server: &Server, pem: &[u8]) -> Self {
        let root = Certificate::from_pem(pem).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[root]));
        let agent = Self::agent(tls.unversioned_rustls_crypto_provider(provider).build());
        Self { agent, url: server.url.clone() }
    }

    fn agent(tls: TlsConfig) -> ureq::Agent {
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).tls_config(tls);
        config.timeout_global(Some(Duration::from_secs(120))).build().into()
    }

    fn address(&self, path: &str) -> String {
        if path.starts_with('/') { format!("{}{path}", self.url) } else { format!("{}{BASE}/{path}", self.url) }
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        let mut request = Request::builder().method(method).uri(self.address(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = match body {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        }
        .unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            bytes: response.body_mut().read_to_vec().unwrap(),
        }
    }
    /// Sends a request with a key, or without one.
    pub fn with(&self, key: Option<&str>, method: &str, path: &str, body: Option<&[u8]>) -> Answer {
        let bearer = key.map(|key| format!("Bearer {key}"));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|b| ("authorization", b.as_str())).collect();
        self.send(method, path, &headers, body)
    }
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None)
    }
    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], None)
    }
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], Some(body.to_string().as_bytes()))
    }
    pub fn post_with_key(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("idempotency-key", key)], Some(body.to_string().as_bytes()))
    }

    /// The first event of a page's stream, requested from event `after` on.
    pub fn stream(&self, path: &str, after: u64) -> Event {
        let request = Request::builder().uri(self.address(path)).header("last-event-id", after.to_string());
        let response = self.agent.run(request.body(()).unwrap()).unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut first = None;
        read_events(response.into_body().into_reader(), |event| {
            first = Some(event);
            true
        });
        first.unwrap_or_else(|| panic!("{path}: the stream has no event"))
    }

    /// A job's events after `after` as they arrive, until `enough` is true or the stream ends.
    pub fn events(&self, job: &str, after: u64, mut enough: impl FnMut(&Event) -> bool) -> Vec<Event> {
        let request = Request::builder()
            .uri(self.address(&format!("jobs/{job}/events")))
            .header("last-event-id", after.to_string())
            .body(())
            .unwrap();
        let response = self.agent.run(request).unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut events: Vec<Event> = Vec::new();
        read_events(response.into_body().into_reader(), |event| {
            events.push(event);
            enough(events.last().unwrap())
        });
        events
    }

    /// Waits until a job ends, and returns its record.
    pub fn ended(&self, job: &str) -> Value {
        self.events(job, 0, |_| false);
        self.get(&format!("jobs/{job}")).ok(200)
    }

    pub fn train(&self, config: &Value) -> String {
        let accepted = self.post("train", config).ok(202);
        accepted["job_id"].as_str().unwrap().to_owned()
    }
}

/// A place whose store holds sampled points, most of them accepted or rejected.
pub fn place_with_points(rows: u32) -> Place {
    let place = Place::new();
    let drawn = place.run(&["sample", "--rows", &rows.to_string(), "--seed", "5", "--out", "points.jsonl"]);
    assert_eq!(drawn.code, Some(0), "{drawn:?}");
    let imported = place.run(&["import", "points.jsonl"]);
    assert_eq!(imported.code, Some(0), "{imported:?}");
    place
}

/// The smallest job: one learner with its defaults.
pub fn small_job() -> Value {
    json!({"algorithms": ["logistic_regression"], "hyperparameter_tuning": "none", "min_samples": 100,
        "cross_validation_folds": 3, "test_size": 0.3, "use_verified_only": false})
}

/// A search that runs for seconds, with a trial every few hundred milliseconds, for tests that act while a job runs.
/// Each candidate has its own number of trees, so that no fit gives the result of another candidate.
pub fn long_job() -> Value {
    let mut job = small_job();
    job["algorithms"] = json!(["gradient_boosting"]);
    job["hyperparameter_tuning"] = json!("grid_search");
    job["pruning"] = json!("none");
    job["grids"] = json!({"gradient_boosting":
        {"n_estimators": [3000], "max_depth": [4, 5, 6, 7], "learning_rate": [0.02, 0.05, 0.1]}});
    job
}

#[test]
fn bad_bodies_name_every_fault_at_once() {
    let place = Place::new();
    let server = Server::start(&place);
    let client = Client::of(&server);
    let pointers = |path: &str, body: &str| client.send("POST", path, &[], Some(body.as_bytes())).problem(422);

    for path in ["train", "data-quality", "compare"] {
        for body in ["", " \n", "{", "[]", "null", "\"x\"", "{\"min_samples\": 1e999}", "{\"test_size\": NaN}"] {
            assert_eq!(pointers(path, body), [""], "{path} {body}");
        }
        assert!(pointers(path, "{\"surprise\": 1}").contains(&"/surprise".to_owned()), "{path}");
    }
    let many = json!({"test_size": 0.9, "algorithms": [], "min_samples": "many", "tuning_iterations": 9, "n_jobs": 0,
        "selected_features": "gpa", "surprise": 1});
    let mut named = pointers("train", &many.to_string());
    named.sort();
    let all = [
        "/algorithms",
        "/min_samples",
        "/n_jobs",
        "/selected_features",
        "/surprise",
        "/test_size",
        "/tuning_iterations",
    ];
    assert_eq!(named, all);
    for (body, pointer) in [
        (json!({"algorithms": ["xgboost", "xgboost"]}), "/algorithms/1"),
        (json!({"algorithms": ["xgboost", "oracle"]}), "/algorithms/1"),
        (json!({"feature_selection": "manual", "selected_features": ["shoe_size"]}), "/selected_features/0"),
        (json!({"data_source": "csv"}), "/data_path"),
        (json!({"data_source": "csv", "data_path": "../secret.csv"}), "/data_path"),
        (json!({"data_source": "csv", "data_path": "/etc/passwd"}), "/data_path"),
        (json!({"data_source": "csv", "data_path": "absent.csv"}), "/data_path"),
    ] {
        assert_eq!(pointers("train", &body.to_string()), [pointer], "{body}");
    }
    // A configuration that cannot be searched is refused by every route that takes one.
    let grids = json!({"algorithms": ["xgboost"], "hyperparameter_tuning": "grid_search", "grids": {"xgboost": {"max_depth": [64]}}});
    for path in ["train", "data-quality"] {
        assert_eq!(pointers(path, &grids.to_string()), ["/grids/xgboost/max_depth/0"], "{path}");
    }
    let schedule = json!({ "training_config": grids }).to_string();
    let refused = client.send("PUT", "schedule", &[], Some(schedule.as_bytes()));
    assert_eq!(refused.problem(422), ["/training_config/grids/xgboost/max_depth/0"]);
    assert_eq!(pointers("compare", r#"{"model_ids": ["a"]}"#), ["/model_ids"]);
    assert_eq!(pointers("compare", r#"{"model_ids": ["a", 1], "metrics": ["x"]}"#), ["/model_ids/1", "/metrics/0"]);

    // Without data the quality check fails, and the answer says what is missing.
    let refused = client.post("train", &json!({}));
    refused.problem(400);
    let body = refused.json();
    assert!(body["error"].is_string() && body["report"]["total_samples"] == 0, "{body}");
    assert!(!body["issues"].as_array().unwrap().is_empty() && !body["recommendations"].as_array().unwrap().is_empty());
    let report = client.post("data-quality", &json!({})).ok(200);
    assert_eq!((&report["passes_quality_check"], &report["usable_samples"]), (&json!(false), &json!(0)));
    assert_eq!(client.get("jobs").ok(200), json!([]));
}

#[test]
fn ids_methods_and_parameters_that_do_not_exist() {
    let place = Place::new();
    let server = Server::start(&place);
    let client = Client::of(&server);
    let unknown = "01a208aa82827cecbe32d12f08c4c57b";
    for id in
        ["x", "%2e%2e%2f", "%00", "%ff", "%F0%9F%98%80", &format!("job_{unknown}"), &format!("model_xgboost_{unknown}")]
    {
        for (method, path) in [
            ("GET", "jobs/ID"),
            ("DELETE", "jobs/ID"),
            ("GET", "jobs/ID/events"),
            ("GET", "models/ID"),
            ("GET", "metrics/ID"),
            ("GET", "feature-importance/ID"),
            ("GET", "fairness/ID"),
            ("GET", "models/ID/card"),
            ("POST", "evaluate/ID"),
            ("GET", "evaluate/ID/results"),
            ("GET", "evaluate/ID/plots/roc_curve.png"),
            ("POST", "activate/ID"),
        ] {
            let body = (method == "POST").then_some(&b""[..]);
            client.send(method, &path.replace("ID", id), &[], body).problem(404);
        }
    }
    let ids = json!({"model_ids": [format!("model_xgboost_{unknown}"), "other"]});
    let missing = client.post("compare", &ids);
    missing.problem(404);
    assert!(missing.json()["detail"].as_str().unwrap().contains("other"), "names the id: {}", missing.json());
    client.get("nothing").problem(404);
    client.get("/nothing").problem(404);

    for (method, path, allow) in [
        ("PUT", "train", "POST"),
        ("GET", "train", "POST"),
        ("POST", "jobs", "GET, HEAD"),
        ("PUT", "jobs/x", "GET, HEAD, DELETE"),
        ("GET", "evaluate/x", "POST"),
        ("DELETE", "schedule", "GET, HEAD, PUT"),
        ("POST", "status", "GET, HEAD"),
        ("POST", "/livez", "GET, HEAD"),
        ("POST", "/metrics", "GET, HEAD"),
        ("POST", "/redoc", "GET, HEAD"),
        ("POST", "/docs/", "GET, HEAD"),
        ("POST", "/openapi.json", "GET"),
        ("POST", "/asyncapi.json", "GET, HEAD"),
    ] {
        let body = (method == "PUT" || method == "POST").then_some(&b"{}"[..]);
        let answer = client.send(method, path, &[], body);
        answer.problem(405);
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    for path in ["/livez", "status", "jobs"] {
        let head = client.send("HEAD", path, &[], None);
        assert_eq!((head.status, head.bytes.len()), (200, 0), "{path}");
    }

    for (path, pointer) in [
        ("jobs?limit=0", "/limit"),
        ("jobs?limit=201", "/limit"),
        ("jobs?status=lost", "/status"),
        ("jobs?cursor=elsewhere", "/cursor"),
        ("models?limit=ten", "/limit"),
        ("models?active_only=perhaps", "/active_only"),
        ("models?cursor=elsewhere", "/cursor"),
        ("triggers?cursor=elsewhere", "/cursor"),
        ("activations?cursor=elsewhere", "/cursor"),
        ("decisions?cursor=elsewhere", "/cursor"),
        ("models/x/card?format=pdf", "/format"),
    ] {
        assert_eq!(client.get(path).problem(422), [pointer], "{path}");
    }
    client.post("rollback", &json!({})).problem(409);
}

#[test]
fn a_body_over_the_limit_is_413_announced_or_not() {
    let place = Place::new();
    let server = Server::start(&place);
    let host = server.url.strip_prefix("http://").unwrap();
    let answer = |headers: &str, body: &[u8]| {
        let mut stream = std::net::TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "POST {BASE}/train HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n\r\n").unwrap();
        stream.write_all(body).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    // The length is announced, so the service refuses without waiting for the 100 MB.
    let announced = answer("content-length: 100000000", b"");
    let size = (1 << 20) + 1;
    let mut chunk = format!("{size:x}\r\n").into_bytes();
    chunk.resize(chunk.len() + size, b' ');
    chunk.extend_from_slice(b"\r\n0\r\n\r\n");
    let chunked = answer("transfer-encoding: chunked", &chunk);
    for text in [announced, chunked] {
        assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
        assert!(text.contains("application/problem+json") && text.contains("\"detail\""), "{text}");
    }
    let client = Client::of(&server);
    let most = vec![b' '; 1 << 20];
    assert_eq!(client.send("POST", "train", &[], Some(&most)).problem(422), [""]);
    assert_eq!(client.get("/livez").ok(200)["status"], "alive");
}

#[test]
fn a_trailing_slash_is_the_route_without_it() {
    let place = Place::new();
    let server = Server::start(&place);
    let client = Client::of(&server);
    for path in ["jobs", "models", "activations", "decisions", "triggers", "schedule", "audit", "/readyz", "/redoc"] {
        let (short, long) = (client.get(path), client.get(&format!("{path}/")));
        assert_eq!((long.status, &long.bytes), (200, &short.bytes), "{path}");
    }
    assert_eq!(client.get("jobs/?limit=0").problem(422), ["/limit"], "the query stays");
    assert_eq!(client.send("HEAD", "jobs/", &[], None).status, 200);
    client.delete("jobs/x/").problem(404);
    let wrong = client.send("PATCH", "schedule/", &[], Some(b"{}"));
    wrong.problem(405);
    assert_eq!(wrong.header("allow"), Some("GET, HEAD, PUT"));
    // A body arrives, and none is sent twice.
    assert_eq!(client.post("train/", &json!({"test_size": 0.9})).problem(422), ["/test_size"]);
    let schedule = client.send("PUT", "schedule/", &[], Some(br#"{"min_new_samples": 5}"#)).ok(200);
    assert_eq!(client.get("schedule").ok(200), schedule);
    let first = client.post_with_key("data-quality/", "k", &json!({}));
    let again = client.post_with_key("data-quality", "k", &json!({}));
    assert_eq!((first.ok(200), again.header("idempotent-replay")), (again.json(), Some("true")));
    // A path with further slashes is not a route.
    for path in ["jobs//", "//", "//readyz", "/readyz//", "jobs%2F"] {
        client.get(path).problem(404);
    }
    assert_eq!(client.get("/docs/").status, 200);
    client.get("/docs/no-such-file.js").problem(404);
}

#[test]
fn the_schedule_and_the_documents() {
    let place = Place::new();
    let server = Server::start(&place);
    let client = Client::of(&server);
    let put = |body: Value| client.send("PUT", "schedule", &[], Some(body.to_string().as_bytes()));
    let defaults = client.get("schedule").ok(200);
    assert_eq!((&defaults["schedule_cron"], &defaults["min_new_samples"]), (&json!("0 1 * * 0"), &json!(1000)));
    for bad in ["99 1 * * 0", "*/0 * * * *", "0 1 30 2 *", "a b c d e", "0 1 * *"] {
        assert_eq!(
            put(json!({"enabled": "x", "schedule_cron": bad})).problem(422),
            ["/enabled", "/schedule_cron"],
            "{bad}"
        );
    }
    assert_eq!(client.get("schedule").ok(200), defaults, "a refused one changes nothing");
    let wished = put(json!({"schedule_cron": "30 2 * * MON", "min_new_samples": 5})).ok(200);
    assert_eq!(client.get("schedule").ok(200), wished);
    assert_eq!(wished["schedule_cron"], "30 2 * * MON");

    assert_eq!(client.get("/readyz").ok(200), json!({"status": "ready", "store": "up", "bus": "disabled"}));
    let status = client.get("status").ok(200);
    assert_eq!(status["status"], "operational");
    assert_eq!(status["models"], json!({"total": 0, "active": 0, "active_model_id": null}));
    assert_eq!(status["latest_model"], json!(null));
    for part in ["store", "jobs", "scheduler", "trainer_ensemble"] {
        assert_eq!(status["components"][part]["health"], "up", "{part}");
    }
    let document = client.get("/openapi.json").ok(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["paths"][format!("{BASE}/train")]["post"].is_object());
    let events = client.get("/asyncapi.json");
    assert_eq!(events.header("content-type"), Some("application/json"));
    assert_eq!(events.ok(200)["asyncapi"], "3.0.0");
    assert!(events.json()["channels"]["training.trigger.requested"].is_object());
    let head = client.send("HEAD", "/asyncapi.json", &[], None);
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    for page in ["/", "/docs/", "/redoc"] {
        let answer = client.get(page);
        let text = String::from_utf8(answer.bytes).unwrap();
        assert_eq!(answer.status, 200, "{page}");
        assert!(!text.contains("https://") && !text.contains("src=\"//"), "{page} loads from another host: {text}");
    }
}
