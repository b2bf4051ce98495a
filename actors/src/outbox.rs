//! Builds announcements for the outbox; each is written in the transaction of the change that it announces.

use chrono::{DateTime, Utc};
use provost_domain::event::outbound::Topic;
use provost_store::OutboxMessage;
use serde::Serialize;

/// The channel of announcements, which the bridge publishes.
pub const EVENTS: &str = "event";
/// The channel of mails, which the notifier sends.
pub const MAIL: &str = "mail";

/// An event for the bus; `id` identifies the occasion, so that it is announced once.
pub fn announcement_of<T: Serialize>(id: String, topic: Topic, data: &T, at: DateTime<Utc>) -> OutboxMessage {
    // Announcements are plain structs of texts, numbers and lists: they always serialise.
    let payload = serde_json::to_value(data).unwrap_or_default();
    OutboxMessage { id, channel: EVENTS.to_owned(), topic: topic.as_str().to_owned(), payload, at }
}
