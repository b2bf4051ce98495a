//! Announcements on their way into the outbox: written with the change that they announce.

use chrono::{DateTime, Utc};
use provost_domain::event::outbound::Topic;
use provost_store::OutboxMessage;
use serde::Serialize;

/// Channel of what the bridge relays to the bus.
pub const EVENTS: &str = "event";
/// Channel of what the notifier sends.
pub const MAIL: &str = "mail";

/// An event for the bus; `id` names the occasion, so that it is announced once.
pub fn announcement_of<T: Serialize>(id: String, topic: Topic, data: &T, at: DateTime<Utc>) -> OutboxMessage {
    // Announcements are plain structs of texts, numbers and lists: they always serialise.
    let payload = serde_json::to_value(data).unwrap_or_default();
    OutboxMessage { id, channel: EVENTS.to_owned(), topic: topic.as_str().to_owned(), payload, at }
}
