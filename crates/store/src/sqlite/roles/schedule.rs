//! [`ScheduleReader`] and [`ScheduleStore`] on SQLite.

use crate::error::Result;
use crate::roles::schedule::{ScheduleReader, ScheduleStore};
use crate::sqlite::{SqliteStore, triggers};
use async_trait::async_trait;
use provost_domain::schedule::{ScheduledTrainingConfig, SlotProgress};

#[async_trait]
impl ScheduleReader for SqliteStore {
    async fn schedule(&self) -> Result<Option<ScheduledTrainingConfig>> {
        self.read(triggers::schedule).await
    }

    async fn slot_progress(&self) -> Result<Option<SlotProgress>> {
        self.read(triggers::slot_progress).await
    }
}

#[async_trait]
impl ScheduleStore for SqliteStore {
    async fn put_schedule(&self, schedule: ScheduledTrainingConfig) -> Result<()> {
        self.write(move |t| triggers::put_schedule(t, &schedule)).await
    }

    async fn put_slot_progress(&self, progress: SlotProgress) -> Result<()> {
        self.write(move |t| triggers::put_slot_progress(t, &progress)).await
    }
}
