//! [`DecisionReader`] and [`ActivationStore`] on SQLite.

use crate::error::Result;
use crate::page::Page;
use crate::roles::activation::{ActivationStore, DecisionReader};
use crate::roles::outbox::OutboxMessage;
use crate::sqlite::models::Switch;
use crate::sqlite::{SqliteStore, decisions, models};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::gate::GateDecision;
use provost_domain::model::ModelRecord;
use provost_domain::{JobId, ModelId};

#[async_trait]
impl DecisionReader for SqliteStore {
    async fn decision(&self, job: &JobId) -> Result<Option<GateDecision>> {
        let job = job.clone();
        self.read(move |c| decisions::get(c, &job)).await
    }

    async fn decisions(
        &self,
        since: Option<DateTime<Utc>>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<GateDecision>> {
        let cursor = cursor.map(str::to_owned);
        self.read(move |c| decisions::page(c, since, cursor.as_deref(), limit)).await
    }
}

#[async_trait]
impl ActivationStore for SqliteStore {
    async fn activate_model(
        &self,
        id: &ModelId,
        by: Option<String>,
        reason: Option<String>,
        at: DateTime<Utc>,
        outbox: Vec<OutboxMessage>,
    ) -> Result<ModelRecord> {
        let id = id.clone();
        self.write(move |t| models::activate(t, &id, Switch { by, reason, at }, &outbox)).await
    }

    async fn decide(&self, decision: GateDecision, outbox: Vec<OutboxMessage>) -> Result<GateDecision> {
        self.write(move |t| decisions::decide(t, decision, &outbox)).await
    }
}
