//! [`InstallationReader`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, schema};
use crate::roles::installation::{Installation, InstallationReader};
use async_trait::async_trait;

#[async_trait]
impl InstallationReader for MongoStore {
    async fn installation(&self) -> Result<Installation> {
        self.run(|db| async move { schema::installation(&db).await }).await
    }
}
