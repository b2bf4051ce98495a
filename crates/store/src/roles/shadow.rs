//! Which models predict in the shadow of the active one.

use crate::error::Result;
use async_trait::async_trait;
use provost_domain::prediction::ShadowSelection;

/// Reads the shadow selection.
#[async_trait]
pub trait ShadowReader: Send + Sync + 'static {
    /// The selection, once one was put.
    async fn shadow_selection(&self) -> Result<Option<ShadowSelection>>;
}

/// Reads and writes the shadow selection.
#[async_trait]
pub trait ShadowStore: ShadowReader {
    /// Replaces the selection.
    async fn put_shadow_selection(&self, selection: ShadowSelection) -> Result<()>;
}
