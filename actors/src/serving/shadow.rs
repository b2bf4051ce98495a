//! Shadow models: they score what the serving model has answered, off the path of the answer, and their scores go to the log.

use super::batch::{BatchQueue, PredictedBatch, Size, decision};
use super::pool::{Abandoned, PredictionPool};
use super::served_model::ServedModel;
use crate::failures::{Failures, Kind};
use crate::pool::Lane;
use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use provost_domain::ModelId;
use provost_domain::prediction::{LoggedFeatures, PredictionRecord, ServingAnswer};
use provost_predict::serving::DEFAULT_COVERAGE;
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
        self.queue.dropped() - self.selected.load().dropped_before
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
            let score = move |_: &Abandoned<'_>| {
                selected.models.iter().flat_map(|model| scores(model, &batch)).collect::<Vec<_>>()
            };
            let kept = match Lane::Readers.scope(pool.run(score)).await {
                Ok((scored, _)) => {
                    let written = log.append_predictions(scored).await;
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

fn scores<'a>(model: &'a ServedModel, batch: &'a PredictedBatch) -> impl Iterator<Item = PredictionRecord> + 'a {
    let scored = model.model.predict(&batch.rows, DEFAULT_COVERAGE);
    scored.into_iter().zip(&batch.answers).zip(batch.rows.iter()).map(|((own, given), row)| PredictionRecord {
        prediction_id: given.id.clone(),
        predicted_at: batch.at,
        model_id: model.model_id.clone(),
        data_point_id: row.data_point_id.clone(),
        probability: own.probability,
        predicted_outcome: decision(own.predicted_outcome),
        outcome: None,
        features: LoggedFeatures::new(std::iter::empty::<(String, Option<f64>)>()),
        serving: Some(ServingAnswer {
            model_id: batch.model.model_id.clone(),
            probability: given.probability,
            predicted_outcome: decision(given.outcome),
        }),
    })
}
