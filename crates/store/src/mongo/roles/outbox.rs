//! [`OutboxReader`] and [`OutboxStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, outbox};
use crate::roles::outbox::{OutboxMessage, OutboxReader, OutboxStore};
use async_trait::async_trait;

#[async_trait]
impl OutboxReader for MongoStore {
    async fn outbox_pending(&self, channel: &str, limit: u32) -> Result<Vec<OutboxMessage>> {
        let channel = channel.to_owned();
        self.run(|db| async move { outbox::pending(&db, &channel, limit).await }).await
    }

    async fn outbox_count(&self, channel: &str) -> Result<u64> {
        let channel = channel.to_owned();
        self.run(|db| async move { outbox::count(&db, &channel).await }).await
    }
}

#[async_trait]
impl OutboxStore for MongoStore {
    async fn outbox_sent(&self, ids: Vec<String>) -> Result<()> {
        self.run(|db| async move { outbox::sent(&db, ids).await }).await
    }

    async fn outbox_trim(&self, channel: &str, keep: u64) -> Result<u64> {
        let channel = channel.to_owned();
        self.run(|db| async move { outbox::trim(&db, &channel, keep).await }).await
    }
}
