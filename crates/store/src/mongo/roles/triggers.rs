//! [`TriggerReader`] and [`TriggerStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, triggers};
use crate::page::Page;
use crate::roles::outbox::OutboxMessage;
use crate::roles::triggers::{TriggerReader, TriggerRecord, TriggerStore};
use async_trait::async_trait;

#[async_trait]
impl TriggerReader for MongoStore {
    async fn pending_triggers(&self) -> Result<Vec<TriggerRecord>> {
        self.run(|db| async move { triggers::pending(&db).await }).await
    }

    async fn list_triggers(&self, cursor: Option<&str>, limit: u32) -> Result<Page<TriggerRecord>> {
        let cursor = cursor.map(str::to_owned);
        self.run(|db| async move { triggers::list(&db, cursor.as_deref(), limit).await }).await
    }
}

#[async_trait]
impl TriggerStore for MongoStore {
    async fn add_trigger(&self, record: TriggerRecord, outbox: Vec<OutboxMessage>) -> Result<bool> {
        self.run(|db| async move { triggers::add(&db, &record, &outbox).await }).await
    }

    async fn settle_trigger(&self, id: &str, outcome: String) -> Result<bool> {
        let id = id.to_owned();
        self.run(|db| async move { triggers::settle(&db, &id, outcome).await }).await
    }
}
