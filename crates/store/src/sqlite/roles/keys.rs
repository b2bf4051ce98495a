//! [`KeyReader`] and [`KeyStore`] on SQLite.

use crate::error::Result;
use crate::roles::keys::{KeyReader, KeyStore};
use crate::sqlite::{SqliteStore, keys};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::audit::Deed;
use provost_domain::key::ApiKey;

#[async_trait]
impl KeyReader for SqliteStore {
    async fn keys(&self) -> Result<Vec<ApiKey>> {
        self.read(keys::all).await
    }
}

#[async_trait]
impl KeyStore for SqliteStore {
    async fn add_key(&self, key: ApiKey, deed: Deed) -> Result<()> {
        self.write(move |t| keys::add(t, &key, deed)).await
    }

    async fn revoke_key(&self, id: &str, from: DateTime<Utc>, deed: Deed) -> Result<ApiKey> {
        let id = id.to_owned();
        self.write(move |t| keys::revoke(t, &id, from, deed)).await
    }
}
