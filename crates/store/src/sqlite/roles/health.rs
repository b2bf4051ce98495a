//! [`StoreHealth`] on SQLite.

use crate::error::Result;
use crate::roles::health::StoreHealth;
use crate::roles::points::PointReader;
use crate::sqlite::SqliteStore;
use async_trait::async_trait;
use std::time::Duration;

/// A writer that finished a command within this time counts as alive.
const PULSE: Duration = Duration::from_secs(5);

#[async_trait]
impl StoreHealth for SqliteStore {
    async fn ping(&self) -> Result<()> {
        // The writer is not waited for: a commit that checkpoints the log can take more than a second.
        self.writer.alive(PULSE).await?;
        self.point_totals().await.map(|_| ())
    }

    fn unreadable(&self) -> Vec<String> {
        self.damage.tell()
    }
}
