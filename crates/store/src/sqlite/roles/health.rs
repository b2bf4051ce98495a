//! [`StoreHealth`] on SQLite.

use crate::error::Result;
use crate::roles::health::StoreHealth;
use crate::roles::points::PointReader;
use crate::sqlite::SqliteStore;
use async_trait::async_trait;
use std::time::Duration;

/// A writer that was between two commands this short a time ago is taken to be at work.
const PULSE: Duration = Duration::from_secs(5);

#[async_trait]
impl StoreHealth for SqliteStore {
    async fn ping(&self) -> Result<()> {
        // Not behind a commit: one that folds the log into the database waits for the disk for a second and more.
        self.writer.alive(PULSE).await?;
        self.point_totals().await.map(|_| ())
    }

    fn unreadable(&self) -> Vec<String> {
        self.damage.tell()
    }
}
