//! Whether the store answers, and which records it could not read.

use crate::error::Result;
use async_trait::async_trait;

/// Whether the store answers, and which records it could not read.
#[async_trait]
pub trait StoreHealth: Send + Sync + 'static {
    /// A round trip, for readiness. It does not wait behind a write that is at work, unless that has lasted for seconds.
    async fn ping(&self) -> Result<()>;
    /// Records that were met since the store was opened and could not be read, each in a line that callers may see; at most a
    /// hundred.
    fn unreadable(&self) -> Vec<String>;
}
