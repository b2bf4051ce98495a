//! The bus from an operator's view: readiness, `parked`, `doctor`, and what no output may show.
#![allow(clippy::unwrap_used)]

use crate::broker::{bus, wait_for};
use crate::command::Place;
use crate::http::Client;
use crate::serving::Server;
use provost_actors::bridge::Address;
use provost_actors::bridge::amqp::{Link, Message, Published};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// Publishes to the exchange of events and waits for the confirmation.
pub fn publish(url: &str, messages: &[Message]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let link = Link::open(&Address::parse(url).unwrap(), None, "a test", Duration::from_secs(5)).await.unwrap();
        let outcomes = link.outlet().await.unwrap().publish(messages).await.unwrap();
        assert!(outcomes.iter().all(|outcome| *outcome == Published::Confirmed), "{outcomes:?}");
        link.close().await;
    });
}

pub fn message(id: &str, body: &str) -> Message {
    Message::new("ml.events", "admission.data.recorded", "application/cloudevents+json", id, body.as_bytes().to_vec())
}

fn ready(client: &Client) -> Value {
    client.get("/readyz").json()
}

#[test]
fn without_an_address_there_is_no_bus_and_parked_says_so() {
    let place = Place::new();
    let server = Server::start(&place);
    assert_eq!(ready(&Client::of(&server)), json!({"status": "ready", "store": "up", "bus": "disabled"}));
    let ran = place.run(&["parked", "list"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("bridge.url"), "{}", ran.err);
}

#[test]
fn a_bus_that_is_away_degrades_and_stops_nothing() {
    let place = Place::new();
    let url = "amqp://someone:s3cret@127.0.0.1:9/v0";
    let mut server = Server::start_with(&place, &[("PROVOST_BRIDGE__URL", url)]);
    server.expects(&["keeping the connection"]);
    let client = Client::of(&server);
    wait_for("a degraded bus", SOON, || ready(&client)["bus"] == "degraded");
    assert_eq!(client.get("/readyz").status, 200);
    let status = client.get("status").ok(200).to_string();
    assert!(status.contains("127.0.0.1:9") || status.contains("refused"), "{status}");
    assert!(!status.contains("s3cret"), "{status}");

    let doctor = place.command(&["doctor"]).env("PROVOST_BRIDGE__URL", url).output().unwrap();
    let told = String::from_utf8_lossy(&doctor.stdout);
    assert!(told.contains("✗ bus") && told.contains("is RabbitMQ running"), "{told}");
    assert!(!told.contains("s3cret") && !String::from_utf8_lossy(&doctor.stderr).contains("s3cret"), "{told}");
    assert_eq!(server.terminate(), Some(0), "an orderly stop");
}

#[test]
fn parked_messages_are_listed_shown_replayed_and_discarded_beside_the_service() {
    let Some(bus) = bus() else { return };
    let place = Place::new();
    let file = place.file("bus-url", format!("{}\n", bus.url));
    let environment = [("PROVOST_BRIDGE__URL_FILE", file.to_str().unwrap())];
    let mut server = Server::start_with(&place, &environment);
    server.expects(&["an event could not be taken in"]);
    let client = Client::of(&server);
    wait_for("the bus", SOON, || ready(&client)["bus"] == "up");
    let run = |arguments: &[&str]| {
        let output = place.command(arguments).envs(environment).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let list = || -> Vec<Value> {
        let (code, out, err) = run(&["parked", "list", "--json"]);
        assert_eq!(code, Some(0), "{err}");
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let parked = |n: u64| {
        let name = |s: &Value| s["components"]["bridge"]["state"]["events"]["parked"].as_u64();
        wait_for("parked messages", SOON, || name(&client.get("status").json()) == Some(n));
    };

    assert_eq!(run(&["parked", "discard", "--all"]).0, Some(0));
    publish(&bus.url, &[message("m1", "{\"specversion\": \"0.3\"}"), message("", "no JSON"), message("m3", "[]")]);
    parked(3);
    let listed = list();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed, list(), "what was looked at is where it was");
    assert_eq!((listed[0]["id"].as_str(), listed[0]["queue"].as_str()), (Some("m1"), Some("ml.data")));
    assert!(listed.iter().all(|m| m["reason"] == "malformed"));
    let hashed = listed.iter().find(|m| m["bytes"] == 7).unwrap()["id"].as_str().unwrap().to_owned();

    let (code, out, _) = run(&["parked", "list"]);
    assert!(code == Some(0) && out.contains("malformed") && out.contains(&hashed), "{out}");
    let (code, out, _) = run(&["parked", "show", "m1"]);
    assert!(code == Some(0) && out.contains("\"specversion\": \"0.3\"") && out.contains("x-provost-reason"), "{out}");
    assert_eq!(run(&["parked", "show", "m9"]).0, Some(1));
    // The beginning of an id is enough if only one message has it.
    let (code, out, _) = run(&["parked", "show", &hashed[..12]]);
    assert!(code == Some(0) && out.contains(&hashed), "{out}");
    let (code, _, err) = run(&["parked", "show", "m"]);
    assert!(code == Some(2) && err.contains("2 messages") && err.contains("m1") && err.contains("m3"), "{err}");
    // What changes the queue takes whole ids: the message may be gone, and another one's id begin like that.
    for act in ["replay", "discard"] {
        let (code, _, err) = run(&["parked", act, &hashed[..12]]);
        assert!(code == Some(1) && err.contains("no such parked message"), "{act}: {err}");
    }
    assert_eq!(list().len(), 3, "nothing was taken out");

    // The broken message is parked again, as a new one.
    let (code, out, err) = run(&["parked", "replay", "m1", "m9", "--json"]);
    assert_eq!(code, Some(1), "one is missing: {err}");
    assert_eq!(
        serde_json::from_str::<Value>(&out).unwrap(),
        json!({"replayed": ["m1"], "stayed": {}, "missing": ["m9"]})
    );
    parked(4);
    let again = list();
    assert_eq!(again.len(), 3);
    let m1 = again.iter().find(|m| m["id"] == "m1").unwrap();
    assert_eq!((m1["routing_key"].as_str(), m1["attempts"].as_u64()), (Some("admission.data.recorded"), Some(0)));

    let (_, doctor, _) = run(&["doctor"]);
    assert!(doctor.contains("! bus") && doctor.contains("3 parked"), "{doctor}");
    assert_eq!(run(&["parked", "discard", &hashed]).0, Some(0));
    assert_eq!(run(&["parked", "discard", "--all"]).1.trim(), "2 discarded");
    assert_eq!(run(&["parked", "list"]).1.trim(), "Nothing is parked.");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn messages_set_aside_are_dealt_with_over_http_and_on_their_page() {
    let Some(bus) = bus() else { return };
    let place = Place::new();
    let mut server = Server::start_with(&place, &[("PROVOST_BRIDGE__URL", bus.url.as_str())]);
    server.expects(&["an event could not be taken in"]);
    let client = Client::of(&server);
    wait_for("the bus", SOON, || ready(&client)["bus"] == "up");
    let all = client.get("parked").ok(200)["messages"].clone();
    let old: Vec<&str> = all.as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    if !old.is_empty() {
        client.post("parked/drop", &json!({"ids": old, "reason": "of another test"})).ok(200);
    }
    publish(&bus.url, &[message("h1", "{\"specversion\": \"0.3\"}"), message("h2", "[]"), message("h3", "[]")]);
    wait_for("parked messages", SOON, || client.get("parked").json()["total"] == 3);
    wait_for("somebody is needed", SOON, || client.get("needs").json()[0]["kind"] == "messages_set_aside");
    let one = client.get("parked/message?id=h1").ok(200);
    assert_eq!((&one["reason"], &one["body"]["specversion"]), (&json!("malformed"), &json!("0.3")));
    assert_eq!(client.get("parked/message?id=h9").status, 404);
    assert_eq!(client.get("parked").ok(200)["total"], 3, "to look uses none up");

    let dropped =
        client.post("parked/drop", &json!({"ids": ["h1", "h9"], "reason": "it is of an old version"})).ok(200);
    assert_eq!((&dropped["done"], &dropped["missing"]), (&json!(["h1"]), &json!(["h9"])));
    let audit = client.get("audit?limit=5").ok(200);
    let mut reasons = audit.as_array().unwrap().iter().filter_map(|entry| entry["details"]["reason"].as_str());
    assert!(reasons.any(|reason| reason == "it is of an old version"), "{audit}");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let page = |body: &str| {
        let answer = client.send("POST", "/system/messages", &form, Some(body.as_bytes()));
        (answer.status, String::from_utf8(answer.bytes).unwrap())
    };
    let (status, html) = page("ids=h2&act=drop&reason=");
    assert!(status == 422 && html.contains("A reason is needed"), "{html}");
    let (status, html) = page("ids=h2&ids=h3&act=drop&reason=nobody+needs+them");
    assert!(status == 200 && html.contains("dropped") && html.contains("No message is set aside"), "{html}");
    assert_eq!(client.get("needs").ok(200), json!([]), "nobody is needed any more");
    assert_eq!(server.terminate(), Some(0));
}
