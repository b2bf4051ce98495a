//! [`ModelReader`] and [`ModelStore`] on SQLite.

use crate::error::Result;
use crate::page::Page;
use crate::roles::evaluations::EvaluationRecord;
use crate::roles::models::{ModelReader, ModelStore};
use crate::roles::outbox::OutboxMessage;
use crate::sqlite::{SqliteStore, models};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::model::{Activation, ModelRecord};
use provost_domain::{ModelId, ModelVersion};

#[async_trait]
impl ModelReader for SqliteStore {
    async fn model(&self, id: &ModelId) -> Result<Option<ModelRecord>> {
        let id = id.clone();
        self.list(move |c, damage| {
            let found = models::get(c, &id)?;
            damage.repaired(&format!("model {id}"));
            Ok(found)
        })
        .await
    }

    async fn model_named(&self, name: &str) -> Result<Option<ModelId>> {
        let Ok(id) = ModelId::parse(name) else { return Ok(None) };
        Ok(self.model(&id).await?.map(|model| model.version.model_id))
    }

    async fn list_models(&self, active_only: bool, cursor: Option<&str>, limit: u32) -> Result<Page<ModelVersion>> {
        let cursor = cursor.map(str::to_owned);
        self.list(move |c, damage| models::list(c, damage, active_only, cursor.as_deref(), limit)).await
    }

    async fn model_count(&self) -> Result<u64> {
        self.read(models::count).await
    }

    async fn active_model(&self) -> Result<Option<ModelId>> {
        self.read(models::active).await
    }

    async fn activations(&self, before: Option<u64>, limit: u32) -> Result<Page<Activation>> {
        self.read(move |c| models::activations(c, before, limit)).await
    }

    async fn activation_at(&self, at: DateTime<Utc>) -> Result<Option<Activation>> {
        self.read(move |c| models::activation_at(c, at)).await
    }
}

#[async_trait]
impl ModelStore for SqliteStore {
    async fn register_model(
        &self,
        model: ModelRecord,
        evaluation: EvaluationRecord,
        outbox: Vec<OutboxMessage>,
    ) -> Result<()> {
        self.write(move |t| models::register(t, model, &evaluation, &outbox)).await
    }
}
