//! Writes the prediction log in batches behind the answers. What waits is bounded, and what is dropped is counted.

use super::batch::{BatchQueue, PredictedBatch, Size, decision};
use crate::blocking::blocking;
use crate::clock::Clock;
use crate::error::Unreachable;
use crate::failures::{Failures, Kind, LONG_PAUSE};
use crate::retry::{never, retry};
use provost_domain::prediction::{LoggedFeatures, PredictionRecord};
use provost_store::{PredictionLog, StoreError};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// What may wait for the log: some seconds of answers at the highest rate.
pub(super) const MOST_WAITING: Size = Size { rows: 100_000, bytes: 96 << 20 };
/// Rows that are written in one step.
const STEP: usize = 2_000;
/// How long the first row of a step waits for more. Real time: it bounds what a crash loses.
const GATHER: Duration = Duration::from_millis(200);
/// Batches with more rows than this are logged as a sample.
const LARGE: usize = 1_000;
/// Under which its failures are told.
const COMPONENT: &str = "serving";
const TASK: &str = "writing the prediction log";
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// Writes what waits in the queue.
pub(super) struct LogWriter {
    pub queue: BatchQueue,
    pub log: Arc<dyn PredictionLog>,
    /// Share of the rows of a large batch that is logged, 0 to 1.
    pub sample: f64,
    pub clock: Arc<dyn Clock>,
    pub failures: Failures,
    /// Told when predictions were logged.
    pub watch_nudge: Arc<Notify>,
}

impl LogWriter {
    /// Without an end. While the log is away the queue fills up to its bound.
    pub async fn run(self) {
        loop {
            let mut batches = vec![self.queue.take().await];
            let mut rows = batches[0].batch.rows.len();
            let until = tokio::time::Instant::now() + GATHER;
            while rows < STEP {
                let Ok(more) = tokio::time::timeout_at(until, self.queue.take()).await else { break };
                rows += more.batch.rows.len();
                batches.push(more);
            }
            let (sample, read): (_, Vec<_>) = (self.sample, batches.iter().map(|taken| taken.batch.clone()).collect());
            let records = blocking(move || {
                Ok::<_, Unreachable>(read.iter().flat_map(|batch| records(batch, sample)).collect::<Vec<_>>())
            });
            match records.await {
                Ok(records) => {
                    self.write(records).await;
                    self.watch_nudge.notify_one();
                }
                Err(e) => {
                    self.failures.failed(COMPONENT, TASK, Kind::Fault, &e.to_string());
                    self.queue.count_dropped(rows);
                }
            }
            drop(batches);
        }
    }

    async fn write(&self, records: Vec<PredictionRecord>) {
        for part in records.chunks(STEP) {
            // What cannot be written is not kept for a day.
            let policy = |e: &StoreError| {
                let wait = self.failures.wait(COMPONENT, TASK, Kind::of(e), &e.to_string(), PAUSES);
                (wait < LONG_PAUSE).then_some(wait)
            };
            let append = || self.log.append_predictions(part.to_vec());
            match retry(&*self.clock, policy, never(), append).await {
                Ok(_) => self.failures.succeeded(COMPONENT, TASK),
                Err(_) => self.queue.count_dropped(part.len()),
            }
        }
    }
}

/// The records of a batch; of a large one a sample, which is the same however often it is drawn.
fn records(batch: &PredictedBatch, sample: f64) -> impl Iterator<Item = PredictionRecord> + '_ {
    let all = batch.rows.len() <= LARGE;
    let rows = batch.answers.iter().enumerate().filter(move |(_, made)| all || share(&made.id) < sample);
    let mut names: Option<Arc<[String]>> = None;
    rows.map(move |(row, made)| {
        let features = LoggedFeatures::new(batch.rows.features(&batch.model, row));
        // All rows of a batch have the same names, which are kept once.
        let names = names.get_or_insert_with(|| features.names().clone());
        let shared = LoggedFeatures::of_columns(names.clone(), features.values().to_vec());
        PredictionRecord {
            prediction_id: made.id.clone(),
            predicted_at: batch.at,
            model_id: batch.model.model_id.clone(),
            data_point_id: batch.rows.data_point_id(row),
            probability: made.probability,
            predicted_outcome: decision(made.outcome),
            outcome: None,
            features: shared.unwrap_or(features),
            serving: None,
            caller: batch.caller.clone(),
        }
    })
}

/// A number from 0 to 1 that an id always has.
fn share(id: &str) -> f64 {
    let hash = Sha256::digest(id.as_bytes());
    let first = hash.iter().take(8).fold(0u64, |all, byte| all << 8 | u64::from(*byte));
    first as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_about_its_share_of_the_ids() {
        let drawn = (0..10_000).filter(|n| share(&format!("pred_{n}")) < 0.1).count();
        assert!((900..1_100).contains(&drawn), "{drawn}");
    }
}
