//! Examples of keys and of parked messages.

use super::super::example_ids::minute;
use super::super::keys::{KeyEntry, KeyRequest, NewKey};
use super::super::parked::{ParkedList, ParkedMessage, ParkedOutcome, ParkedRequest, WholeMessage};
use chrono::TimeDelta;
use provost_domain::key::{ApiKey, KeyText, Role};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const MESSAGE: &str = "0199c7a2-b4d8-7c3e-9f10-a1b2c3d4e5f6";

/// The example of an operation's request body.
pub fn request(operation: &str) -> Option<Value> {
    Some(match operation {
        "create_key" => json!(KeyRequest {
            role: Role::Operator,
            name: Some("nightly retraining".to_owned()),
            expires_in_days: Some(90),
        }),
        "return_parked" | "drop_parked" => {
            json!(ParkedRequest { ids: vec![MESSAGE.to_owned()], reason: "the sender's schema is mended".to_owned() })
        }
        _ => return None,
    })
}

fn key() -> (KeyText, ApiKey) {
    let text = KeyText::new([0xab; 8], [0; 32]);
    let expires = minute(0) + TimeDelta::days(90);
    let key = ApiKey::new(&text, Some("nightly retraining".to_owned()), Role::Operator, minute(0), Some(expires));
    (text, key)
}

fn message() -> ParkedMessage {
    ParkedMessage {
        id: MESSAGE.to_owned(),
        at: Some(minute(12).to_rfc3339()),
        queue: "ml.data".to_owned(),
        reason: "invalid".to_owned(),
        detail: "/decision: `perhaps` is no decision".to_owned(),
        routing_key: Some("admission.data.recorded".to_owned()),
        exchange: Some("ml.events".to_owned()),
        attempts: None,
        bytes: 812,
    }
}

/// The example of an operation's JSON answer.
pub fn answer(operation: &str) -> Option<Value> {
    Some(match operation {
        "list_keys" => json!([KeyEntry::of(&key().1, minute(1))]),
        "create_key" => json!(NewKey { entry: KeyEntry::of(&key().1, minute(0)), key: key().0.reveal().to_owned() }),
        "revoke_key" => {
            let mut revoked = key().1;
            revoked.revoked_at = Some(minute(5));
            json!(KeyEntry::of(&revoked, minute(5)))
        }
        "list_parked" => json!(ParkedList { total: 1, messages: vec![message()] }),
        "get_parked" => json!(WholeMessage {
            message: message(),
            content_type: Some("application/json".to_owned()),
            headers: BTreeMap::from([("ce-type".to_owned(), "admission.data.recorded".to_owned())]),
            body: json!({"data_point_id": "a-17", "decision": "perhaps"}),
        }),
        "return_parked" | "drop_parked" => {
            json!(ParkedOutcome { done: vec![MESSAGE.to_owned()], stayed: BTreeMap::new(), missing: Vec::new() })
        }
        _ => return None,
    })
}
