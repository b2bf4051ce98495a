//! [`KeyReader`] and [`KeyStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, keys};
use crate::roles::keys::{KeyReader, KeyStore};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::audit::Deed;
use provost_domain::key::ApiKey;

#[async_trait]
impl KeyReader for MongoStore {
    async fn keys(&self) -> Result<Vec<ApiKey>> {
        self.run(|db| async move { keys::all(&db).await }).await
    }
}

#[async_trait]
impl KeyStore for MongoStore {
    async fn add_key(&self, key: ApiKey, deed: Deed) -> Result<()> {
        self.run(|db| async move { keys::add(&db, &key, &deed).await }).await
    }

    async fn revoke_key(&self, id: &str, from: DateTime<Utc>, deed: Deed) -> Result<ApiKey> {
        let id = id.to_owned();
        self.run(|db| async move { keys::revoke(&db, &id, from, &deed).await }).await
    }
}
