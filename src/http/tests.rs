//! Checks that the access table and the registered routes are the same.
#![allow(clippy::unwrap_used, clippy::expect_used)]
mod card;

use super::auth::table::{CONTRACT, Found, ROOT, find};
use super::*;
use actix_web::http::{Method, header};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, dev::ServiceResponse};
use serde_json::json;
use std::collections::BTreeSet;

/// Every registered pattern, from the router's resource map.
fn registered(response: &ServiceResponse) -> BTreeSet<String> {
    let map = format!("{:?}", response.request().resource_map());
    let mut patterns = BTreeSet::new();
    for (kind, open, close) in [("patterns: Single(", '"', ")"), ("patterns: List([", '[', "])")] {
        for part in map.split(kind).skip(1) {
            let inside = &part[..part.find(close).unwrap()];
            patterns.extend(inside.split(", ").map(|p| p.trim_matches(['"', open]).to_owned()));
        }
    }
    patterns
}

#[actix_web::test]
async fn every_route_is_in_the_table_with_all_its_methods() {
    let app = init_service(App::new().configure(routes)).await;
    let rows = ROOT.iter().map(|row| (row, String::new())).chain(CONTRACT.iter().map(|row| (row, BASE.to_owned())));
    let mut known = BTreeSet::from([BASE.to_owned(), String::new()]);
    for (row, base) in rows {
        known.insert(row.path.to_owned());
        let path = format!("{base}{}", row.path.replace(['{', '}'], ""));
        let request = TestRequest::with_uri(&path).method(Method::PATCH).to_request();
        let answered = call_service(&app, request).await;
        assert_eq!(answered.status(), 405, "{path}");
        let allow = answered.headers().get(header::ALLOW).unwrap().to_str().unwrap();
        let Found::Methods { allow: told, .. } = find("PATCH", &path) else { panic!("{path}") };
        assert_eq!(told, allow, "{path}");
    }
    let any = call_service(&app, TestRequest::with_uri("/livez").to_request()).await;
    let registered: BTreeSet<String> = registered(&any).into_iter().collect();
    assert!(registered.len() >= 30, "the router's map is not what it was: {registered:?}");
    let unknown: Vec<&String> = registered.difference(&known).collect();
    assert!(unknown.is_empty(), "in no row of the table: {unknown:?}");
}

#[test]
fn the_document_says_what_each_route_needs() {
    let document = serde_json::to_value(document()).unwrap();
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!((&schemes["key"]["scheme"], &schemes["session"]["in"]), (&json!("bearer"), &json!("cookie")));
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Found::Row(row) = find(&method.to_uppercase(), path) else { panic!("{method} {path} is in no row") };
            let role = match row.access {
                auth::table::Access::Public => None,
                auth::table::Access::Role(role) => Some(role.as_str()),
            };
            let locked = role.is_some();
            let ways = if locked { json!([{"key": []}, {"session": []}]) } else { json!([]) };
            assert_eq!(operation["security"], ways, "{method} {path}");
            assert_eq!(operation["x-required-role"].as_str(), role, "{method} {path}");
            let said = role.map_or("Open to everybody.".to_owned(), |role| format!("Needs the role `{role}`"));
            assert!(operation["description"].as_str().unwrap().contains(&said), "{method} {path}");
            for status in ["401", "403", "429"] {
                assert_eq!(operation["responses"][status].is_object(), locked, "{method} {path} {status}");
            }
        }
    }
}
