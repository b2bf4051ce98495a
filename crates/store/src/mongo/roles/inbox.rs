//! [`InboxStore`] on MongoDB.

use crate::error::Result;
use crate::known_outcomes;
use crate::mongo::{MongoStore, inbox, predictions};
use crate::roles::inbox::{InboxEffect, InboxEntry, InboxOutcome, InboxStore};
use async_trait::async_trait;

#[async_trait]
impl InboxStore for MongoStore {
    async fn record_inbox(&self, events: Vec<(InboxEntry, InboxEffect)>) -> Result<Vec<InboxOutcome>> {
        self.run(|db| async move {
            let (known, retracted) = (known_outcomes::of_events(&events), known_outcomes::retracted(&events));
            // Before the retraction is on record: a process that dies in between gets the event again.
            predictions::retract(&db, &retracted).await?;
            let outcomes = inbox::record(&db, events).await?;
            // And after it: a prediction may have been logged meanwhile. From now on none is.
            predictions::retract(&db, &retracted).await?;
            predictions::join(&db, &known_outcomes::stored_by_events(known, &outcomes)).await?;
            Ok(outcomes)
        })
        .await
    }
}
