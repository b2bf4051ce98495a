//! [`InstallationReader`] on SQLite.

use crate::error::{Result, StoreError};
use crate::roles::installation::{Installation, InstallationReader};
use crate::sqlite::{SqliteStore, rows};
use async_trait::async_trait;

#[async_trait]
impl InstallationReader for SqliteStore {
    async fn installation(&self) -> Result<Installation> {
        let missing = || StoreError::Corrupt { what: "the installation".to_owned(), why: "its row is gone".to_owned() };
        self.read(move |c| {
            rows::one(c, "the installation", "SELECT document FROM installation", [])?.ok_or_else(missing)
        })
        .await
    }
}
