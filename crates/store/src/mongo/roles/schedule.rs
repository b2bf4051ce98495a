//! [`ScheduleReader`] and [`ScheduleStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, settings};
use crate::roles::schedule::{ScheduleReader, ScheduleStore};
use async_trait::async_trait;
use provost_domain::schedule::{ScheduledTrainingConfig, SlotProgress};

/// Names of the documents.
const SCHEDULE: &str = "schedule";
const SLOTS: &str = "slot progress";

#[async_trait]
impl ScheduleReader for MongoStore {
    async fn schedule(&self) -> Result<Option<ScheduledTrainingConfig>> {
        self.run(|db| async move { settings::get(&db, SCHEDULE).await }).await
    }

    async fn slot_progress(&self) -> Result<Option<SlotProgress>> {
        self.run(|db| async move { settings::get(&db, SLOTS).await }).await
    }
}

#[async_trait]
impl ScheduleStore for MongoStore {
    async fn put_schedule(&self, schedule: ScheduledTrainingConfig) -> Result<()> {
        self.run(|db| async move { settings::put(&db, SCHEDULE, &schedule).await }).await
    }

    async fn put_slot_progress(&self, progress: SlotProgress) -> Result<()> {
        self.run(|db| async move { settings::put(&db, SLOTS, &progress).await }).await
    }
}
