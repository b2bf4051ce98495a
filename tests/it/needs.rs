//! What needs a person, over HTTP: raised by the service, dealt with by people, withdrawn when its cause has gone.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::auth::until;
use crate::command::Place;
use crate::http::{Client, place_with_points, small_job};
use crate::serving::Server;
use serde_json::{Value, json};

fn needs(client: &Client, state: &str) -> Vec<Value> {
    client.get(&format!("needs?state={state}")).ok(200).as_array().unwrap().clone()
}

#[test]
fn a_service_without_a_serving_model_needs_somebody_until_one_serves() {
    let place = place_with_points(500);
    let mut server = Server::start(&place);
    let client = Client::of(&server);
    assert_eq!(needs(&client, "open"), [Value::Null; 0]);
    let job = client.train(&small_job());
    let model = client.ended(&job)["best_model_id"].as_str().unwrap().to_owned();
    until("no model serves", || needs(&client, "open").len() == 1);
    let need = needs(&client, "open").remove(0);
    assert_eq!((&need["kind"], &need["fact"]), (&json!("no_serving_model"), &json!("No model serves")));
    let id = need["need_id"].as_str().unwrap();

    // Snoozed, it is in nobody's way; a restart changes nothing of that.
    let snoozed = client.post(&format!("needs/{id}/snooze"), &json!({"hours": 2, "reason": "after lunch"})).ok(200);
    assert_eq!(snoozed["snoozed"]["reason"], "after lunch");
    assert_eq!((needs(&client, "open").len(), needs(&client, "snoozed").len()), (0, 1));
    assert_eq!(server.terminate(), Some(0));
    let server = Server::start(&place);
    let client = Client::of(&server);
    assert_eq!(needs(&client, "snoozed")[0]["need_id"], id);

    // Its cause goes: it is dealt with by itself.
    client.post(&format!("activate/{model}"), &json!({"reason": "the only one"})).ok(200);
    until("the need is withdrawn", || needs(&client, "withdrawn").len() == 1);
    assert_eq!(needs(&client, "snoozed").len(), 0);
    let refused = client.post(&format!("needs/{id}/snooze"), &json!({"hours": 2}));
    assert_eq!(refused.status, 409);
    let stays = client.post(&format!("needs/{id}/acknowledge"), &json!({})).ok(200);
    assert!(stays["acknowledged"].is_null() && !stays["withdrawn_at"].is_null(), "{stays}");
}

#[test]
fn a_need_is_dealt_with_by_what_is_allowed_and_nothing_else() {
    let place = Place::new();
    let server = Server::start(&place);
    let client = Client::of(&server);
    for (path, body, pointer) in [
        ("needs/x/snooze", json!({"hours": 0}), "/hours"),
        ("needs/x/snooze", json!({"hours": 721}), "/hours"),
        ("needs/x/snooze", json!({}), "/hours"),
        ("needs/x/snooze", json!({"hours": 1, "reason": "x".repeat(1001)}), "/reason"),
        ("needs/x/acknowledge", json!({"reason": 1}), "/reason"),
        ("needs/x/acknowledge", json!({"resaon": "x"}), "/resaon"),
    ] {
        assert_eq!(client.post(path, &body).problem(422), [pointer], "{path} {body}");
    }
    // The form of the pages takes the same hours; there is no such need.
    for (hours, status) in [("0", 422), ("-5", 422), ("721", 422), ("1e9", 422), ("x", 422), ("720", 404), ("", 404)] {
        let form = format!("hours={hours}");
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        let answer = client.send("POST", "/needs/x/snooze", &kind, Some(form.as_bytes()));
        assert_eq!(answer.status, status, "{hours:?}");
    }
    for path in ["needs/x/acknowledge", "needs/need_0123456789abcdef/acknowledge"] {
        let answer = client.post(path, &json!({}));
        assert_eq!((answer.status, answer.json()["code"].as_str()), (404, Some("need_not_found")), "{path}");
    }
    assert_eq!(client.get("needs?state=lost&limit=0").problem(422), ["/limit", "/state"]);
    assert_eq!(client.get("needs?cursor=elsewhere").status, 422);
}
