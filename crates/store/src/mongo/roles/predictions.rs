//! [`PredictionReader`] and [`PredictionLog`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, predictions};
use crate::page::Page;
use crate::roles::predictions::{
    LoggedPredictions, PredictionFilter, PredictionLog, PredictionReader, PredictionTotals, ScoredOutcome, ShadowTally,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::ModelId;
use provost_domain::prediction::PredictionRecord;
use provost_domain::watch_record::LogRange;

#[async_trait]
impl PredictionReader for MongoStore {
    async fn predictions(
        &self,
        filter: PredictionFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<PredictionRecord>> {
        let cursor = cursor.map(str::to_owned);
        self.run(|db| async move { predictions::list(&db, &filter, cursor.as_deref(), limit).await }).await
    }

    async fn prediction(&self, id: &str) -> Result<Option<PredictionRecord>> {
        let id = id.to_owned();
        self.run(|db| async move { predictions::get(&db, &id).await }).await
    }

    async fn prediction_totals(&self) -> Result<PredictionTotals> {
        self.run(|db| async move { predictions::totals(&db).await }).await
    }

    async fn shadow_tally(&self, model: &ModelId, since: DateTime<Utc>) -> Result<ShadowTally> {
        let model = model.clone();
        self.run(|db| async move { predictions::shadow_tally(&db, &model, since).await }).await
    }

    async fn scored_outcomes(&self, model: &ModelId, since: DateTime<Utc>, limit: u32) -> Result<Vec<ScoredOutcome>> {
        let model = model.clone();
        self.run(|db| async move { predictions::scored(&db, &model, since, limit).await }).await
    }

    async fn count_logged_predictions(&self, model: &ModelId, range: &LogRange, most: u32) -> Result<u64> {
        let filter = predictions::in_range(model, range);
        self.run(|db| async move { predictions::count_logged(&db, filter, most).await }).await
    }

    async fn logged_predictions(&self, model: &ModelId, range: &LogRange, limit: u32) -> Result<LoggedPredictions> {
        let filter = predictions::in_range(model, range);
        self.run(|db| async move { predictions::logged(&db, filter, limit).await }).await
    }
}

#[async_trait]
impl PredictionLog for MongoStore {
    async fn append_predictions(&self, batch: Vec<PredictionRecord>) -> Result<u64> {
        self.run(|db| async move { predictions::append(&db, batch).await }).await
    }

    async fn forget_predictions(&self, before: DateTime<Utc>, keep: u64, limit: u32) -> Result<u64> {
        self.run(|db| async move { predictions::forget(&db, before, keep, limit.max(1)).await }).await
    }
}
