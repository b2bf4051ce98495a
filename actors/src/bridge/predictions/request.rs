//! A request for predictions as an event: envelope, sender and body.

use crate::bridge::amqp::Message;
use crate::serving::{PredictOptions, PredictRequest, RequestBounds, RequestOptions};
use chrono::{DateTime, Utc};
use provost_domain::event::inbound::MAX_KEY;
use provost_domain::event::{Refusal, RefusalCode};
use provost_domain::hash::hex;
use provost_domain::{ModelId, json};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// The one type of these events.
const TYPE: &str = "admission.prediction.requested.v1";
/// How many applications one event may have.
const BOUNDS: RequestBounds = RequestBounds { rows: 1_000, explained: 100, others: &["replykey"] };
/// Longest reply key, in characters.
const REPLY_KEY: usize = 64;
/// Whose predictions they are in the log: senders name themselves, so that all of them are one caller.
const CALLER: &str = "events";
/// Prefixes of attributes in headers.
const ATTRIBUTES: [&str; 2] = ["cloudEvents:", "cloudEvents_"];

/// Who asked, and what an answer has to repeat.
#[derive(Debug, Clone, PartialEq)]
pub struct Sender {
    pub source: String,
    pub id: String,
    pub correlation: Option<String>,
    pub reply_key: Option<String>,
    /// After this moment nobody needs the answer.
    pub expires: Option<DateTime<Utc>>,
}

impl Sender {
    /// 32 hexadecimal digits of source and id.
    pub fn short_hash(&self) -> String {
        let hash = Sha256::new().chain_update(&self.source).chain_update([0]).chain_update(&self.id).finalize();
        hex(&hash[..16])
    }
}

/// A request that was read.
#[derive(Debug, Clone)]
pub struct PredictionRequest {
    pub sender: Sender,
    /// SHA-256 of type and data.
    pub payload_hash: String,
    pub asked: PredictRequest,
    /// A request that is delivered again has the same key, so that it is logged once.
    pub options: PredictOptions,
}

impl PredictionRequest {
    /// What its answer is stored under.
    pub fn stored_key(&self) -> String {
        format!("event:{}\n{}", self.sender.source, self.sender.id)
    }
}

/// A request that is refused, with the sender where the envelope could be read.
#[derive(Debug)]
pub struct Unreadable {
    pub refusal: Refusal,
    pub sender: Option<Box<Sender>>,
}

impl From<Refusal> for Unreadable {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, sender: None }
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    specversion: Option<String>,
    id: Option<String>,
    source: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    correlationid: Option<String>,
    expirytime: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// All that is read of data that may be no request.
#[derive(Deserialize)]
struct ReplyKey {
    replykey: Option<String>,
}

fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal::new(RefusalCode::Malformed, detail)
}

fn key(name: &str, value: Option<String>) -> Result<String, Refusal> {
    let value = value.ok_or_else(|| malformed(format!("`{name}` is missing; it is required")))?;
    if value.is_empty() || value.len() > MAX_KEY {
        return Err(malformed(format!("`{name}` has {} bytes; 1 to {MAX_KEY} are allowed", value.len())));
    }
    Ok(value)
}

/// Reads a request in structured or in binary mode.
pub fn read(message: &Message, max_bytes: usize) -> Result<PredictionRequest, Unreadable> {
    if message.body.len() > max_bytes {
        let bytes = message.body.len();
        let detail = format!("the body has {bytes} bytes; {max_bytes} are allowed (bridge.max_message_bytes)");
        return Err(Refusal::new(RefusalCode::Oversized, detail).into());
    }
    let attributes = message.headers_below(&ATTRIBUTES);
    let (wire, data);
    if attributes.is_empty() {
        let read: Wire<'_> = json::from_slice(&message.body)
            .map_err(|e| malformed(format!("the body is no CloudEvent in JSON: {e}")))?;
        data = read.data.ok_or_else(|| malformed("`data` is missing; it is required"))?.get().as_bytes();
        wire = read;
    } else {
        let of = |name: &str| attributes.get(name).cloned();
        data = message.body.as_slice();
        wire = Wire {
            specversion: of("specversion"),
            id: of("id"),
            source: of("source"),
            kind: of("type"),
            correlationid: of("correlationid"),
            expirytime: of("expirytime"),
            data: None,
        };
    }
    let version = wire.specversion.unwrap_or_default();
    if version != "1.0" {
        return Err(malformed(format!("`specversion` is `{version}`; 1.0 is allowed")).into());
    }
    let (id, source, kind) = (key("id", wire.id)?, key("source", wire.source)?, key("type", wire.kind)?);
    let time = |text: String| DateTime::parse_from_rfc3339(&text).map(|at| at.to_utc());
    let expires = wire.expirytime.map(time).transpose();
    let expires = expires.map_err(|_| malformed("`expirytime` is no time as in RFC 3339"))?;
    let correlation = wire.correlationid.map(|text| key("correlationid", Some(text))).transpose()?;
    let reply_key = json::from_slice::<ReplyKey>(data).ok().and_then(|read| read.replykey);
    let is_key = |key: &String| {
        (1..=REPLY_KEY).contains(&key.len())
            && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let bad_key = reply_key.as_ref().is_some_and(|key| !is_key(key));
    let sender = Sender { source, id, correlation, reply_key: reply_key.filter(is_key), expires };
    let refuse = |refusal| Unreadable { refusal, sender: Some(Box::new(sender.clone())) };
    if bad_key {
        let detail = format!("`replykey`: 1 to {REPLY_KEY} lower-case letters, digits and hyphens are allowed");
        return Err(refuse(Refusal::new(RefusalCode::InvalidData, detail)));
    }
    if kind != TYPE {
        let detail = format!("`type` is not {TYPE}, which is what this queue is for");
        return Err(refuse(Refusal::new(RefusalCode::UnknownType, detail)));
    }
    let invalid = |faults: provost_domain::Faults| refuse(Refusal::new(RefusalCode::InvalidData, faults.to_string()));
    let asked = PredictRequest::read(data, RequestOptions::default(), BOUNDS).map_err(invalid)?;
    if asked.options.similar > 0 {
        let detail = "`similar` is answered over HTTP only";
        return Err(refuse(Refusal::new(RefusalCode::InvalidData, detail)));
    }
    if asked.applications.is_empty() {
        let detail = format!("no application can be used: {}", asked.all_faults());
        return Err(refuse(Refusal::new(RefusalCode::InvalidData, detail)));
    }
    let model = asked.options.model_id.as_deref().map(ModelId::parse).transpose();
    let model = model.map_err(|e| refuse(Refusal::new(RefusalCode::InvalidData, format!("/model_id: {e}"))))?;
    let key = format!("event:{}\n{}", sender.source, sender.id);
    let mut options = asked.options.for_service(model, Some(key), CALLER);
    options.places.clone_from(&asked.numbers);
    let payload_hash = hex(&Sha256::new().chain_update(TYPE).chain_update([0]).chain_update(data).finalize());
    Ok(PredictionRequest { sender, payload_hash, asked, options })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::bridge::inbox::STRUCTURED;
    use serde_json::{Value, json};

    fn event(change: impl FnOnce(&mut Value)) -> Message {
        let mut event = json!({
            "specversion": "1.0", "id": "r1", "source": "/portal", "type": TYPE, "time": "2026-11-30T20:00:00Z",
            "correlationid": "c1", "expirytime": "2026-11-30T20:01:00Z",
            "data": { "applications": [{ "profile": {}, "program": {} }], "replykey": "portal-1" },
        });
        change(&mut event);
        Message::new("ml.events", "admission.prediction.requested", STRUCTURED, "r1", event.to_string().into_bytes())
    }

    #[test]
    fn a_request_is_read_with_all_that_its_answer_repeats() {
        let read = read(&event(|_| {}), 10_000).unwrap();
        let Sender { source, id, correlation, reply_key, expires } = read.sender;
        assert_eq!((source.as_str(), id.as_str()), ("/portal", "r1"));
        assert_eq!((correlation.as_deref(), reply_key.as_deref()), (Some("c1"), Some("portal-1")));
        assert_eq!(expires.unwrap().to_rfc3339(), "2026-11-30T20:01:00+00:00");
        assert_eq!(read.asked.applications.len(), 1);
    }

    #[test]
    fn a_refusal_names_its_cause_and_the_sender_where_there_is_one() {
        for (change, part, has_sender) in [
            (("type", json!("admission.prediction.requested.v2")), "this queue", true),
            (("data", json!({ "applications": [] })), "/applications", true),
            (("data", json!({ "applications": [{}], "replykey": "a" })), "no application", true),
            (("data", json!({ "applications": [{}], "similar": 3 })), "over HTTP only", true),
            (("data", json!({ "applications": [{}], "replykey": "A b" })), "replykey", true),
            (("id", json!("")), "`id`", false),
            (("specversion", json!("0.3")), "specversion", false),
            (("expirytime", json!("soon")), "expirytime", false),
        ] {
            let refused = read(&event(|event| event[change.0] = change.1.clone()), 10_000).unwrap_err();
            assert!(refused.refusal.detail.contains(part), "{}: {}", change.0, refused.refusal.detail);
            assert_eq!(refused.sender.is_some(), has_sender, "{}", change.0);
        }
        assert_eq!(read(&event(|_| {}), 10).unwrap_err().refusal.code, RefusalCode::Oversized);
    }

    #[test]
    fn reply_keys_and_rows_have_their_bounds() {
        let asked = |data: Value| read(&event(|event| event["data"] = data), 1_000_000);
        let row = json!({ "profile": {}, "program": {} });
        let with = |key: &str| asked(json!({ "applications": [row], "replykey": key }));
        for key in ["a", "0-9", &"k".repeat(64)] {
            assert_eq!(with(key).unwrap().sender.reply_key.as_deref(), Some(key));
        }
        for key in ["", &"k".repeat(65), "Portal", "a.b", "a#", "ä"] {
            let refused = with(key).unwrap_err();
            assert_eq!(refused.refusal.code, RefusalCode::InvalidData, "{key}");
            assert_eq!(refused.sender.unwrap().reply_key, None, "a refusal goes to no key that is none: {key}");
        }
        assert_eq!(asked(json!({ "applications": [row] })).unwrap().sender.reply_key, None);
        let many = |rows: usize, explain: bool| asked(json!({ "applications": vec![&row; rows], "explain": explain }));
        assert_eq!(many(1_000, false).unwrap().asked.applications.len(), 1_000);
        assert!(many(1_001, false).unwrap_err().refusal.detail.contains("1 to 1000 are allowed"));
        assert!(many(100, true).unwrap().options.explain);
        assert!(many(101, true).unwrap_err().refusal.detail.contains("1 to 100 are allowed"));
        // A request that is delivered again is logged once, and its sender is a caller like all others of the bus.
        let options = many(1, false).unwrap().options;
        assert_eq!((options.key.as_deref(), &*options.caller), (Some("event:/portal\nr1"), CALLER));
    }
}
