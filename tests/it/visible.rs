//! Text of others on the terminal, in the log and in reports: nothing of it is obeyed, in any place that shows it.
#![allow(clippy::unwrap_used)]

use crate::broker::{bus, wait_for};
use crate::bus::{message, publish};
use crate::command::Place;
use crate::durability::{ask, submit};
use crate::http::Client;
use crate::serving::Server;
use provost_domain::visible;
use serde_json::{Value, json};
use std::time::Duration;

const NAME: &str = "U\u{1b}[31m\u{9b}\u{202e}x\r\n  ✓ forged\u{200b}\u{7}";

/// Runs a command, whose output must be plain, and gives it: standard output, standard error.
fn run(place: &Place, environment: &[(&str, &str)], arguments: &[&str]) -> (String, String) {
    let output = place.command(arguments).envs(environment.iter().copied()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    for shown in [&out, &err] {
        assert!(shown.split('\n').all(visible::is_plain), "{arguments:?}: {shown:?}");
        assert!(!shown.lines().any(|line| line.starts_with("  ✓ forged")), "{arguments:?}: {shown}");
    }
    (out, err)
}

#[test]
fn files_and_their_rows_are_shown_and_not_obeyed() {
    let place = Place::new();
    let row = json!({"data_point_id": NAME, "decision": NAME, "program": {"university_name": NAME}, NAME: 1});
    place.file("rows.csv", format!("data_point_id,{}\n1,2\n", NAME.replace(['\r', '\n'], "")));
    let named = NAME.to_owned();
    place.file(&named, format!("{row}\n"));
    let (out, _) = run(&place, &[], &["import", &named, "--format", "jsonl", "--rejects", "r.jsonl"]);
    assert!(out.contains("rejected            1"), "{out}");
    let (out, _) = run(&place, &[], &["import", &named, "--format", "jsonl", "--json", "--rejects", "r.jsonl"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["files"][0]["file"], named, "what is shown is the name");
    let rejects = std::fs::read_to_string(place.path("r.jsonl")).unwrap();
    assert!(visible::is_plain(rejects.trim_end()), "{rejects:?}");
    let reject: Value = serde_json::from_str(&rejects).unwrap();
    assert!(visible::is_plain(reject["reason"].as_str().unwrap()), "{reject}");
    assert_eq!(reject["raw"], row.to_string(), "the row is as it was");
    let (_, err) = run(&place, &[], &["import", "rows.csv"]);
    assert!(!err.is_empty());
    let (_, err) = run(&place, &[], &["import", &format!("{named}.missing")]);
    assert!(err.contains(r"\u{1b}[31m"), "{err}");
    let (_, err) = run(&place, &[], &["features", &named, "--out", "f.csv", "--features", NAME]);
    assert!(err.contains(r"\u{1b}[31m"), "{err}");
    let (_, err) = run(&place, &[("PROVOST_LOG__LEVEL", NAME)], &["doctor"]);
    assert!(err.contains(r"\u001B[31m\u{9b}"), "{err}");
    let (out, _) = run(&place, &[("PROVOST_IMPORT__DIR", NAME)], &["doctor"]);
    assert!(out.contains(r"\u001B[31m\u{9b}"), "{out}");
    let (_, err) = run(&place, &[], &["keys", "revoke", NAME]);
    assert!(err.contains(r"\u{1b}[31m"), "{err}");
}

#[test]
fn what_clients_wrote_is_shown_and_not_obeyed() {
    let place = Place::new();
    place.file("a.jsonl", crate::command::points(0..300));
    run(&place, &[], &["import", "a.jsonl"]);
    let mut server = Server::start(&place);
    let config = json!({"use_verified_only": false, "min_samples": 100, "algorithms": ["logistic_regression"],
        "hyperparameter_tuning": "none", "cross_validation_folds": 3, "notes": NAME});
    let id = submit(&server, &config);
    let (_, _) = run(&place, &[], &["jobs", &id, "--wait", "--url", &server.url]);
    for arguments in
        [&["jobs"][..], &["jobs", "--json"], &["jobs", &id], &["jobs", &id, "--json"], &["models"], &["status"]]
    {
        let arguments = [arguments, &["--url", &server.url]].concat();
        run(&place, &[], &arguments);
    }
    let (out, _) = run(&place, &[], &["jobs", &id, "--json", "--url", &server.url]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["config"]["notes"], NAME, "{out}");
    let model = serde_json::from_str::<Value>(&out).unwrap()["best_model_id"].as_str().unwrap().to_owned();
    run(&place, &[], &["activate", &model, "--reason", NAME, "--url", &server.url]);
    // An answer of the service that repeats what it was asked for.
    run(&place, &[], &["compare", NAME, "x", "--url", &server.url]);
    let (status, _) = ask(&server, "POST", &format!("/activate/{model}"), Some(&json!({"reason": NAME})));
    assert!(matches!(status, 200 | 422), "{status}");
    assert_eq!(server.terminate(), Some(0));
    run(&place, &[], &["audit", "list"]);
    run(&place, &[], &["audit", "list", "--json"]);
}

#[test]
fn a_message_that_is_parked_is_shown_and_not_obeyed() {
    let Some(bus) = bus() else { return };
    let place = Place::new();
    let environment = [("PROVOST_BRIDGE__URL", bus.url.as_str()), ("PROVOST_LOG__LEVEL", "trace")];
    let mut server = Server::start_with(&place, &environment);
    server.expects(&["an event could not be taken in"]);
    wait_for("the bus", Duration::from_secs(20), || Client::of(&server).get("/readyz").json()["bus"] == "up");
    let body = json!({"specversion": "1.0", "id": NAME, "source": NAME, "type": NAME, "data": {NAME: NAME}});
    publish(&bus.url, &[message("m1", &body.to_string()), message("m2", NAME)]);
    let parked = || run(&place, &environment, &["parked", "list", "--json"]).0.lines().count();
    wait_for("parked messages", Duration::from_secs(20), || parked() == 2);
    run(&place, &environment, &["parked", "list"]);
    for id in ["m1", "m2"] {
        run(&place, &environment, &["parked", "show", id]);
        run(&place, &environment, &["parked", "show", id, "--json"]);
    }
    run(&place, &environment, &["parked", "discard", "--all"]);
    assert_eq!(server.terminate(), Some(0));
    let log = std::fs::read_to_string(place.path("serve.log")).unwrap();
    assert!(log.split('\n').all(visible::is_plain), "{log:?}");
}
