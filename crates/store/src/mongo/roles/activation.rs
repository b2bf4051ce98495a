//! [`DecisionReader`] and [`ActivationStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::pointer::Switch;
use crate::mongo::{MongoStore, pointer};
use crate::page::Page;
use crate::roles::activation::{ActivationStore, DecisionReader};
use crate::roles::outbox::OutboxMessage;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::gate::GateDecision;
use provost_domain::model::ModelRecord;
use provost_domain::{JobId, ModelId};

#[async_trait]
impl DecisionReader for MongoStore {
    async fn decision(&self, job: &JobId) -> Result<Option<GateDecision>> {
        let job = job.clone();
        self.run(|db| async move { pointer::decision(&db, &job).await }).await
    }

    async fn decisions(
        &self,
        since: Option<DateTime<Utc>>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<GateDecision>> {
        let cursor = cursor.map(str::to_owned);
        self.run(|db| async move { pointer::decisions(&db, since, cursor.as_deref(), limit).await }).await
    }
}

#[async_trait]
impl ActivationStore for MongoStore {
    async fn activate_model(
        &self,
        id: &ModelId,
        by: Option<String>,
        reason: Option<String>,
        at: DateTime<Utc>,
        outbox: Vec<OutboxMessage>,
    ) -> Result<ModelRecord> {
        let id = id.clone();
        self.run(|db| async move { pointer::activate(&db, &id, Switch { by, reason, at }, &outbox).await }).await
    }

    async fn decide(&self, decision: GateDecision, outbox: Vec<OutboxMessage>) -> Result<GateDecision> {
        self.run(|db| async move { pointer::decide(&db, decision, &outbox).await }).await
    }
}
