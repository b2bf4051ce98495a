//! [`PredictionReader`] and [`PredictionLog`] on SQLite.

use crate::error::{Result, StoreError};
use crate::page::Page;
use crate::roles::predictions::{
    LoggedPredictions, PredictionFilter, PredictionLog, PredictionReader, PredictionTotals, ScoredOutcome, ShadowTally,
};
use crate::sqlite::{SqliteStore, points, predictions};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::ModelId;
use provost_domain::prediction::PredictionRecord;
use provost_domain::watch_record::LogRange;

#[async_trait]
impl PredictionReader for SqliteStore {
    async fn predictions(
        &self,
        filter: PredictionFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<PredictionRecord>> {
        let cursor = cursor.map(str::to_owned);
        let page = self.log.read(move |c| predictions::list(c, &filter, cursor.as_deref(), limit)).await;
        Ok(self.noted(page)?.unwrap_or(Page { items: Vec::new(), next: None }))
    }

    async fn prediction(&self, id: &str) -> Result<Option<PredictionRecord>> {
        let id = id.to_owned();
        let found = self.log.read(move |c| predictions::get(c, &id)).await;
        Ok(self.noted(found)?.flatten())
    }

    async fn prediction_totals(&self) -> Result<PredictionTotals> {
        Ok(self.log.read(predictions::totals).await?.unwrap_or_default())
    }

    async fn shadow_tally(&self, model: &ModelId, since: DateTime<Utc>) -> Result<ShadowTally> {
        let model = model.clone();
        Ok(self.log.read(move |c| predictions::shadow_tally(c, &model, since)).await?.unwrap_or_default())
    }

    async fn scored_outcomes(&self, model: &ModelId, since: DateTime<Utc>, limit: u32) -> Result<Vec<ScoredOutcome>> {
        let model = model.clone();
        Ok(self.log.read(move |c| predictions::scored(c, &model, since, limit)).await?.unwrap_or_default())
    }

    async fn count_logged_predictions(&self, model: &ModelId, range: &LogRange, most: u32) -> Result<u64> {
        let (model, range) = (model.clone(), range.clone());
        let count = self.log.read(move |c| predictions::count_logged(c, &model, &range, most)).await;
        Ok(self.noted(count)?.unwrap_or_default())
    }

    async fn logged_predictions(&self, model: &ModelId, range: &LogRange, limit: u32) -> Result<LoggedPredictions> {
        let (model, range) = (model.clone(), range.clone());
        let found = self.log.read(move |c| predictions::logged(c, &model, &range, limit)).await;
        Ok(self.noted(found)?.unwrap_or(LoggedPredictions { predictions: Vec::new(), cut: false }))
    }
}

#[async_trait]
impl PredictionLog for SqliteStore {
    async fn append_predictions(&self, mut batch: Vec<PredictionRecord>) -> Result<u64> {
        for record in &batch {
            record.check().map_err(StoreError::Invalid)?;
        }
        let ids: Vec<String> = batch.iter().filter_map(|record| record.data_point_id.clone()).collect();
        if !ids.is_empty() {
            let retracted = self.read(move |c| points::retracted(c, &ids)).await?;
            batch.retain(|record| record.data_point_id.as_ref().is_none_or(|id| !retracted.contains(id)));
        }
        if batch.is_empty() {
            return Ok(0);
        }
        Ok(self.log.write(true, move |t| predictions::append(t, &batch)).await?.unwrap_or_default())
    }

    async fn forget_predictions(&self, before: DateTime<Utc>, keep: u64, limit: u32) -> Result<u64> {
        let removed = self.log.write(false, move |t| predictions::forget(t, before, keep, limit.max(1))).await?;
        Ok(removed.unwrap_or_default())
    }
}
