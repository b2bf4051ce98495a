//! API keys.

use crate::error::Result;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::audit::Deed;
use provost_domain::key::ApiKey;

/// Reads API keys.
#[async_trait]
pub trait KeyReader: Send + Sync + 'static {
    /// All there ever were, oldest first.
    async fn keys(&self) -> Result<Vec<ApiKey>>;
}

/// Reads, adds and revokes API keys.
#[async_trait]
pub trait KeyStore: KeyReader {
    /// Keeps a new key, and the deed in the audit log with it: there is never a key without its deed. `Conflict` if there
    /// is a key of this id.
    async fn add_key(&self, key: ApiKey, deed: Deed) -> Result<()>;
    /// From this time on the key opens nothing; of several revocations the earliest counts. With the deed, as `add_key`.
    /// Returns the key as stored.
    async fn revoke_key(&self, id: &str, from: DateTime<Utc>, deed: Deed) -> Result<ApiKey>;
}
