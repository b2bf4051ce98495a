//! [`ScheduleReader`] and [`ScheduleStore`] on SQLite.

use crate::error::Result;
use crate::roles::schedule::{ScheduleReader, ScheduleStore};
use crate::sqlite::{SqliteStore, settings};
use async_trait::async_trait;
use provost_domain::schedule::{ScheduledTrainingConfig, SlotProgress};

/// Names of the rows.
const SCHEDULE: &str = "schedule";
const SLOTS: &str = "slot progress";

#[async_trait]
impl ScheduleReader for SqliteStore {
    async fn schedule(&self) -> Result<Option<ScheduledTrainingConfig>> {
        self.read(|c| settings::get(c, SCHEDULE)).await
    }

    async fn slot_progress(&self) -> Result<Option<SlotProgress>> {
        self.read(|c| settings::get(c, SLOTS)).await
    }
}

#[async_trait]
impl ScheduleStore for SqliteStore {
    async fn put_schedule(&self, schedule: ScheduledTrainingConfig) -> Result<()> {
        self.write(move |t| settings::put(t, SCHEDULE, &schedule)).await
    }

    async fn put_slot_progress(&self, progress: SlotProgress) -> Result<()> {
        self.write(move |t| settings::put(t, SLOTS, &progress)).await
    }
}
