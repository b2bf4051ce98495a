//! [`InboxStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, inbox};
use crate::roles::inbox::{InboxEffect, InboxEntry, InboxOutcome, InboxStore};
use async_trait::async_trait;

#[async_trait]
impl InboxStore for MongoStore {
    async fn record_inbox(&self, events: Vec<(InboxEntry, InboxEffect)>) -> Result<Vec<InboxOutcome>> {
        self.run(|db| async move { inbox::record(&db, events).await }).await
    }
}
