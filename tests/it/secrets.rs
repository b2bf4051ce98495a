//! Passwords in addresses, wherever an address can be written: no output, log or answer shows them, whatever goes wrong.
#![allow(clippy::unwrap_used)]

use crate::broker::{bus, wait_for};
use crate::command::{Place, points};
use crate::durability::ask;
use crate::http::Client;
use crate::mongo_server::Server as Mongo;
use crate::serving::Server;
use std::process::Output;
use std::time::Duration;

/// Users, passwords, values of options, names that are more than a name.
const SECRETS: [&str; 3] = ["olga", "geheim", "b2xnY"];
const SOON: Duration = Duration::from_secs(20);

const STORE: &str = "PROVOST_STORE__URL";
const BUS: &str = "PROVOST_BRIDGE__URL";
const MAIL: &str = "PROVOST_MAIL__URL";

/// Addresses that are refused as settings.
const BAD: &[(&str, &str)] = &[
    (STORE, "mongodb://olga:geheim@127.0.0.1:9/db\nmongodb://olga:geheim@127.0.0.1:9/db"),
    (STORE, "mongodb://olga:geheim@127.0.0.1:geheim/db"),
    (STORE, "mongodb://olga:ge/heim@127.0.0.1:9/geheim"),
    (STORE, "mongodb://olga:12?geheim@127.0.0.1:9/db"),
    (STORE, "mongodb://127.0.0.1:9/?authMechanism=geheim"),
    (STORE, "mongodb://127.0.0.1:9/mongodb:%2F%2Folga:geheim%40h"),
    (STORE, "mongodb://127.0.0.1:9/db?tlsCertificateKeyFilePassword=geheim"),
    (STORE, "mongodb://127.0.0.1:9/db?password=geheim"),
    (STORE, "postgres://olga:geheim@127.0.0.1:9/db"),
    (STORE, "olga:geheim@127.0.0.1"),
    (BUS, "amqp://olga:geheim@127.0.0.1:9/v\namqp://olga:geheim@127.0.0.1:9/v"),
    (BUS, "amqp://127.0.0.1:9/amqp:%2F%2Folga:geheim%40127.0.0.1"),
    (BUS, "amqp://127.0.0.1:9/amqp://olga:geheim@127.0.0.1"),
    (BUS, "amqp://olga:geh#eim@127.0.0.1:9/geheim"),
    (BUS, "amqp://127.0.0.1:9/v?heartbeat=geheim"),
    (BUS, "amqp://127.0.0.1:geheim"),
    (BUS, "geheim"),
    (MAIL, "smtp://olga:geheim@127.0.0.1:9\nsmtp://olga:geheim@127.0.0.1:9"),
    (MAIL, "smtp://127.0.0.1:9?password=geheim"),
    (MAIL, "smtp://127.0.0.1:9/geheim"),
    (MAIL, "smtp://olga@127.0.0.1:9/geheim"),
    (MAIL, "mailto:geheim"),
];

/// Addresses that can be read, of servers that are not there.
const DEAD: &[(&str, &str)] = &[
    (STORE, "mongodb://olga:geheim@127.0.0.1:9/db?appName=geheim"),
    (STORE, "mongodb://127.0.0.1:9/?appName=geheim"),
    (STORE, "mongodb://olga:geheim@geheim.invalid/db%21geheim"),
    (BUS, "amqp://olga:geheim@127.0.0.1:9/v?password=geheim"),
    (BUS, "amqps://olga:geheim@127.0.0.1:9/geheim%20host"),
    (BUS, "amqp://olga:geheim@127.0.0.1:9/%2Fgeheim%2F"),
    (MAIL, "smtps://olga:geheim@127.0.0.1:9"),
    (MAIL, "smtp://olga:geheim@localhost:9?tls=required"),
];

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn check(what: &str, text: &str) {
    for secret in SECRETS {
        // The name of the host that is not there is no secret.
        let text = text.replace("geheim.invalid", "");
        assert!(!text.contains(secret), "{what} shows {secret}: {text}");
    }
}

#[test]
fn an_address_that_cannot_be_read_is_refused_without_being_shown() {
    let place = Place::new();
    for (variable, url) in BAD {
        let section = variable.trim_start_matches("PROVOST_").trim_end_matches("__URL").to_lowercase();
        // The variable, the settings file, a file of its own, and the address where a file's name belongs.
        let toml = format!("[{section}]\nurl = {}\n", toml_text(url));
        place.file("my.toml", toml);
        place.file("my-list.toml", format!("[{section}]\nurl = [{}]\n", toml_text(url)));
        place.file("unquoted.toml", format!("[{section}]\nurl = {url}\n"));
        place.file("url", url);
        let run = |how: &str, command: &[&str], variable: Option<(&str, &str)>| {
            let ran = place.command(command).envs(variable).output().unwrap();
            let (code, text) = (ran.status.code(), said(&ran));
            check(&format!("{how} {command:?} {url:?}"), &text);
            // What is wrong with mail's file does not keep the doctor from its other checks.
            assert!(code == Some(2) || (code == Some(1) && text.contains("mail")), "{how} {command:?} {url:?}: {text}");
        };
        let serve = &["serve", "--listen", "127.0.0.1:0"][..];
        for command in [&["doctor"][..], &["doctor", "--json"], serve, &["worker"], &["parked", "list"]] {
            run("variable", command, Some((variable, url)));
        }
        let file = format!("{variable}_FILE");
        for command in [&["doctor", "--json"][..], serve] {
            for name in ["my.toml", "my-list.toml", "unquoted.toml"] {
                run(name, &[command, &["--config", name]].concat(), None);
            }
            run("file of its own", command, Some((&file, "url")));
            // A word alone is a file's name.
            if url.contains('@') || url.contains("://") {
                run("file's name", command, Some((&file, url)));
            }
        }
    }
}

/// As a TOML string.
fn toml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[test]
fn a_server_that_is_not_there_is_told_without_what_is_secret_in_its_address() {
    // The database's driver waits for seconds each time.
    std::thread::scope(|scope| {
        for (variable, url) in DEAD {
            scope.spawn(|| is_told_without_secrets(variable, url));
        }
    });
}

fn is_told_without_secrets(variable: &str, url: &str) {
    let place = Place::new();
    place.file("a.jsonl", points(0..3));
    let environment = [(variable, url), ("PROVOST_LOG__LEVEL", "trace"), ("PROVOST_BRIDGE__TIMEOUT", "1s")];
    let run = |arguments: &[&str]| {
        let ran = place.command(arguments).envs(environment).output().unwrap();
        let text = said(&ran);
        check(&format!("{arguments:?} {url}"), &text);
        (ran.status.code(), text)
    };
    let (code, text) = run(&["doctor"]);
    assert_eq!(code, Some(1), "{text}");
    let host = if url.contains("invalid") { "geheim.invalid" } else { "127.0.0.1:9" };
    assert!(text.contains(host) || text.contains("localhost:9"), "who asks here is told where: {text}");
    if variable == STORE {
        for arguments in
            [&["serve", "--listen", "127.0.0.1:0"][..], &["worker"], &["import", "a.jsonl"], &["keys", "list"]]
        {
            let (code, text) = run(arguments);
            assert_eq!(code, Some(1), "{text}");
        }
        return;
    }
    if variable == BUS {
        assert_eq!(run(&["parked", "list"]).0, Some(1));
    }
    let mut server = Server::start_with(&place, &environment);
    server.expects_warnings(&["keeping the connection", "reaching the mail server"]);
    let client = Client::of(&server);
    if variable == BUS {
        wait_for("a degraded bus", SOON, || client.get("/readyz").json()["bus"] == "degraded");
    }
    check("/status", &client.get("status").ok(200).to_string());
    assert_eq!(server.terminate(), Some(0));
    check("the log", &std::fs::read_to_string(place.path("serve.log")).unwrap());
}

#[test]
fn a_broker_that_refuses_is_told_without_what_is_secret_in_its_address() {
    let Some(bus) = bus() else { return };
    let host = bus.url.rsplit_once('@').unwrap().1.split('/').next().unwrap().to_owned();
    let place = Place::new();
    for (url, advice) in [
        (format!("amqp://olga:geheim@{host}/v0"), "user, password"),
        (format!("amqp://guest:guest@{host}/geheim%20host"), "virtual host"),
    ] {
        let environment = [(BUS, url.as_str()), ("PROVOST_LOG__LEVEL", "trace")];
        for arguments in [&["doctor"][..], &["parked", "list"]] {
            let text = said(&place.command(arguments).envs(environment).output().unwrap());
            check(&format!("{arguments:?}"), &text);
            assert!(text.contains(advice), "{text}");
        }
        let mut server = Server::start_with(&place, &environment);
        server.expects_warnings(&["keeping the connection"]);
        let client = Client::of(&server);
        let error = || client.get("status").json()["components"]["bridge"]["state"]["consumer"]["last_error"].clone();
        wait_for("a refusal", SOON, || error().as_str().is_some_and(|e| e.contains(advice)));
        check("/status", &client.get("status").ok(200).to_string());
        assert_eq!(server.terminate(), Some(0));
    }
    check("the log", &std::fs::read_to_string(place.path("serve.log")).unwrap());
}

#[test]
fn a_database_that_goes_away_is_named_in_no_answer_and_no_log() {
    let Some(mut mongo) = Mongo::start() else { return };
    if !mongo.is_ours() {
        eprintln!("SKIPPED: the MongoDB that PROVOST_TEST_MONGODB names is not to be killed");
        return;
    }
    let database = mongo.database() + "?appName=geheim";
    let place = Place::new();
    let environment = [(STORE, database.as_str()), ("PROVOST_LOG__LEVEL", "trace")];
    let server = Server::start_with(&place, &environment);
    server.expects_warnings(&["the store is unavailable"]);
    mongo.kill();
    for (method, path) in [("GET", "/jobs"), ("GET", "/models"), ("POST", "/data-quality")] {
        let body = (method == "POST").then(|| serde_json::json!({}));
        let (status, answer) = ask(&server, method, path, body.as_ref());
        assert_eq!(status, 503, "{path}: {answer}");
        check(path, &answer.to_string());
        assert!(!answer.to_string().contains(mongo.address()), "{path}: {answer}");
    }
    let (_, status) = ask(&server, "GET", "/status", None);
    check("/status", &status.to_string());
    assert!(!status.to_string().contains(mongo.address()), "{status}");
    drop(server);
    let log = std::fs::read_to_string(place.path("serve.log")).unwrap();
    check("the log", &log);
    assert!(!log.contains(mongo.address()), "{log}");
}

#[test]
fn what_a_client_is_given_is_not_repeated() {
    let place = Place::new();
    place.file("keys", "pvk_geheim\npvk_geheim\n");
    for (arguments, environment) in [
        (&["status", "--url", "http://olga:geheim@127.0.0.1:9"][..], None),
        (&["status", "--url", "http://127.0.0.1:9/?key=geheim"], None),
        (&["status", "--url", "http://127.0.0.1:geheim"], None),
        (&["status", "--url", "http://127.0.0.1:9"], Some(("PROVOST_KEY_FILE", "pvk_geheim"))),
        (&["status", "--url", "http://127.0.0.1:9"], Some(("PROVOST_KEY_FILE", "keys"))),
    ] {
        let ran = place.command(arguments).envs(environment).output().unwrap();
        let text = said(&ran);
        check(&format!("{arguments:?}"), &text);
        assert_eq!(ran.status.code(), Some(2), "{text}");
    }
    // A key that cannot stand in a header.
    let ran =
        place.command(&["status", "--url", "http://127.0.0.1:9"]).env("PROVOST_KEY", "gehe\u{7}im").output().unwrap();
    check("a broken key", &said(&ran));
}
