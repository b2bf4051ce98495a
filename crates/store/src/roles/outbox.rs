//! Announcements that wait to be sent. They are written by the call that makes the change which they announce.

use crate::error::Result;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// An announcement written with the change that it announces, relayed later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboxMessage {
    /// Id of the message; a message is sent under it once.
    pub id: String,
    /// `event` or `mail`.
    pub channel: String,
    /// Routing key, or the mail's template.
    pub topic: String,
    /// The event's data, or what the mail's template needs.
    pub payload: serde_json::Value,
    /// When the announced change was made.
    pub at: DateTime<Utc>,
}

/// Reads messages that wait to be sent.
#[async_trait]
pub trait OutboxReader: Send + Sync + 'static {
    /// Messages that wait to be sent, oldest first.
    async fn outbox_pending(&self, channel: &str, limit: u32) -> Result<Vec<OutboxMessage>>;
    /// How many are pending.
    async fn outbox_count(&self, channel: &str) -> Result<u64>;
}

/// Reads waiting messages, and marks them as sent or given up: only for the actors that send them.
#[async_trait]
pub trait OutboxStore: OutboxReader {
    /// Marks messages as sent; unknown ids are ignored.
    async fn outbox_sent(&self, ids: Vec<String>) -> Result<()>;
    /// Gives up all but the newest `keep` pending messages and returns their number. Messages that were sent or given up earlier
    /// may be removed.
    async fn outbox_trim(&self, channel: &str, keep: u64) -> Result<u64>;
}
