//! Whether the store answers, and which records it could not read.

use crate::error::Result;
use async_trait::async_trait;

/// Whether the store answers, and which records it could not read.
#[async_trait]
pub trait StoreHealth: Send + Sync + 'static {
    /// A round trip to the store, for readiness. It waits for a write at work only if that has lasted for seconds.
    async fn ping(&self) -> Result<()>;
    /// Records that could not be read since the store was opened, one line for each, which clients may see; at most 100.
    fn unreadable(&self) -> Vec<String>;
}
