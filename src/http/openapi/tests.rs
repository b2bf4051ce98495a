#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::http::conformity::{faults, look_up};
use serde_json::json;
use std::collections::BTreeSet;

const OPERATIONS: [&str; 28] = [
    "train",
    "get_job",
    "list_jobs",
    "cancel_job",
    "stream_job_events",
    "evaluate_model",
    "get_evaluation_results",
    "get_plot",
    "get_comparison_plot",
    "list_models",
    "get_model",
    "activate_model",
    "rollback",
    "list_activations",
    "list_decisions",
    "compare_models",
    "get_metrics",
    "get_feature_importance",
    "export_model",
    "check_data_quality",
    "list_triggers",
    "get_schedule",
    "replace_schedule",
    "get_status",
    "list_audit",
    "live",
    "ready",
    "scrape_metrics",
];

#[test]
fn the_document_has_the_contracts_routes() {
    let document = document();
    assert!(document["openapi"].as_str().is_some_and(|v| v.starts_with("3.1")));
    for (method, path) in [
        ("post", "/train"),
        ("get", "/jobs/{job_id}"),
        ("get", "/jobs"),
        ("delete", "/jobs/{job_id}"),
        ("post", "/evaluate/{model_id}"),
        ("get", "/evaluate/{model_id}/results"),
        ("get", "/models"),
        ("get", "/models/{model_id}"),
        ("post", "/activate/{model_id}"),
        ("post", "/compare"),
        ("get", "/metrics/{model_id}"),
        ("get", "/feature-importance/{model_id}"),
        ("post", "/data-quality"),
        ("get", "/status"),
    ] {
        assert!(document["paths"][format!("{BASE}{path}")][method].is_object(), "{method} {path}");
    }
    assert!(document["paths"]["/livez"]["get"].is_object());
    let metrics = &document["paths"]["/metrics"]["get"]["responses"]["200"]["content"];
    assert!(metrics["text/plain"].is_object() && metrics["application/openmetrics-text"].is_object(), "{metrics}");
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.values().flat_map(|p| p.as_object().expect("a path item").values());
    let ids: Vec<_> = operations.map(|o| o["operationId"].as_str().expect("an id")).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "operation ids are unique: {ids:?}");
    // Operation ids become function names in generated clients, so existing ones must not change.
    for id in OPERATIONS {
        assert!(ids.contains(&id), "{id} is gone");
    }
    let config = &document["components"]["schemas"]["TrainingConfig"]["properties"];
    assert!(config["test_size"].is_object());
    // The whole range of the type is accepted, so the document must not claim a maximum of 2^63.
    assert_eq!(config["random_state"]["format"], "uint64");
    let rollback = &document["paths"][format!("{BASE}/rollback")]["post"]["responses"];
    assert!(rollback["422"].is_object() && rollback["413"].is_object(), "{rollback}");
}

#[test]
fn whatever_a_client_may_send_has_a_limit_in_the_document() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let (mut found, mut bodies, mut parameters) = (Vec::new(), 0, 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for content in operation["requestBody"]["content"].as_object().into_iter().flat_map(|c| c.values()) {
                bodies += 1;
                bounds::unlimited(&content["schema"], schemas, &format!("{method} {path}"), &mut found);
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                parameters += 1;
                let at = format!("{method} {path} {}", parameter["name"]);
                bounds::unlimited(&parameter["schema"], schemas, &at, &mut found);
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(bodies >= 5 && parameters > 20, "{bodies} bodies, {parameters} parameters");
    // The limits that the contract states.
    let of = |schema: &str, property: &str, keyword: &str| {
        schemas[schema]["properties"][property][keyword].as_u64().unwrap_or_else(|| panic!("{schema}.{property}"))
    };
    assert_eq!(of("TrainingConfig", "notes", "maxLength"), 10_000);
    assert_eq!(of("TrainingConfig", "version_tag", "maxLength"), 100);
    assert_eq!(of("ActivateRequest", "reason", "maxLength"), 1000);
    assert_eq!(of("ModelComparisonRequest", "model_ids", "maxItems"), 100);
}

#[test]
fn a_missing_limit_is_found() {
    let schema = serde_json::json!({"type": "object", "properties": {
        "text": {"type": ["string", "null"]}, "list": {"type": "array", "items": {"type": "string", "maxLength": 1}},
        "map": {"type": "object", "additionalProperties": {"type": "integer"}}, "word": {"enum": ["a"], "type": "string"}}});
    let mut found = Vec::new();
    bounds::unlimited(&schema, &Value::Null, "", &mut found);
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn streams_of_predictions_are_typed_and_their_examples_are_read_and_written_so() {
    let document = document();
    let predict = &document["paths"][format!("{BASE}/predict")]["post"];
    let (asked, answered) = (&predict["requestBody"]["content"], &predict["responses"]["200"]["content"]);
    for (content, kind) in [(asked, "request"), (answered, "answer")] {
        let content = &content["application/x-ndjson"];
        let line = look_up(&document, &content["schema"]["contentSchema"]["items"]);
        let lines: Vec<Value> =
            content["example"].as_str().unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(!lines.is_empty());
        for read in lines {
            assert_eq!(faults(&document, line, &read), [""; 0], "{kind}: {read}");
        }
        assert!(!faults(&document, line, &json!({"row": "first"})).is_empty(), "{kind}");
    }
    let schema = &asked["application/json"]["schema"];
    let application = json!({"profile": {"gpa": 3.5, "test_scores": []}, "program": {"university_name": "U"}});
    assert_eq!(faults(&document, schema, &application), [""; 0]);
    assert!(!faults(&document, schema, &json!({"profile": {"gpa": -1}, "program": {}})).is_empty());
    assert!(!faults(&document, schema, &json!({"applications": [application], "explian": true})).is_empty());
}

/// Each operation with its method, path and id.
fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap().iter();
        item.map(move |(method, operation)| (format!("{method} {path} ({})", operation["operationId"]), operation))
    })
}

/// The bodies of an operation: where, content type, and description.
fn bodies(operation: &Value) -> impl Iterator<Item = (String, &str, &Value)> {
    let answers = operation["responses"].as_object().unwrap().iter();
    let asked = std::iter::once(("request".to_owned(), &operation["requestBody"]));
    asked.chain(answers.map(|(status, answer)| (status.clone(), answer))).flat_map(|(place, part)| {
        let content = part["content"].as_object().into_iter().flatten();
        content.map(move |(kind, body)| (place.clone(), kind.as_str(), body))
    })
}

#[test]
fn every_operation_is_described_with_examples_that_fit_their_schemas() {
    let document = document();
    let (mut asked, mut answered) = (0, 0);
    for (at, operation) in operations(&document) {
        for member in ["summary", "description"] {
            let text = operation[member].as_str().unwrap_or_default();
            assert!(text.len() > 10, "{at}: its {member} is `{text}`");
        }
        assert_ne!(operation["summary"], operation["description"], "{at}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let said = parameter["description"].as_str().unwrap_or_default();
            assert!(said.len() > 3, "{at}: {} is not described", parameter["name"]);
            if !parameter["example"].is_null() {
                let wrong = faults(&document, &parameter["schema"], &parameter["example"]);
                assert!(wrong.is_empty(), "{at}: {}: {wrong:?}", parameter["name"]);
            }
        }
        for (place, kind, body) in bodies(operation).filter(|(_, kind, _)| kind.ends_with("json")) {
            assert!(body["schema"].is_object(), "{at}: {place} {kind} has no schema");
            let example = &body["example"];
            assert!(!example.is_null(), "{at}: {place} {kind} has no example (src/http/openapi/examples.rs)");
            let wrong = faults(&document, &body["schema"], example);
            assert!(wrong.is_empty(), "{at}: {place}: {wrong:?} in {example}");
            if kind == "application/problem+json" {
                assert_eq!(example["status"].to_string(), place, "{at}: {example}");
            }
            if place == "request" { asked += 1 } else { answered += 1 }
        }
    }
    assert!(asked >= 5 && answered > 100, "{asked} and {answered}");
    // The check finds faults.
    let quality = &document["paths"][format!("{BASE}/data-quality")]["post"]["responses"]["200"]["content"];
    let quality = &quality["application/json"];
    let mut bad = quality["example"].clone();
    bad["total_samples"] = json!("many");
    assert_eq!(faults(&document, &quality["schema"], &bad), ["/total_samples"]);
}

#[test]
fn a_stream_of_events_is_typed_and_its_example_is_what_is_sent() {
    let document = document();
    let stream = &document["paths"][format!("{BASE}/jobs/{{job_id}}/events")]["get"]["responses"]["200"]["content"]["text/event-stream"];
    assert_eq!(stream["schema"]["contentMediaType"], "text/event-stream");
    let event = look_up(&document, &stream["schema"]["contentSchema"]["items"]);
    let mut kinds = BTreeSet::new();
    for frame in stream["example"].as_str().unwrap().split_terminator("\n\n") {
        let member = |name: &str| frame.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": ")).unwrap();
        let (id, kind): (u64, &str) = (member("id").parse().unwrap(), member("event"));
        let data: Value = serde_json::from_str(member("data")).unwrap();
        let read = json!({"id": id, "event": kind, "data": data});
        assert_eq!(faults(&document, event, &read), [""; 0], "{read}");
        let mut bad = read;
        bad["data"] = json!({});
        assert!(!faults(&document, event, &bad).is_empty(), "{bad}");
        kinds.insert(kind.to_owned());
    }
    assert_eq!(kinds, ["log", "progress", "state", "trial"].map(str::to_owned).into());
}
