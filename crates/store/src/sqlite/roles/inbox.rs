//! [`InboxStore`] on SQLite.

use crate::error::Result;
use crate::known_outcomes;
use crate::roles::inbox::{InboxEffect, InboxEntry, InboxOutcome, InboxStore};
use crate::sqlite::connection::in_transaction;
use crate::sqlite::messages::EncodedEffect;
use crate::sqlite::{SqliteStore, messages, predictions};
use async_trait::async_trait;

#[async_trait]
impl InboxStore for SqliteStore {
    async fn record_inbox(&self, events: Vec<(InboxEntry, InboxEffect)>) -> Result<Vec<InboxOutcome>> {
        let (known, retracted) = (known_outcomes::of_events(&events), known_outcomes::retracted(&events));
        // Before the retraction is on record: a process that dies in between gets the event again.
        self.remove_predictions(&retracted).await?;
        let recorded = self.writer.call(move |connection| {
            let encoded = events.into_iter().map(|(entry, effect)| Ok((entry, EncodedEffect::new(effect)?)));
            let events = encoded.collect::<Result<Vec<_>>>()?;
            in_transaction(connection, |t| messages::record_inbox(t, &events))
        });
        let outcomes = recorded.await?;
        // And after it: a prediction may have been logged meanwhile. From now on none is.
        self.remove_predictions(&retracted).await?;
        let known = known_outcomes::stored_by_events(known, &outcomes);
        if !known.is_empty() {
            self.log.write(false, move |t| predictions::join(t, &known)).await?;
        }
        Ok(outcomes)
    }
}

impl SqliteStore {
    /// Removes the predictions for these points from the log.
    async fn remove_predictions(&self, ids: &[String]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids = ids.to_vec();
        self.log.write(false, move |t| predictions::retract(t, &ids)).await.map(|_| ())
    }
}
