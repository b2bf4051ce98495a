//! The example of the page about events, against a service and a broker: it knows the contract and nothing else.
#![allow(clippy::unwrap_used)]

use crate::broker::{bus, wait_for};
use crate::command::Place;
use crate::http::{Client, small_job};
use crate::metrics::value_of;
use crate::serving::Server;
use crate::skip::skipped;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Python with the client of the bus that `scripts/setup.sh test` installs.
pub fn python() -> Command {
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", Path::new(env!("CARGO_MANIFEST_DIR")).join("third_party/python"));
    python
}

#[test]
fn the_example_publishes_points_and_a_trigger_and_reads_what_became_of_it() {
    if !python().args(["-c", "import pika"]).output().is_ok_and(|o| o.status.success()) {
        skipped("pika", "there is no python3 with pika; `scripts/setup.sh test` installs it");
        return;
    }
    let Some(bus) = bus() else { return };
    let place = Place::new();
    let server = Server::start_with(&place, &[("PROVOST_BRIDGE__URL", &bus.url)]);
    let client = Client::of(&server);
    wait_for("bus", Duration::from_secs(20), || client.get("/readyz").json()["bus"] == "up");

    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/publish_events.py");
    let ran = python().arg(example).args(["--url", &bus.url, "--points", "400", "--timeout", "60"]).output().unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{told}{}", String::from_utf8_lossy(&ran.stderr));
    let said: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut types: Vec<&str> = said.iter().map(|e| e["type"].as_str().unwrap()).collect();
    types.retain(|t| *t != "training.job.progress.v1");
    let expected = [
        "training.job.queued.v1",
        "training.job.started.v1",
        "model.version.registered.v1",
        // The gate does not decide on as few held-out rows.
        "model.version.rejected.v1",
        "training.job.completed.v1",
    ];
    assert_eq!(types, expected, "{told}");

    // One of the 400 was retracted again, and one corrected.
    let report = client.post("data-quality", &small_job()).ok(200);
    assert_eq!(report["usable_samples"], 399, "{report}");
    let id = said[0]["job_id"].as_str().unwrap();
    let job = client.get(&format!("jobs/{id}")).ok(200);
    assert_eq!(job["status"], "completed");
    let trigger = &client.get("triggers").ok(200)[0];
    assert_eq!((&trigger["trigger_type"], &trigger["job_id"]), (&json!("event"), &json!(id)));
    assert_eq!(trigger["triggered_by"], "/examples/publish_events");
    let status = client.get("status").ok(200);
    let events = &status["components"]["bridge"]["state"]["events"];
    assert_eq!((&events["parked"], &events["duplicates"]), (&json!(0), &json!(0)), "{events}");

    // The same for who watches: 403 events, of which the last is the trigger.
    let scrape = client.get("/metrics");
    let taken = events["taken"].as_u64().unwrap();
    for (series, value) in [
        ("provost_broker_connected{side=\"consumer\"}", 1),
        ("provost_broker_connected{side=\"publisher\"}", 1),
        ("provost_events_total{outcome=\"taken\"}", taken),
        ("provost_events_total{outcome=\"parked\"}", 0),
        ("provost_inbox_lag_seconds_count", taken),
    ] {
        assert_eq!(value_of(&scrape, series), Some(value as f64), "{series}");
    }
    assert!(
        value_of(&scrape, "provost_announcements_total{outcome=\"relayed\"}").is_some_and(|relayed| relayed >= 4.0)
    );
    wait_for("depths", Duration::from_secs(20), || {
        value_of(&client.get("/metrics"), "provost_broker_queue_messages{queue=\"ml.parked\"}") == Some(0.0)
    });
}
