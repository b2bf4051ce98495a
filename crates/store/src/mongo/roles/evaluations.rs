//! [`EvaluationReader`] and [`EvaluationStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, evaluations};
use crate::roles::evaluations::{EvaluationReader, EvaluationRecord, EvaluationStore};
use async_trait::async_trait;
use provost_domain::ModelId;

#[async_trait]
impl EvaluationReader for MongoStore {
    async fn evaluation(&self, model: &ModelId) -> Result<Option<EvaluationRecord>> {
        let model = model.clone();
        self.run(|db| async move { evaluations::last(&db, &model).await }).await
    }

    async fn unfinished_evaluations(&self) -> Result<Vec<EvaluationRecord>> {
        self.run(|db| async move { evaluations::unfinished(&db).await }).await
    }
}

#[async_trait]
impl EvaluationStore for MongoStore {
    async fn start_evaluation(&self, record: EvaluationRecord) -> Result<()> {
        self.run(|db| async move { evaluations::start(&db, &record).await }).await
    }

    async fn finish_evaluation(&self, record: EvaluationRecord) -> Result<()> {
        self.run(|db| async move { evaluations::finish(&db, &record).await }).await
    }
}
