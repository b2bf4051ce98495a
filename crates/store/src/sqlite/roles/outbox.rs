//! [`OutboxReader`] and [`OutboxStore`] on SQLite.

use crate::error::Result;
use crate::roles::outbox::{OutboxMessage, OutboxReader, OutboxStore};
use crate::sqlite::{SqliteStore, messages};
use async_trait::async_trait;

#[async_trait]
impl OutboxReader for SqliteStore {
    async fn outbox_pending(&self, channel: &str, limit: u32) -> Result<Vec<OutboxMessage>> {
        let channel = channel.to_owned();
        self.list(move |c, damage| messages::pending(c, damage, &channel, limit)).await
    }

    async fn outbox_count(&self, channel: &str) -> Result<u64> {
        let channel = channel.to_owned();
        self.read(move |c| messages::count(c, &channel)).await
    }
}

#[async_trait]
impl OutboxStore for SqliteStore {
    async fn outbox_sent(&self, ids: Vec<String>) -> Result<()> {
        self.write(move |t| messages::sent(t, &ids)).await
    }

    async fn outbox_trim(&self, channel: &str, keep: u64) -> Result<u64> {
        let channel = channel.to_owned();
        self.write(move |t| messages::trim(t, &channel, keep)).await
    }
}
