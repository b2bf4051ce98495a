//! Shadow models: they score what the serving model has answered, off the path of the answer, and their scores go to the log.

use super::batch::{BatchQueue, MadePrediction, PredictedBatch, PredictedRows, Size, decision};
use super::pool::PredictionPool;
use super::served_model::ServedModel;
use crate::failures::{Failures, Kind};
use crate::pool::Lane;
use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use provost_domain::ModelId;
use provost_domain::prediction::{LoggedFeatures, PredictionRecord, ServingAnswer};
use provost_predict::serving::{DEFAULT_COVERAGE, Prediction};
use provost_store::PredictionLog;
use std::sync::Arc;

/// What may wait for the shadow models.
const MOST_WAITING: Size = Size { rows: 20_000, bytes: 32 << 20 };
/// The component's name in reports of failures.
const COMPONENT: &str = "serving";
const TASK: &str = "writing the scores of shadow models";

/// The models of one selection.
#[derive(Default)]
pub(super) struct Selected {
    pub since: Option<DateTime<Utc>>,
    pub models: Vec<Arc<ServedModel>>,
    dropped_before: u64,
}

impl Selected {
    pub fn ids(&self) -> Vec<ModelId> {
        self.models.iter().map(|model| model.model_id.clone()).collect()
    }
}

/// Clones share everything.
#[derive(Clone)]
pub(super) struct Shadow {
    selected: Arc<ArcSwap<Selected>>,
    queue: BatchQueue,
}

impl Default for Shadow {
    fn default() -> Self {
        Self { selected: Arc::default(), queue: BatchQueue::new(MOST_WAITING) }
    }
}

impl Shadow {
    /// These models score from now on.
    pub fn select(&self, models: Vec<Arc<ServedModel>>, since: DateTime<Utc>) {
        let since = Some(since);
        self.selected.store(Arc::new(Selected { since, models, dropped_before: self.queue.dropped() }));
    }

    pub fn selected(&self) -> Arc<Selected> {
        self.selected.load_full()
    }

    /// Rows that no shadow model has scored since the selection, for want of room.
    pub fn dropped(&self) -> u64 {
        // The selection may change between the two reads.
        self.queue.dropped().saturating_sub(self.selected.load().dropped_before)
    }

    /// Takes a batch that was answered, if any model is to score it.
    pub fn offer(&self, batch: &Arc<PredictedBatch>) {
        if !self.selected.load().models.is_empty() {
            self.queue.offer(batch.clone());
        }
    }

    /// Scores batch after batch, without an end. Where the pool is busy with answers, or the log is away, the batch is dropped.
    pub async fn run(self, pool: PredictionPool, log: Arc<dyn PredictionLog>, failures: Failures) {
        loop {
            let (taken, selected) = (self.queue.take().await, self.selected());
            let batch = taken.batch.clone();
            let rows = batch.rows.len();
            let (models, mut scored, mut done) = (selected.models.len(), Vec::new(), 0);
            let score = move || {
                scored.extend(selected.models.get(done).into_iter().flat_map(|model| scores(model, &batch)));
                done += 1;
                (done >= selected.models.len()).then(|| std::mem::take(&mut scored))
            };
            let kept = match Lane::Readers.scope(pool.run_in_pieces(models, score)).await {
                Ok(scored) => {
                    let written = log.append_predictions(scored.result).await;
                    failures.note(COMPONENT, TASK, &written, Kind::of);
                    written.is_ok()
                }
                Err(_) => false,
            };
            if !kept {
                self.queue.count_dropped(rows);
            }
            drop(taken);
        }
    }
}

/// What the model predicts for a batch. Of feature values it predicts only where it has the features of the model that served.
fn scores(model: &ServedModel, batch: &PredictedBatch) -> Vec<PredictionRecord> {
    let scored: Vec<Option<Prediction>> = match &batch.rows {
        PredictedRows::Applications(rows) => {
            model.model.predict(rows, DEFAULT_COVERAGE).into_iter().map(Some).collect()
        }
        PredictedRows::Features(rows) if model.model.feature_names() == batch.model.model.feature_names() => {
            model.model.predict_features(rows, DEFAULT_COVERAGE).into_iter().map(Result::ok).collect()
        }
        PredictedRows::Features(_) => Vec::new(),
    };
    let record = |((row, given), own): ((usize, &MadePrediction), Option<Prediction>)| {
        let own = own?;
        Some(PredictionRecord {
            prediction_id: given.id.clone(),
            predicted_at: batch.at,
            model_id: model.model_id.clone(),
            data_point_id: batch.rows.data_point_id(row),
            probability: own.probability,
            predicted_outcome: decision(own.predicted_outcome),
            outcome: None,
            features: LoggedFeatures::new(std::iter::empty::<(String, Option<f64>)>()),
            serving: Some(ServingAnswer {
                model_id: batch.model.model_id.clone(),
                probability: given.probability,
                predicted_outcome: decision(given.outcome),
            }),
            caller: batch.caller.clone(),
        })
    };
    batch.answers.iter().enumerate().zip(scored).filter_map(record).collect()
}
