//! API keys.

use crate::error::Result;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::audit::Deed;
use provost_domain::key::ApiKey;

/// Reads API keys.
#[async_trait]
pub trait KeyReader: Send + Sync + 'static {
    /// All keys, revoked and expired ones too, oldest first.
    async fn keys(&self) -> Result<Vec<ApiKey>>;
}

/// Reads, adds and revokes API keys.
#[async_trait]
pub trait KeyStore: KeyReader {
    /// Stores a new key and appends the deed to the audit log, in one step. `Conflict` if there is a key of this id.
    async fn add_key(&self, key: ApiKey, deed: Deed) -> Result<()>;
    /// Revokes the key from this time on, and appends the deed to the audit log, in one step. Of several revocations the
    /// earliest counts. Returns the key as stored.
    async fn revoke_key(&self, id: &str, from: DateTime<Utc>, deed: Deed) -> Result<ApiKey>;
}
