//! [`InboxStore`] on SQLite.

use crate::error::Result;
use crate::roles::inbox::{InboxEffect, InboxEntry, InboxOutcome, InboxStore};
use crate::sqlite::connection::in_transaction;
use crate::sqlite::messages::EncodedEffect;
use crate::sqlite::{SqliteStore, messages};
use async_trait::async_trait;

#[async_trait]
impl InboxStore for SqliteStore {
    async fn record_inbox(&self, events: Vec<(InboxEntry, InboxEffect)>) -> Result<Vec<InboxOutcome>> {
        self.writer
            .call(move |connection| {
                let encoded = events.into_iter().map(|(entry, effect)| Ok((entry, EncodedEffect::new(effect)?)));
                let events = encoded.collect::<Result<Vec<_>>>()?;
                in_transaction(connection, |t| messages::record_inbox(t, &events))
            })
            .await
    }
}
