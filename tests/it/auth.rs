//! Keys, roles, rates, sign-in and the audit log, as a client meets them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::command::Place;
use crate::http::{BASE, Client, place_with_points, small_job};
use crate::serving::Server;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// What is promised for a change of the keys.
pub const HEARD: Duration = Duration::from_secs(2);
/// What a busy machine gets.
const DEADLINE: Duration = Duration::from_secs(30);

pub struct Key {
    pub id: String,
    pub text: String,
}

pub fn key(place: &Place, arguments: &[&str]) -> Key {
    let made = place.run(&[&["keys", "create", "--json"], arguments].concat());
    assert_eq!(made.code, Some(0), "{made:?}");
    let told = made.json();
    let fields: Vec<&String> = told.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["id", "key", "role", "expires_at"]);
    let field = |name: &str| told[name].as_str().unwrap().to_owned();
    Key { id: field("id"), text: field("key") }
}

/// Asks until it is so; answers how long that took.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < DEADLINE, "{what}");
        std::thread::yield_now();
    }
    began.elapsed()
}

pub fn shut(client: &Client) {
    until("the door is shut once a key exists", || client.get("status").status == 401);
}

/// A server with a key of each role: viewer, operator, admin.
pub fn locked(place: &Place, environment: &[(&str, &str)]) -> (Server, Client, [Key; 3]) {
    let keys = ["viewer", "operator", "admin"].map(|role| key(place, &["--role", role]));
    let server = Server::start_with(place, environment);
    // These tests are about who is refused.
    server.expects(&["refused: too low a role", "a wrong key"]);
    let client = Client::of(&server);
    (server, client, keys)
}

const PUBLIC: [&str; 9] = [
    "/livez",
    "/readyz",
    "/openapi.json",
    "/asyncapi.json",
    "/docs",
    "/docs/",
    "/docs/swagger-ui.css",
    "/redoc",
    "/redoc/redoc.standalone.js",
];

/// Open to everybody, and not well while no model serves.
const PROBES: [&str; 4] = ["/v2/health/live", "/v2/health/ready", "/ping", "/version"];

/// Whether the path is of a protocol that has its errors in a form of its own.
fn has_own_errors(path: &str) -> bool {
    path.starts_with("/v2") || path.starts_with("/invocations")
}

/// The contract's words: viewer reads; operator trains, evaluates, activates, cancels; admin also keys and schedule.
fn lowest(method: &str, path: &str) -> usize {
    let below = path.strip_prefix(BASE).unwrap_or(path).trim_end_matches('/');
    let operator = ["/train", "/evaluate/", "/activate/", "/rollback", "/needs/"].iter().any(|p| below.starts_with(p));
    match method {
        _ if below == "/audit" => 2,
        _ if below.starts_with("/points") || below.starts_with("/parked/") => 1,
        _ if below.starts_with("/keys") => 2,
        "PUT" if below == "/shadow" => 1,
        "GET" if below.ends_with("/export") => 1,
        "PUT" => 2,
        "DELETE" => 1,
        "POST" if operator => 1,
        _ => 0,
    }
}

#[test]
fn every_route_needs_a_key_of_its_role() {
    let place = Place::new();
    let (_server, client, keys) = locked(&place, &[("PROVOST_HTTP__FAILED_AUTH_PER_MINUTE", "1000000")]);
    for path in PUBLIC {
        let status = client.get(path).status;
        assert!((200..400).contains(&status), "{path}: {status}");
    }

    let document = client.get("/openapi.json").ok(200);
    let mut routes: Vec<(String, String)> =
        vec![("GET".to_owned(), "/".to_owned()), ("HEAD".to_owned(), "jobs".to_owned())];
    for (path, item) in document["paths"].as_object().unwrap() {
        let methods = item.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()));
        routes.extend(methods.filter(|(_, path)| !PUBLIC.contains(&path.as_str()) && !PROBES.contains(&path.as_str())));
    }
    for path in PROBES {
        assert!(![401, 403].contains(&client.get(path).status), "{path}");
    }
    assert!(routes.len() > 20, "{routes:?}");
    // With a trailing slash each is the same route, with the same lock.
    let slashed =
        routes.iter().filter(|(_, path)| path != "/").map(|(method, path)| (method.clone(), format!("{path}/")));
    let routes: Vec<_> = slashed.chain(routes.clone()).collect();
    for (method, path) in &routes {
        let at = path.replace("{job_id}", "x").replace("{model_id}", "x").replace("{file}", "x.png");
        let at = at
            .replace("{name}", "x")
            .replace("{prediction_id}", "x")
            .replace("{need_id}", "x")
            .replace("{upload_id}", "x")
            .replace("{key_id}", "x")
            .replace("{window_id}", "x");
        let body = matches!(method.as_str(), "POST" | "PUT").then_some(&b"{}"[..]);
        let other = format!("{}{}", &keys[2].text[..84], if keys[2].text.ends_with('0') { '1' } else { '0' });
        for wrong in [None, Some("x"), Some(other.as_str()), Some(&keys[2].text[..84])] {
            let refused = client.with(wrong, method, &at, body);
            assert_eq!(refused.status, 401, "{method} {at} {wrong:?}");
            assert_eq!(refused.header("www-authenticate"), Some("Bearer"), "{method} {at}");
            if method != "HEAD" && !has_own_errors(&at) {
                refused.problem(401);
            }
        }
        for (role, key) in keys.iter().enumerate() {
            let answer = client.with(Some(&key.text), method, &at, body);
            if role < lowest(method, path) {
                answer.problem(403);
            } else {
                assert!(!matches!(answer.status, 401 | 403 | 429 | 500..), "{method} {at} {role}: {}", answer.status);
            }
        }
    }

    assert_eq!(client.with(None, "GET", "/livez/", None).status, 200);
    let public = client.with(None, "POST", "/livez/", Some(b"{}"));
    public.problem(405);
    assert_eq!(public.header("allow"), Some("GET, HEAD"));

    // What is no route is none for anybody, and a wrong method is told only to who has a key.
    for path in
        ["nothing", "/nothing", "/keys", "/docs2", "jobs/a/b", "jobs//", "/livez//", "//", "jobs%2F", "nothing/"]
    {
        client.get(path).problem(401);
        client.with(Some(&keys[2].text), "GET", path, None).problem(404);
    }
    client.with(None, "PATCH", "jobs", Some(b"{}")).problem(401);
    let wrong = client.with(Some(&keys[0].text), "PATCH", "schedule", Some(b"{}"));
    wrong.problem(405);
    assert_eq!(wrong.header("allow"), Some("GET, HEAD, PUT"));
    // Another spelling is the same route.
    let spelt = |key: Option<&str>| client.with(key, "POST", &format!("{BASE}/%74rain"), Some(b"{}"));
    spelt(None).problem(401);
    spelt(Some(&keys[0].text)).problem(403);
    spelt(Some(&keys[1].text)).problem(400);
    client.send("GET", "jobs", &[("authorization", &format!("Basic {}", keys[2].text))], None).problem(401);
    let lower = format!("bearer {}", keys[0].text);
    assert_eq!(client.send("GET", "jobs", &[("authorization", &lower)], None).status, 200);
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn keys_come_and_go_beside_a_running_service() {
    let place = Place::new();
    let server = Server::start(&place);
    server.expects(&["refused: too low a role", "a wrong key", "no API key is valid"]);
    let client = Client::of(&server);
    // No key: all is open, and nothing is limited.
    assert_eq!(client.get("status").status, 200);
    assert_eq!(client.get("audit").ok(200), json!([]));

    let first = key(&place, &["--role", "admin", "--name", "the first"]);
    shut(&client);
    let with = |key: &Key| client.with(Some(&key.text), "GET", "status", None).status;
    assert_eq!(with(&first), 200);
    let second = key(&place, &["--role", "viewer", "--expires", "90d"]);
    until("a new key opens", || with(&second) == 200);

    let listed = place.run(&["keys", "list", "--json"]);
    let rows: Vec<Value> = listed.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rows.len(), &rows[0]["name"], &rows[1]["valid"]), (2, &json!("the first"), &json!(true)));
    assert!(rows[1]["expires_at"].is_string() && rows[0]["expires_at"].is_null());

    // The beginning of an id is enough if only one key has it.
    let rotated = place.run(&["keys", "rotate", &second.id[..16], "--overlap", "1h", "--json"]).json();
    assert_eq!(rotated["role"], "viewer");
    let third = Key { id: rotated["id"].as_str().unwrap().into(), text: rotated["key"].as_str().unwrap().into() };
    until("both open", || with(&second) == 200 && with(&third) == 200);

    let revoked = place.run(&["keys", "revoke", first.id[..16].trim_start_matches("key_")]);
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    let took = until("a revoked key opens nothing", || with(&first) == 401);
    eprintln!("a revocation was heard after {took:?}; {HEARD:?} are promised on a machine that is not busy");
    assert_eq!(with(&third), 200);

    for (arguments, code, wanted) in [
        (&["keys", "revoke", "key_none"][..], 1, "no key key_none"),
        (&["keys", "revoke", "key_"], 2, "3 keys"),
        (&["keys", "revoke", ""], 2, "an empty text"),
        (&["keys", "create", "--role", "root"], 2, "viewer, operator, admin"),
        (&["keys", "create", "--role", "viewer", "--expires", "2020-01-01T00:00:00Z"], 2, "must be in the future"),
        (&["keys", "create", "--role", "viewer", "--expires", "soon"], 2, "90d"),
        (&["keys", "create"], 2, "--role"),
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.err.contains(wanted), "{ran:?}");
    }

    // The text of a key is nowhere.
    for key in [&first, &second, &third] {
        let secret = &key.text.as_bytes()[21..];
        for file in files(place.dir()) {
            let bytes = std::fs::read(&file).unwrap();
            assert!(!bytes.windows(secret.len()).any(|w| w == secret), "{}", file.display());
        }
    }
    // The commands take it from the environment, a file or a flag.
    let status = |environment: &[(&str, &str)], more: &[&str]| {
        let arguments = [&["status", "--url", &server.url, "--json"], more].concat();
        place.command(&arguments).envs(environment.iter().copied()).output().unwrap().status.code()
    };
    place.file("key", format!("{}\n", third.text));
    assert_eq!(status(&[], &[]), Some(1));
    assert_eq!(status(&[("PROVOST_KEY", &third.text)], &[]), Some(0));
    assert_eq!(status(&[("PROVOST_KEY_FILE", "key")], &[]), Some(0));
    assert_eq!(status(&[("PROVOST_KEY", "wrong")], &["--key", &third.text]), Some(0));
}

#[test]
fn what_changes_something_is_recorded_with_who_did_it() {
    let place = place_with_points(600);
    let operator = key(&place, &["--role", "operator", "--name", "nightly"]);
    let admin = key(&place, &["--role", "admin"]);
    let server = Server::start(&place);
    server.expects(&["refused: too low a role", "a wrong key"]);
    let client = Client::of(&server);
    let label = format!("{} (nightly)", operator.id);

    let accepted = client.with(Some(&operator.text), "POST", "train", Some(small_job().to_string().as_bytes())).ok(202);
    let job = accepted["job_id"].as_str().unwrap();
    let record = client.with(Some(&operator.text), "GET", &format!("jobs/{job}"), None).ok(200);
    assert_eq!((&record["created_by"], &record["triggers"][0]["triggered_by"]), (&json!(label), &json!(label)));
    let mut model = Value::Null;
    until("the job ends", || {
        let record = client.with(Some(&operator.text), "GET", &format!("jobs/{job}"), None).ok(200);
        model = record["best_model_id"].clone();
        record["status"] == "completed"
    });
    let model = model.as_str().unwrap();
    client.with(Some(&operator.text), "POST", &format!("activate/{model}"), None).ok(200);
    let history = client.with(Some(&operator.text), "GET", "activations", None).ok(200);
    assert_eq!(history[0]["activated_by"], json!(label));
    client.with(Some(&operator.text), "PUT", "schedule", Some(b"{}")).problem(403);
    client.with(Some(&admin.text), "PUT", "schedule", Some(b"{\"enabled\": 1}")).problem(422);

    let log = client.with(Some(&admin.text), "GET", "audit", None).ok(200);
    let told: Vec<(String, String, String)> = log
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|e| {
            let text = |name: &str| e[name].as_str().unwrap_or("-").to_owned();
            (text("who"), format!("{} {}", text("act"), text("subject")), text("outcome"))
        })
        .collect();
    let cli = told[0].0.clone();
    assert!(cli.starts_with("command line"), "{cli}");
    let row = |who: &str, what: String, outcome: &str| (who.to_owned(), what, outcome.to_owned());
    let expected = [
        row(&cli, format!("key_created {label}"), "-"),
        row(&cli, format!("key_created {}", admin.id), "-"),
        row(&label, format!("http_request POST {BASE}/train"), "-"),
        row(&label, format!("http_answer POST {BASE}/train"), "202"),
        row(&label, format!("http_request POST {BASE}/activate/{model}"), "-"),
        row(&label, format!("http_answer POST {BASE}/activate/{model}"), "200"),
        row(&admin.id, format!("http_request PUT {BASE}/schedule"), "-"),
        row(&admin.id, format!("http_answer PUT {BASE}/schedule"), "422"),
    ];
    assert_eq!(told, expected);
    assert_eq!(log[4]["details"]["location"], format!("{BASE}/jobs/{job}"));
    let page = client.with(Some(&admin.text), "GET", "audit?limit=3", None);
    assert!(page.header("link").unwrap().contains("cursor="), "{page:?}");

    let verified = place.run(&["audit", "verify", "--json"]);
    assert_eq!((verified.code, &verified.json()["entries"]), (Some(0), &json!(8)), "{verified:?}");
    let head = verified.json()["head"].as_str().unwrap().to_owned();
    assert_eq!(place.run(&["audit", "verify", "--head", &head]).code, Some(0));
    let listed = place.run(&["audit", "list", "--limit", "2", "--json"]);
    assert_eq!(listed.out.lines().count(), 2, "{listed:?}");

    // Somebody changes a name behind the service's back.
    let forge = "DROP TRIGGER audit_is_not_changed; \
        UPDATE audit SET document = replace(document, 'nightly', 'daily') WHERE number = 5;";
    sql(&place, forge);
    let broken = place.run(&["audit", "verify"]);
    assert_eq!(broken.code, Some(1), "{broken:?}");
    assert!(broken.err.contains("entry 5 "), "{}", broken.err);
}

fn sql(place: &Place, script: &str) {
    let run =
        "import sqlite3,sys; c=sqlite3.connect(sys.argv[1], timeout=20); c.executescript(sys.argv[2]); c.commit()";
    let database = place.path("data/provost.db");
    let status = std::process::Command::new("python3").args(["-c", run]).arg(database).arg(script).status().unwrap();
    assert!(status.success());
}

#[test]
fn what_cannot_be_recorded_is_not_done() {
    let place = Place::new();
    let server = Server::start(&place);
    server.expects(&["cannot be recorded in the audit log", "no more"]);
    let client = Client::of(&server);
    let before = client.get("schedule").ok(200);
    let put = || client.send("PUT", "schedule", &[], Some(br#"{"min_new_samples": 7}"#));
    sql(&place, "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no more'); END;");
    let refused = put();
    assert!(refused.status >= 500, "{refused:?}");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("cannot be recorded in the audit log"), "{detail}");
    assert_eq!(client.get("schedule").ok(200), before);
    sql(&place, "DROP TRIGGER full;");
    put().ok(200);
    let log = client.get("audit").ok(200);
    assert_eq!((&log[0]["who"], &log[0]["outcome"]), (&json!("anonymous@127.0.0.1"), &json!("200")));
}

#[test]
fn requests_are_limited_by_key_and_wrong_keys_by_address() {
    let place = Place::new();
    let limits = [("PROVOST_HTTP__RATE_PER_KEY", "1"), ("PROVOST_HTTP__FAILED_AUTH_PER_MINUTE", "3")];
    {
        let server = Server::start_with(&place, &limits);
        let client = Client::of(&server);
        assert!((0..20).all(|_| client.get("jobs").status == 200), "no key, no limit");
    }
    let (_server, client, keys) = locked(&place, &limits);
    let statuses =
        |key: &str| -> Vec<u16> { (0..10).map(|_| client.with(Some(key), "GET", "jobs", None).status).collect() };
    let of_viewer = statuses(&keys[0].text);
    assert_eq!(of_viewer[..2], [200, 200], "{of_viewer:?}");
    assert!(of_viewer.contains(&429), "{of_viewer:?}");
    let limited = until_status(&client, &keys[0].text, 429);
    let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    limited.problem(429);
    assert_eq!(client.with(Some(&keys[1].text), "GET", "jobs", None).status, 200, "each key has its own");

    let wrong = statuses("pvk_wrong");
    assert_eq!(wrong, [401, 401, 401, 429, 429, 429, 429, 429, 429, 429]);
    assert_eq!(client.with(Some(&keys[2].text), "GET", "jobs", None).status, 200, "a right key is let in all the same");
}

fn until_status(client: &Client, key: &str, status: u16) -> crate::http::Answer {
    let mut last = None;
    until("the limit", || {
        let answer = client.with(Some(key), "GET", "jobs", None);
        let so = answer.status == status;
        last = Some(answer);
        so
    });
    last.unwrap()
}

#[test]
fn every_answer_has_the_headers_that_browsers_heed() {
    let place = Place::new();
    let (_server, client, keys) = locked(&place, &[]);
    let key = Some(keys[0].text.as_str());
    for (key, path, status) in [
        (None, "/livez", 200),
        (None, "/docs/", 200),
        (None, "jobs", 401),
        (key, "jobs", 200),
        (key, "x", 404),
        (key, "jobs?limit=x", 422),
    ] {
        let answer = client.with(key, "GET", path, None);
        assert_eq!(answer.status, status, "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        for absent in ["access-control-allow-origin", "strict-transport-security", "server"] {
            assert_eq!(answer.header(absent), None, "{path}");
        }
    }
}
