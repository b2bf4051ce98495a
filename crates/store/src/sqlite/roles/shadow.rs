//! [`ShadowReader`] and [`ShadowStore`] on SQLite.

use crate::error::Result;
use crate::roles::shadow::{ShadowReader, ShadowStore};
use crate::sqlite::{SqliteStore, settings};
use async_trait::async_trait;
use provost_domain::prediction::ShadowSelection;

/// Name of the row.
const SHADOW: &str = "shadow selection";

#[async_trait]
impl ShadowReader for SqliteStore {
    async fn shadow_selection(&self) -> Result<Option<ShadowSelection>> {
        self.read(|c| settings::get(c, SHADOW)).await
    }
}

#[async_trait]
impl ShadowStore for SqliteStore {
    async fn put_shadow_selection(&self, selection: ShadowSelection) -> Result<()> {
        self.write(move |t| settings::put(t, SHADOW, &selection)).await
    }
}
