//! Triggers: reasons to train, which the scheduler settles.

use crate::error::Result;
use crate::page::{Page, newest};
use crate::roles::outbox::OutboxMessage;
use async_trait::async_trait;
use provost_domain::gate::ActivationWish;
use provost_domain::schedule::TrainingTrigger;
use provost_domain::{JobId, TrainingConfig};
use serde::{Deserialize, Serialize};

/// A trigger as the store keeps it: why to train, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerRecord {
    /// Id of the occasion, so that one occasion is one trigger.
    pub id: String,
    /// The trigger as clients read it.
    pub trigger: TrainingTrigger,
    /// The configuration to train; None means the schedule's.
    #[serde(default)]
    pub config: Option<TrainingConfig>,
    /// What becomes of the best model of its job.
    #[serde(default)]
    pub activation: ActivationWish,
    /// The job it led to or joined.
    pub job_id: Option<JobId>,
    /// Why it led to no job.
    pub outcome: Option<String>,
}

impl TriggerRecord {
    /// Whether it has led to no job yet and was not settled without one.
    pub fn is_pending(&self) -> bool {
        self.job_id.is_none() && self.outcome.is_none()
    }
}

/// Reads triggers.
#[async_trait]
pub trait TriggerReader: Send + Sync + 'static {
    /// Triggers that are not settled yet, oldest first.
    async fn pending_triggers(&self) -> Result<Vec<TriggerRecord>>;
    /// Triggers, newest first.
    async fn list_triggers(&self, cursor: Option<&str>, limit: u32) -> Result<Page<TriggerRecord>>;
    /// The newest `most` triggers, read page by page.
    async fn newest_triggers(&self, most: u32) -> Result<Vec<TriggerRecord>> {
        newest(most, |cursor, left| async move { self.list_triggers(cursor.as_deref(), left).await }).await
    }
}

/// Reads, adds and settles triggers: for the Scheduler only. Events add theirs with the inbox, and a job is created with those that lead to it.
#[async_trait]
pub trait TriggerStore: TriggerReader {
    /// Records a trigger with its announcements unless there is one of this id; returns whether it is new.
    async fn add_trigger(&self, record: TriggerRecord, outbox: Vec<OutboxMessage>) -> Result<bool>;
    /// Records why a pending trigger leads to no job; returns whether it was pending.
    async fn settle_trigger(&self, id: &str, outcome: String) -> Result<bool>;
}
