//! Predictions that were made, on their way to the log and to the shadow models, and the bounded queues for them.

use super::served_model::ServedModel;
use chrono::{DateTime, Utc};
use provost_domain::record::Decision;
use provost_predict::application::Application;
use provost_predict::outcome::Outcome;
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

/// The data's own word for an outcome.
pub(super) fn decision(outcome: Outcome) -> Decision {
    match outcome {
        Outcome::Accepted => Decision::Accepted,
        Outcome::Rejected => Decision::Rejected,
    }
}

/// A batch that was answered: `answers` has one for each of `rows`.
#[derive(Debug)]
pub struct PredictedBatch {
    pub model: Arc<ServedModel>,
    pub at: DateTime<Utc>,
    pub rows: Arc<Vec<Application>>,
    pub answers: Vec<MadePrediction>,
}

/// A batch that is being dealt with, or was dealt with when this is dropped.
pub(super) struct TakenBatch {
    pub batch: Arc<PredictedBatch>,
    queue: BatchQueue,
}

impl Drop for TakenBatch {
    fn drop(&mut self) {
        self.queue.0.waiting_rows.fetch_sub(self.batch.rows.len(), Ordering::AcqRel);
    }
}

/// Batches that wait, up to a number of rows. What is beyond is dropped and counted: an answer never waits for it.
#[derive(Clone)]
pub(super) struct BatchQueue(Arc<Shared>);

struct Shared {
    sender: mpsc::UnboundedSender<Arc<PredictedBatch>>,
    receiver: Mutex<mpsc::UnboundedReceiver<Arc<PredictedBatch>>>,
    most_rows: usize,
    waiting_rows: AtomicUsize,
    dropped_rows: AtomicU64,
}

impl BatchQueue {
    pub fn new(most_rows: usize) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (waiting_rows, dropped_rows) = Default::default();
        Self(Arc::new(Shared { sender, receiver: Mutex::new(receiver), most_rows, waiting_rows, dropped_rows }))
    }

    /// Queues the batch, or drops it where there is no room for it.
    pub fn offer(&self, batch: Arc<PredictedBatch>) {
        let (rows, shared) = (batch.rows.len(), &self.0);
        let room = |waiting: usize| (waiting + rows <= shared.most_rows).then_some(waiting + rows);
        if shared.waiting_rows.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).is_err() {
            self.count_dropped(rows);
        } else if shared.sender.send(batch).is_err() {
            shared.waiting_rows.fetch_sub(rows, Ordering::AcqRel);
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
