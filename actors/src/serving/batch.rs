//! Predictions that were made, on their way to the log and to the shadow models, and the bounded queues for them.

use super::served_model::ServedModel;
use chrono::{DateTime, Utc};
use provost_domain::record::Decision;
use provost_predict::application::Application;
use provost_predict::outcome::Outcome;
use provost_predict::serving::Prediction;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::{Mutex, mpsc};

/// One answer of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct MadePrediction {
    pub id: String,
    pub probability: f64,
    pub outcome: Outcome,
}

impl MadePrediction {
    pub fn new(id: String, prediction: &Prediction) -> Self {
        Self { id, probability: prediction.probability, outcome: prediction.predicted_outcome }
    }
}

/// The data's own word for an outcome.
pub(super) fn decision(outcome: Outcome) -> Decision {
    match outcome {
        Outcome::Accepted => Decision::Accepted,
        Outcome::Rejected => Decision::Rejected,
    }
}

/// What was predicted from.
#[derive(Debug)]
pub enum PredictedRows {
    Applications(Arc<Vec<Application>>),
    /// Values in the order of the model's feature names; NaN is missing.
    Features(Arc<Vec<Vec<f32>>>),
}

impl PredictedRows {
    pub fn len(&self) -> usize {
        match self {
            Self::Applications(rows) => rows.len(),
            Self::Features(rows) => rows.len(),
        }
    }

    /// The applicant's point, where a row names it.
    pub fn data_point_id(&self, row: usize) -> Option<String> {
        match self {
            Self::Applications(rows) => rows.get(row)?.data_point_id.clone(),
            Self::Features(_) => None,
        }
    }

    /// What the model saw of a row.
    pub fn features(&self, model: &ServedModel, row: usize) -> Vec<(String, Option<f64>)> {
        match self {
            Self::Applications(rows) => rows.get(row).map(|row| model.model.features(row)),
            Self::Features(rows) => rows.get(row).map(|row| model.model.named(row)),
        }
        .unwrap_or_default()
    }

    /// What they take in memory, about.
    fn bytes(&self) -> usize {
        match self {
            Self::Applications(rows) => rows.iter().map(Application::bytes).sum(),
            Self::Features(rows) => rows.iter().map(|row| size_of::<Vec<f32>>() + size_of_val(row.as_slice())).sum(),
        }
    }
}

/// A batch that was answered: `answers` has one for each of `rows`.
#[derive(Debug)]
pub struct PredictedBatch {
    pub model: Arc<ServedModel>,
    pub at: DateTime<Utc>,
    /// Who asked.
    pub caller: Arc<str>,
    pub rows: PredictedRows,
    pub answers: Vec<MadePrediction>,
    /// What it takes in memory, about.
    bytes: usize,
}

impl PredictedBatch {
    pub fn new(
        model: Arc<ServedModel>,
        at: DateTime<Utc>,
        caller: Arc<str>,
        rows: PredictedRows,
        answers: Vec<MadePrediction>,
    ) -> Self {
        let bytes = rows.bytes() + answers.len() * BYTES_OF_ANSWER;
        Self { model, at, caller, rows, answers, bytes }
    }
}

/// What an answer takes in memory, about.
const BYTES_OF_ANSWER: usize = 128;

/// A batch that is being dealt with, or was dealt with when this is dropped.
pub(super) struct TakenBatch {
    pub batch: Arc<PredictedBatch>,
    queue: BatchQueue,
}

impl Drop for TakenBatch {
    fn drop(&mut self) {
        self.queue.0.leave(&self.batch);
    }
}

/// Batches that wait, up to a number of rows and of bytes. What is beyond is dropped and counted: an answer never waits for it.
#[derive(Clone)]
pub(super) struct BatchQueue(Arc<Shared>);

struct Shared {
    sender: mpsc::UnboundedSender<Arc<PredictedBatch>>,
    receiver: Mutex<mpsc::UnboundedReceiver<Arc<PredictedBatch>>>,
    most: Size,
    waiting_rows: AtomicUsize,
    waiting_bytes: AtomicUsize,
    dropped_rows: AtomicU64,
}

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub rows: usize,
    pub bytes: usize,
}

impl Shared {
    /// Whether there is room for the batch; then it counts as waiting.
    fn enter(&self, batch: &PredictedBatch) -> bool {
        let take = |count: &AtomicUsize, more: usize, most: usize| {
            let room = |waiting: usize| waiting.checked_add(more).filter(|sum| *sum <= most);
            count.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).is_ok()
        };
        if !take(&self.waiting_rows, batch.rows.len(), self.most.rows) {
            return false;
        }
        let fits = take(&self.waiting_bytes, batch.bytes, self.most.bytes);
        if !fits {
            self.waiting_rows.fetch_sub(batch.rows.len(), Ordering::AcqRel);
        }
        fits
    }

    fn leave(&self, batch: &PredictedBatch) {
        self.waiting_rows.fetch_sub(batch.rows.len(), Ordering::AcqRel);
        self.waiting_bytes.fetch_sub(batch.bytes, Ordering::AcqRel);
    }
}

impl BatchQueue {
    pub fn new(most: Size) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (waiting_rows, waiting_bytes, dropped_rows) = Default::default();
        let receiver = Mutex::new(receiver);
        Self(Arc::new(Shared { sender, receiver, most, waiting_rows, waiting_bytes, dropped_rows }))
    }

    /// Queues the batch, or drops it where there is no room for it.
    pub fn offer(&self, batch: Arc<PredictedBatch>) {
        let shared = &self.0;
        if !shared.enter(&batch) {
            self.count_dropped(batch.rows.len());
        } else if let Err(unsent) = shared.sender.send(batch) {
            shared.leave(&unsent.0);
        }
    }

    /// The oldest batch, once there is one. Its rows count as waiting until it is dropped.
    pub async fn take(&self) -> TakenBatch {
        match self.0.receiver.lock().await.recv().await {
            Some(batch) => TakenBatch { batch, queue: self.clone() },
            // The sender lives as long as the queue.
            None => std::future::pending().await,
        }
    }

    pub fn count_dropped(&self, rows: usize) {
        self.0.dropped_rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Rows that were dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.0.dropped_rows.load(Ordering::Relaxed)
    }

    /// Rows that are not dealt with yet.
    pub fn waiting(&self) -> usize {
        self.0.waiting_rows.load(Ordering::Relaxed)
    }
}
