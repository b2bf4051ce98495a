//! Reads events out of messages. Pure.

use crate::bridge::amqp::Message;
use chrono::{DateTime, Utc};
use provost_domain::JobId;
use provost_domain::check::brief;
use provost_domain::event::{Inbound, InboundEvent, Refusal, RefusalCode, TriggerRequest};
use provost_domain::gate::ActivationWish;
use provost_domain::schedule::{TrainingTrigger, TriggerType};
use provost_store::{InboxEffect, InboxEntry, TriggerRecord};
use sha2::{Digest, Sha256};

/// Content type of events in structured mode.
pub const STRUCTURED: &str = "application/cloudevents+json";
/// Prefixes of attributes in headers.
const ATTRIBUTES: [&str; 2] = ["cloudEvents:", "cloudEvents_"];

/// An event as the inbox takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub(super) entry: InboxEntry,
    pub(super) effect: InboxEffect,
    /// The job, and who wants it cancelled.
    pub(super) cancel: Option<(JobId, String)>,
    /// Of a batch: the points that it must do without.
    pub(super) refused: Option<Refusal>,
    /// Its own.
    pub(super) time: DateTime<Utc>,
}

impl Event {
    pub(super) fn to_record(&self) -> (InboxEntry, InboxEffect) {
        (self.entry.clone(), self.effect.clone())
    }
}

/// Reads an event out of a message. Pure work: it belongs off the actors' thread.
pub fn read(message: &Message, max_bytes: usize, now: DateTime<Utc>) -> Result<Event, Refusal> {
    if message.body.len() > max_bytes {
        let detail =
            format!("the body has {} bytes; {max_bytes} are allowed (bridge.max_message_bytes)", message.body.len());
        return Err(Refusal::new(RefusalCode::Oversized, detail));
    }
    if let Some(encoding) = message.content_encoding().map(str::trim)
        && !encoding.is_empty()
        && !encoding.eq_ignore_ascii_case("identity")
    {
        let detail = format!("content_encoding {} is not supported", brief(encoding, 40));
        return Err(Refusal::new(RefusalCode::Malformed, detail));
    }
    let structured = message
        .content_type()
        .is_some_and(|t| t.get(..STRUCTURED.len()).is_some_and(|t| t.eq_ignore_ascii_case(STRUCTURED)));
    let attributes = if structured { Default::default() } else { message.headers_below(&ATTRIBUTES) };
    // Without attributes in headers they can only be in the body, whatever the content type says.
    let event = if attributes.is_empty() {
        InboundEvent::structured(&message.body)
    } else {
        InboundEvent::binary(&attributes, &message.body)
    }?;
    let refused = event.data.refusal();
    let InboundEvent { source, id, payload_hash, data, time, .. } = event;
    let (effect, cancel) = match data {
        Inbound::Points { points, .. } => (InboxEffect::Points(points), None),
        Inbound::Retraction(retraction) => (InboxEffect::Retraction(retraction), None),
        Inbound::Trigger(request) => (InboxEffect::Trigger(Box::new(trigger(&source, &id, *request, now))), None),
        Inbound::Cancel(job) => (InboxEffect::None, Some((job, source.clone()))),
    };
    Ok(Event { entry: InboxEntry { source, id, payload_hash, at: now }, effect, cancel, refused, time })
}

fn trigger(source: &str, id: &str, request: TriggerRequest, now: DateTime<Utc>) -> TriggerRecord {
    let hash = Sha256::new().chain_update(source).chain_update([0]).chain_update(id).finalize();
    let name: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    TriggerRecord {
        id: format!("event_{name}"),
        trigger: TrainingTrigger::new(TriggerType::Event, now, Some(source.to_owned()), Some(request.reason)),
        config: request.config,
        activation: match request.auto_activate {
            Some(true) => ActivationWish::IfBetter,
            Some(false) => ActivationWish::Approval,
            // The schedule decides, and the scheduler knows it.
            None => ActivationWish::None,
        },
        job_id: None,
        outcome: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lapin::BasicProperties;

    #[test]
    fn a_packed_event_is_refused_before_it_is_read() {
        let read = |encoding: &str| {
            let mut message = Message::new("ml.events", "a.b", STRUCTURED, "m", b"packed".to_vec());
            message.properties = BasicProperties::default().with_content_encoding(encoding.into());
            read(&message, 100, DateTime::UNIX_EPOCH).unwrap_err()
        };
        let refusal = read("gzip");
        assert_eq!(refusal.code, RefusalCode::Malformed);
        assert!(refusal.detail.contains("content_encoding gzip is not supported"), "{}", refusal.detail);
        for plain in ["", "identity", "Identity"] {
            assert!(!read(plain).detail.contains("content_encoding"), "{plain}");
        }
    }
}
