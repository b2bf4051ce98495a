//! The schedule of trainings.

use crate::error::Result;
use async_trait::async_trait;
use provost_domain::schedule::{ScheduledTrainingConfig, SlotProgress};

/// Reads the schedule, and how far its slots are settled.
#[async_trait]
pub trait ScheduleReader: Send + Sync + 'static {
    /// The schedule, once one was put.
    async fn schedule(&self) -> Result<Option<ScheduledTrainingConfig>>;
    /// The last slots of the schedule that were settled.
    async fn slot_progress(&self) -> Result<Option<SlotProgress>>;
}

/// Reads and writes the schedule: for the Scheduler only.
#[async_trait]
pub trait ScheduleStore: ScheduleReader {
    /// Replaces the schedule.
    async fn put_schedule(&self, schedule: ScheduledTrainingConfig) -> Result<()>;
    /// Replaces the record of the settled slots.
    async fn put_slot_progress(&self, progress: SlotProgress) -> Result<()>;
}
