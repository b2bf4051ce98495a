//! [`ShadowReader`] and [`ShadowStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, settings};
use crate::roles::shadow::{ShadowReader, ShadowStore};
use async_trait::async_trait;
use provost_domain::prediction::ShadowSelection;

/// Name of the document.
const SHADOW: &str = "shadow selection";

#[async_trait]
impl ShadowReader for MongoStore {
    async fn shadow_selection(&self) -> Result<Option<ShadowSelection>> {
        self.run(|db| async move { settings::get(&db, SHADOW).await }).await
    }
}

#[async_trait]
impl ShadowStore for MongoStore {
    async fn put_shadow_selection(&self, selection: ShadowSelection) -> Result<()> {
        self.run(|db| async move { settings::put(&db, SHADOW, &selection).await }).await
    }
}
