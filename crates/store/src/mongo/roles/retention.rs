//! [`RetentionStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, forget};
use crate::roles::retention::{Cutoffs, Forgotten, RetentionStore};
use async_trait::async_trait;
use std::collections::BTreeSet;

#[async_trait]
impl RetentionStore for MongoStore {
    async fn forget(&self, before: Cutoffs, limit: u32) -> Result<Forgotten> {
        self.run(|db| async move { forget::forget(&db, &before, limit).await }).await
    }

    async fn artifacts_in_use(&self) -> Result<BTreeSet<String>> {
        self.run(|db| async move { forget::artifacts_in_use(&db).await }).await
    }
}
