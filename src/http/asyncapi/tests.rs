#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::http::conformity::{faults, look_up};
use crate::http::openapi::{applications, bounds};
use provost_domain::event::outbound::{
    ActivatedAnnouncement, DeprecatedAnnouncement, DriftAnnouncement, JobAnnouncement, RegisteredAnnouncement,
    RejectedAnnouncement, UnitAnnouncement,
};
use provost_domain::event::{InboundEvent, MAX_BATCH, RefusalCode, SPEC_VERSION};
use provost_domain::record;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// The operation on a channel, with its messages looked up.
fn operation(document: &Value, action: &str, channel: &str) -> Vec<Value> {
    let id = format!("{action}_{}", channel.replace('.', "_"));
    let operation = &document["operations"][&id];
    assert_eq!((&operation["action"], &document["channels"][channel]["address"]), (&json!(action), &json!(channel)));
    assert_eq!(look_up(document, &operation["channel"]), &document["channels"][channel]);
    let messages = operation["messages"].as_array().unwrap_or_else(|| panic!("no operation {id}"));
    messages.iter().map(|m| look_up(document, look_up(document, m)).clone()).collect()
}

#[test]
fn what_arrives_is_documented_in_both_forms_with_examples_that_the_reader_takes() {
    let document = document();
    for kind in InboundType::ALL {
        let messages = operation(&document, "receive", kind.routing_key());
        let [structured, binary] = &messages[..] else { panic!("{kind}: {messages:?}") };
        assert_eq!(structured["contentType"], STRUCTURED);
        assert_eq!(structured["payload"]["allOf"][1]["properties"]["type"]["const"], kind.versioned());
        let event = &structured["examples"][0]["payload"];
        let read = InboundEvent::structured(event.to_string().as_bytes()).unwrap_or_else(|e| panic!("{kind}: {e}"));
        assert_eq!((&read.kind, read.data.refusal()), (&kind.versioned(), None));

        let example = &binary["examples"][0];
        let attributes: BTreeMap<String, String> = example["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(n, v)| (n.strip_prefix(PREFIX).unwrap().to_owned(), v.as_str().unwrap().to_owned()))
            .collect();
        let again = InboundEvent::binary(&attributes, example["payload"].to_string().as_bytes()).unwrap();
        assert_eq!(again, read, "both forms say the same");
        let queue = TOPOLOGY
            .bindings
            .iter()
            .find(|(_, _, key)| key.strip_suffix('#').is_some_and(|prefix| kind.routing_key().starts_with(prefix)));
        let (queue, ..) = queue.unwrap_or_else(|| panic!("no queue is bound to {}", kind.routing_key()));
        assert!(document["channels"][queue]["messages"][kind.versioned()].is_object(), "{queue}: {kind}");
    }
}

fn same<T: DeserializeOwned + Serialize>(data: &Value) -> bool {
    let read: T = serde_json::from_value(data.clone()).unwrap();
    serde_json::to_value(read).unwrap() == *data
}

#[test]
fn what_is_announced_is_documented_with_examples_of_what_is_sent() {
    let document = document();
    for topic in Topic::ALL {
        let messages = operation(&document, "send", topic.as_str());
        let event = &messages[0]["examples"][0]["payload"];
        assert_eq!(event["type"], format!("{topic}.v1"));
        let data = &event["data"];
        assert!(
            match topic {
                Topic::ModelRegistered => same::<RegisteredAnnouncement>(data),
                Topic::ModelActivated => same::<ActivatedAnnouncement>(data),
                Topic::ModelRejected => same::<RejectedAnnouncement>(data),
                Topic::ModelDeprecated => same::<DeprecatedAnnouncement>(data),
                Topic::UnitOffered => same::<UnitAnnouncement>(data),
                Topic::DriftDetected => same::<DriftAnnouncement>(data),
                _ => same::<JobAnnouncement>(data),
            },
            "{topic}: {data}"
        );
    }
}

#[test]
fn nothing_else_is_documented_and_every_reference_leads_somewhere() {
    let document = document();
    let (inbound, topics) = (InboundType::ALL.len(), Topic::ALL.len());
    // Predictions: requested, made and refused, and the queue of the requests.
    assert_eq!(document["operations"].as_object().unwrap().len(), inbound + topics + 1 + 3);
    assert_eq!(document["channels"].as_object().unwrap().len(), inbound + topics + 3 + 4);
    fn walk(document: &Value, value: &Value, seen: &mut usize) {
        match value {
            Value::Object(map) => {
                if map.get("$ref").is_some_and(Value::is_string) {
                    look_up(document, value);
                    *seen += 1;
                }
                map.values().for_each(|v| walk(document, v, seen));
            }
            Value::Array(list) => list.iter().for_each(|v| walk(document, v, seen)),
            _ => {}
        }
    }
    let mut seen = 0;
    walk(&document, &document, &mut seen);
    assert!(seen > 100, "{seen}");
    assert!(!document.to_string().contains("guest"));
}

#[test]
fn every_example_fits_its_schema() {
    let document = document();
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        for example in message["examples"].as_array().unwrap() {
            let faults = |schema: &Value, value: &Value| faults(&document, schema, value);
            assert_eq!(faults(&message["payload"], &example["payload"]), [""; 0], "{name}");
            if message.get("headers").is_some() {
                assert_eq!(faults(&message["headers"], &example["headers"]), [""; 0], "{name}");
            }
        }
    }
    // The check sees what is wrong.
    let mut bad = examples::inbound(InboundType::Batch).event;
    bad["type"] = json!("other");
    bad["data"]["points"][1]["profile"]["gpa"] = json!(-1);
    bad["data"]["points"][1]["decision"] = json!("maybe");
    bad.as_object_mut().unwrap().remove("id");
    let payload = &document["components"]["messages"]["admission.data.batch.v1"]["payload"];
    assert_eq!(
        faults(&document, payload, &bad),
        ["/id", "/type", "/data/points/1/profile/gpa", "/data/points/1/decision"]
    );
}

#[test]
fn the_schema_of_a_data_point_has_every_field_and_its_limits() {
    let mut schemas = Schemas::default();
    schemas.inbound(InboundType::Batch);
    let mut all = schemas.finish();
    let fields = record::keywords();
    assert!(fields.len() > 50);
    for (path, _) in &fields {
        assert!(applications::field(&mut all, "AdmissionDataPoint", path).is_some(), "{path} is in no schema");
    }
    assert_eq!(all["PointBatch"]["properties"]["points"]["maxItems"], MAX_BATCH);
    assert_eq!(all["PointBatch"]["properties"]["points"]["minItems"], 1);
    assert_eq!(all["Profile"]["properties"]["gpa"]["minimum"], 0);
    assert_eq!(all["TestScore"]["properties"]["verbal_score"]["minimum"], 0);
    assert_eq!(all["AdmissionDataPoint"]["properties"]["data_point_id"]["maxLength"], 200);
    assert_eq!(all["AdmissionDataPoint"]["required"], json!(["data_point_id", "profile", "program", "decision"]));
}

#[test]
fn whatever_a_publisher_may_send_has_a_limit_in_the_document() {
    let mut schemas = Schemas::default();
    let names: Vec<String> = InboundType::ALL.iter().map(|kind| schemas.inbound(*kind)).collect();
    let all = Value::Object(schemas.finish());
    let mut found = Vec::new();
    for name in &names {
        bounds::unlimited(&all[name], &all, name, &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_page_about_events_names_all_there_is() {
    let page = include_str!("../../../docs/EVENTS.md");
    let mut words: Vec<String> = vec![STRUCTURED.to_owned(), format!("\"specversion\": \"{SPEC_VERSION}\"")];
    words.extend(InboundType::ALL.iter().flat_map(|k| [k.versioned(), k.routing_key().to_owned()]));
    words.extend(Topic::ALL.iter().map(|t| t.to_string()));
    words.extend(RefusalCode::ALL.iter().map(|c| format!("| `{c}` |")));
    words.extend(PARKED_HEADERS.iter().map(|(name, _)| (*name).to_owned()));
    words.extend(TOPOLOGY.exchanges.iter().map(|e| e.name.to_owned()));
    words.extend(TOPOLOGY.queues.iter().map(|q| q.name.to_owned()));
    for word in words {
        assert!(page.contains(&word), "docs/EVENTS.md does not name {word}");
    }
    let example = include_str!("../../../examples/publish_events.py");
    let (_, quoted) = page.split_once("```python\n").unwrap();
    assert!(example.contains(quoted.split_once("```").unwrap().0), "the page quotes what the example has not");
}
