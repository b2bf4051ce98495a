//! The installation that a store belongs to.

use crate::error::Result;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Made once when the store is created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Installation {
    /// Keys the hash that assigns applicants to the test part.
    pub salt: u64,
    /// When the store was created.
    pub created_at: DateTime<Utc>,
}

/// Reads the installation.
#[async_trait]
pub trait InstallationReader: Send + Sync + 'static {
    /// The same for the life of the store.
    async fn installation(&self) -> Result<Installation>;
}
