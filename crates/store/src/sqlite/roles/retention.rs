//! [`RetentionStore`] on SQLite.

use crate::error::Result;
use crate::roles::retention::{Cutoffs, Forgotten, RetentionStore};
use crate::sqlite::{SqliteStore, forget};
use async_trait::async_trait;
use std::collections::BTreeSet;

#[async_trait]
impl RetentionStore for SqliteStore {
    async fn forget(&self, before: Cutoffs, limit: u32) -> Result<Forgotten> {
        // Looked for on a reader: what has ended stays so, and the writer is held for the removal only.
        let (cutoffs, jobs) = self
            .read(move |c| {
                let jobs = forget::ended_jobs(c, &before, limit)?;
                Ok((before, jobs))
            })
            .await?;
        self.write(move |t| forget::forget(t, &cutoffs, &jobs, limit)).await
    }

    async fn artifacts_in_use(&self) -> Result<BTreeSet<String>> {
        self.read(forget::artifacts_in_use).await
    }
}
