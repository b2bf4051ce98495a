//! The log of predictions, with the outcomes that became known since.
//!
//! The log is not part of a step of the other records: it is written in batches behind the answers and may lose the last ones
//! in a power cut. A point that is recorded with its outcome brings that outcome to the predictions for its `data_point_id`;
//! a retraction removes them.

use crate::error::Result;
use crate::page::Page;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::ModelId;
use provost_domain::prediction::PredictionRecord;
use provost_domain::record::Decision;
use provost_domain::watch_record::LogRange;

/// Which predictions to list; nothing given is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PredictionFilter {
    /// Predictions of this model.
    pub model_id: Option<ModelId>,
    /// Predictions made at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Predictions made before this time.
    pub to: Option<DateTime<Utc>>,
    /// Predictions whose outcome is known and is this one.
    pub outcome: Option<Decision>,
}

/// The size of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PredictionTotals {
    /// Entries; those of models in the shadow count too.
    pub entries: u64,
    /// When the oldest prediction in the log was made.
    pub oldest: Option<DateTime<Utc>>,
}

/// How a model in the shadow compares with the serving one, on the same applications.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ShadowTally {
    /// Applications that both predicted.
    pub predictions: u64,
    /// Those for which both predicted the same outcome.
    pub agreeing: u64,
    /// Sum over them of the shadow's probability less the serving model's.
    pub difference_sum: f64,
}

/// A prediction whose outcome is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredOutcome {
    /// Predicted probability of acceptance.
    pub probability: f64,
    /// Whether the application was accepted.
    pub accepted: bool,
}

/// Predictions that a model answered, in the order of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedPredictions {
    /// The predictions, oldest first.
    pub predictions: Vec<PredictionRecord>,
    /// Whether older ones were left out because of the limit.
    pub cut: bool,
}

/// Reads the log of predictions.
#[async_trait]
pub trait PredictionReader: Send + Sync + 'static {
    /// Predictions that were answered, newest first. Those of models in the shadow are not listed.
    async fn predictions(
        &self,
        filter: PredictionFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<PredictionRecord>>;
    /// The prediction that was answered under this id.
    async fn prediction(&self, id: &str) -> Result<Option<PredictionRecord>>;
    /// How large the log is.
    async fn prediction_totals(&self) -> Result<PredictionTotals>;
    /// Compares this model, in the shadow, with the model that served, over predictions made at `since` or later.
    async fn shadow_tally(&self, model: &ModelId, since: DateTime<Utc>) -> Result<ShadowTally>;
    /// The newest `limit` predictions of this model, serving or in the shadow, that were made at `since` or later and whose
    /// outcome is known.
    async fn scored_outcomes(&self, model: &ModelId, since: DateTime<Utc>, limit: u32) -> Result<Vec<ScoredOutcome>>;
    /// How many predictions that this model answered are in this part of the log; counting ends at `most`.
    async fn count_logged_predictions(&self, model: &ModelId, range: &LogRange, most: u32) -> Result<u64>;
    /// The last `limit` of these predictions, oldest first. An entry that is appended late may have a place before one that was
    /// read already.
    async fn logged_predictions(&self, model: &ModelId, range: &LogRange, limit: u32) -> Result<LoggedPredictions>;
}

/// Reads and appends to the log of predictions.
#[async_trait]
pub trait PredictionLog: PredictionReader {
    /// Appends a batch; returns how many entries are new. Idempotent by prediction id and model. Entries for a point that was
    /// retracted are left out. `Invalid` for an entry that [`PredictionRecord::check`] refuses; then nothing is appended.
    async fn append_predictions(&self, batch: Vec<PredictionRecord>) -> Result<u64>;
    /// Removes up to `limit` entries that were made before this time, or that are more than `keep`: then the oldest of the callers
    /// that have the most, so that no caller pushes out the entries of others. Returns how many. Nothing is left to remove when it
    /// returns 0.
    async fn forget_predictions(&self, before: DateTime<Utc>, keep: u64, limit: u32) -> Result<u64>;
}
