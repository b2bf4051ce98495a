//! The activation of models, and the decisions of the gate.

use crate::error::Result;
use crate::page::{Page, newest};
use crate::roles::models::ModelReader;
use crate::roles::outbox::OutboxMessage;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::gate::GateDecision;
use provost_domain::model::ModelRecord;
use provost_domain::{JobId, ModelId};

/// Reads the decisions of the gate.
#[async_trait]
pub trait DecisionReader: Send + Sync + 'static {
    /// The decision on a job, once there is one.
    async fn decision(&self, job: &JobId) -> Result<Option<GateDecision>>;
    /// Decisions made at `since` or later, newest first.
    async fn decisions(
        &self,
        since: Option<DateTime<Utc>>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<GateDecision>>;
    /// The newest of these decisions, over as many pages as they take.
    async fn newest_decisions(&self, since: Option<DateTime<Utc>>, most: u32) -> Result<Vec<GateDecision>> {
        newest(most, |cursor, left| async move { self.decisions(since, cursor.as_deref(), left).await }).await
    }
}

/// Changes which model is active: for the Registry only.
#[async_trait]
pub trait ActivationStore: ModelReader + DecisionReader {
    /// Makes a model the active one and adds the change to the history, in one step. Activating the active model again changes
    /// nothing and returns it. `NotFound` if there is no such model.
    async fn activate_model(
        &self,
        id: &ModelId,
        by: Option<String>,
        reason: Option<String>,
        at: DateTime<Utc>,
        outbox: Vec<OutboxMessage>,
    ) -> Result<ModelRecord>;
    /// Records a decision with its announcements and, where its outcome is `Activated`, makes the challenger the active
    /// model, all in one step; such an activation is in the audit log ([`Deed::activated_by_gate`](provost_domain::audit::Deed::activated_by_gate)) with that step. The first
    /// decision on a job stays, and is returned. `Conflict` if the active model is not the decision's champion any more.
    async fn decide(&self, decision: GateDecision, outbox: Vec<OutboxMessage>) -> Result<GateDecision>;
}
