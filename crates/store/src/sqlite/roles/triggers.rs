//! [`TriggerReader`] and [`TriggerStore`] on SQLite.

use crate::error::Result;
use crate::page::Page;
use crate::roles::outbox::OutboxMessage;
use crate::roles::triggers::{TriggerReader, TriggerRecord, TriggerStore};
use crate::sqlite::{SqliteStore, messages, triggers};
use async_trait::async_trait;

#[async_trait]
impl TriggerReader for SqliteStore {
    async fn pending_triggers(&self) -> Result<Vec<TriggerRecord>> {
        self.list(triggers::pending).await
    }

    async fn list_triggers(&self, cursor: Option<&str>, limit: u32) -> Result<Page<TriggerRecord>> {
        let cursor = cursor.map(str::to_owned);
        self.list(move |c, damage| triggers::list(c, damage, cursor.as_deref(), limit)).await
    }
}

#[async_trait]
impl TriggerStore for SqliteStore {
    async fn add_trigger(&self, record: TriggerRecord, outbox: Vec<OutboxMessage>) -> Result<bool> {
        self.write(move |t| {
            let new = triggers::add(t, &record)?;
            if new {
                messages::announce(t, &outbox)?;
            }
            Ok(new)
        })
        .await
    }

    async fn settle_trigger(&self, id: &str, outcome: String) -> Result<bool> {
        let id = id.to_owned();
        self.write(move |t| triggers::settle(t, &id, outcome)).await
    }
}
