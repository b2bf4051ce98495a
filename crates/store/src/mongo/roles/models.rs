//! [`ModelReader`] and [`ModelStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, legacy, models, pointer};
use crate::page::Page;
use crate::roles::evaluations::EvaluationRecord;
use crate::roles::models::{ModelReader, ModelStore};
use crate::roles::outbox::OutboxMessage;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::model::{Activation, ModelRecord};
use provost_domain::{ModelId, ModelVersion};

#[async_trait]
impl ModelReader for MongoStore {
    async fn model(&self, id: &ModelId) -> Result<Option<ModelRecord>> {
        let id = id.clone();
        self.run(|db| async move {
            let found = models::get(&db, &id).await?;
            db.damage.repaired(&format!("model {id}"));
            Ok(found)
        })
        .await
    }

    async fn model_named(&self, name: &str) -> Result<Option<ModelId>> {
        let name = name.to_owned();
        self.run(|db| async move { legacy::model_named(&db, &name).await }).await
    }

    async fn list_models(&self, active_only: bool, cursor: Option<&str>, limit: u32) -> Result<Page<ModelVersion>> {
        let cursor = cursor.map(str::to_owned);
        self.run(|db| async move { models::list(&db, active_only, cursor.as_deref(), limit).await }).await
    }

    async fn model_count(&self) -> Result<u64> {
        self.run(|db| async move { models::count(&db).await }).await
    }

    async fn active_model(&self) -> Result<Option<ModelId>> {
        self.run(|db| async move { pointer::active(&db).await }).await
    }

    async fn activations(&self, before: Option<u64>, limit: u32) -> Result<Page<Activation>> {
        self.run(|db| async move { pointer::activations(&db, before, limit).await }).await
    }

    async fn activation_at(&self, at: DateTime<Utc>) -> Result<Option<Activation>> {
        self.run(|db| async move { pointer::activation_at(&db, at).await }).await
    }
}

#[async_trait]
impl ModelStore for MongoStore {
    async fn register_model(
        &self,
        model: ModelRecord,
        evaluation: EvaluationRecord,
        outbox: Vec<OutboxMessage>,
    ) -> Result<()> {
        self.run(|db| async move { models::register(&db, model, &evaluation, &outbox).await }).await
    }
}
