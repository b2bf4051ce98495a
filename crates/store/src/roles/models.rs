//! Model versions.

use crate::error::Result;
use crate::page::Page;
use crate::roles::evaluations::EvaluationRecord;
use crate::roles::outbox::OutboxMessage;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::model::{Activation, ModelRecord};
use provost_domain::{ModelId, ModelVersion};

/// Reads model versions, which of them is active, and which ones were.
#[async_trait]
pub trait ModelReader: Send + Sync + 'static {
    /// The record of a model version.
    async fn model(&self, id: &ModelId) -> Result<Option<ModelRecord>>;
    /// The model with this id, or with this id in the service that Provost replaced.
    async fn model_named(&self, name: &str) -> Result<Option<ModelId>>;
    /// Model versions, newest first.
    async fn list_models(&self, active_only: bool, cursor: Option<&str>, limit: u32) -> Result<Page<ModelVersion>>;
    /// How many model versions there are.
    async fn model_count(&self) -> Result<u64>;
    /// The active model; None until one was activated for the first time.
    async fn active_model(&self) -> Result<Option<ModelId>>;
    /// Newest first; `before` leaves out those from this `rev` on. The page's cursor is the next page's `before`.
    async fn activations(&self, before: Option<u64>, limit: u32) -> Result<Page<Activation>>;
    /// The activation that was in force at this time.
    async fn activation_at(&self, at: DateTime<Utc>) -> Result<Option<Activation>>;
}

/// Reads and registers model versions: for the Registry only.
#[async_trait]
pub trait ModelStore: ModelReader {
    /// Registers a version together with its evaluation. Idempotent: a version that is registered already is not changed.
    async fn register_model(
        &self,
        model: ModelRecord,
        evaluation: EvaluationRecord,
        outbox: Vec<OutboxMessage>,
    ) -> Result<()>;
}
