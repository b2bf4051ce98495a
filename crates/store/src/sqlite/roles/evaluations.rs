//! [`EvaluationReader`] and [`EvaluationStore`] on SQLite.

use crate::error::Result;
use crate::roles::evaluations::{EvaluationReader, EvaluationRecord, EvaluationStore};
use crate::sqlite::{SqliteStore, evaluations};
use async_trait::async_trait;
use provost_domain::ModelId;

#[async_trait]
impl EvaluationReader for SqliteStore {
    async fn evaluation(&self, model: &ModelId) -> Result<Option<EvaluationRecord>> {
        let model = model.clone();
        self.read(move |c| evaluations::last(c, &model)).await
    }

    async fn unfinished_evaluations(&self) -> Result<Vec<EvaluationRecord>> {
        self.list(evaluations::unfinished).await
    }
}

#[async_trait]
impl EvaluationStore for SqliteStore {
    async fn start_evaluation(&self, record: EvaluationRecord) -> Result<()> {
        self.write(move |t| evaluations::start(t, &record)).await
    }

    async fn finish_evaluation(&self, record: EvaluationRecord) -> Result<()> {
        self.write(move |t| evaluations::finish(t, &record)).await
    }
}
