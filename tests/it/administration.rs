//! Keys and settings, over HTTP and on their pages.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::auth::{locked, until};
use crate::command::Place;
use crate::http::Client;
use crate::serving::Server;
use serde_json::{Value, json};

fn with(client: &Client, key: &str, method: &str, path: &str, body: Option<&Value>) -> crate::http::Answer {
    let body = body.map(Value::to_string);
    client.with(Some(key), method, path, body.as_deref().map(str::as_bytes))
}

#[test]
fn an_admin_makes_and_ends_keys() {
    let place = Place::new();
    let (_server, client, keys) = locked(&place, &[]);
    let admin = &keys[2].text;
    let asked = json!({"role": "viewer", "name": "the dean", "expires_in_days": 30});
    let made = with(&client, admin, "POST", "keys", Some(&asked)).ok(201);
    let (id, text) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!((&made["role"], &made["name"], &made["valid"]), (&json!("viewer"), &json!("the dean"), &json!(true)));
    until("the key opens", || with(&client, text, "GET", "jobs", None).status == 200);
    assert_eq!(with(&client, text, "GET", "keys", None).status, 403);
    let listed = with(&client, admin, "GET", "keys", None).ok(200);
    assert_eq!(listed.as_array().unwrap().len(), 4);
    assert!(!listed.to_string().contains(&text[21..]), "its text is kept nowhere");
    let page = String::from_utf8(with(&client, admin, "GET", "/system/keys", None).bytes).unwrap();
    assert!(page.contains("the dean") && page.contains(id) && !page.contains(&text[21..]));

    let ended = with(&client, admin, "DELETE", &format!("keys/{id}"), None).ok(200);
    assert_eq!(ended["valid"], false);
    until("the key opens nothing", || with(&client, text, "GET", "jobs", None).status == 401);
    assert_eq!(with(&client, admin, "DELETE", "keys/key_0123456789abcdef", None).status, 404);
    for (body, pointers) in [
        (json!({}), vec!["/role"]),
        (json!({"role": "owner", "name": " x", "expires_in_days": 0}), vec!["/role", "/name", "/expires_in_days"]),
    ] {
        let mut found = with(&client, admin, "POST", "keys", Some(&body)).problem(422);
        let mut expected: Vec<String> = pointers.into_iter().map(str::to_owned).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{body}");
    }
    let log = with(&client, admin, "GET", "audit?limit=50", None).ok(200).to_string();
    assert!(log.contains("key_created") && log.contains("key_revoked") && !log.contains(&text[21..]));
}

#[test]
fn the_first_key_is_made_on_the_page_and_shuts_the_door() {
    let place = Place::new();
    let server = Server::start(&place);
    let client = Client::of(&server);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let post = |path: &str, body: &str| client.send("POST", path, &form, Some(body.as_bytes()));
    let open = String::from_utf8(client.get("/system/keys").bytes).unwrap();
    assert!(open.contains("No key is valid"), "{open}");
    let refused = post("/system/keys", "role=admin&expires_in_days=soon");
    assert!(refused.status == 422 && String::from_utf8(refused.bytes).unwrap().contains("expires_in_days"));
    let made = String::from_utf8(post("/system/keys", "role=admin&name=first").bytes).unwrap();
    let key = &made[made.find("pvk_").expect("the key is shown")..][..85];
    until("the door is shut", || client.get("jobs").status == 401);
    assert_eq!(client.with(Some(key), "GET", "jobs", None).status, 200);
}

#[test]
fn settings_are_shown_with_where_they_come_from_and_without_passwords() {
    let place = Place::new();
    let environment = [("PROVOST_JOBS__MAX_QUEUED", "7"), ("PROVOST_BRIDGE__URL", "amqp://user:geheim@127.0.0.1:9/v0")];
    let server = Server::start_with(&place, &environment);
    server.expects(&["keeping the connection"]);
    let page = String::from_utf8(Client::of(&server).get("/system/settings").bytes).unwrap();
    assert!(page.contains("environment PROVOST_JOBS__MAX_QUEUED") && page.contains("jobs.max_running"), "{page}");
    assert!(!page.contains("geheim"), "{page}");
}
