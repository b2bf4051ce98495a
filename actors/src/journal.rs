//! The journal of a fit: a finished trial is sent from the fit's thread to the job's driver, which records the trial in
//! the store and replies, so that the fit continues only once the trial is recorded.

use crate::clock::Clock;
use provost_domain::job::TrialRecord;
use provost_domain::{Algorithm, JobId};
use provost_learn::control::Token;
use provost_learn::train::{Journal, TrialResult};
use provost_learn::{Progress, StopReason};
use provost_store::{StoreError, TRIALS_READ, TrialReader, TrialStore};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub struct Finished {
    pub trial: TrialResult,
    pub answer: SyncSender<Result<(), String>>,
}

impl Finished {
    /// Records the trial under the job's epoch, and lets the fit continue.
    pub async fn keep(
        self,
        store: &dyn TrialStore,
        clock: &dyn Clock,
        job: &JobId,
        algorithm: Algorithm,
        epoch: u64,
    ) -> Result<(), StoreError> {
        let kept = match serde_json::to_value(&self.trial) {
            Ok(result) => {
                let (index, finished_at) = (self.trial.index, clock.now());
                let record = TrialRecord { job_id: job.clone(), algorithm, index, result, finished_at };
                store.record_trial(epoch, record).await
            }
            Err(e) => Err(StoreError::Invalid(e.to_string())),
        };
        // The fit may have ended meanwhile; then nobody waits for the reply.
        let _ = self.answer.send(kept.as_ref().map(|_| ()).map_err(ToString::to_string));
        kept
    }
}

/// A recorded trial.
pub fn read(record: TrialRecord) -> Result<TrialResult, String> {
    serde_json::from_value(record.result)
        .map_err(|e| format!("trial {} of {} is not readable: {e}", record.index, record.algorithm))
}

/// Why recorded trials could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Unreadable(String),
    #[error("{0} while the recorded trials were read")]
    Stopped(StopReason),
}

/// All recorded trials of a search. There may be very many, so they are read in parts on threads that may block, and
/// the cancel token is checked before each part. A time limit ends the search but not this reading, because the best of
/// all trials is kept.
pub async fn recorded(
    store: &dyn TrialReader,
    job: &JobId,
    algorithm: Algorithm,
    token: &Token,
) -> Result<Arc<[TrialResult]>, ReadError> {
    in_parts(async |from| store.trials_from(job, algorithm, from, TRIALS_READ).await, token).await
}

/// `part` returns trials from an index on; an empty list after the last.
async fn in_parts(
    part: impl AsyncFn(u32) -> Result<Vec<TrialRecord>, StoreError>,
    token: &Token,
) -> Result<Arc<[TrialResult]>, ReadError> {
    let token = token.past_time_limit();
    let (mut parts, mut next) = (Vec::new(), Some(0));
    while let Some(from) = next {
        if let Some(reason) = token.reason() {
            return Err(ReadError::Stopped(reason));
        }
        let part = part(from).await?;
        let Some(last) = part.last().map(|trial| trial.index) else { break };
        next = last.checked_add(1);
        parts.push(off_this_thread(move || part.into_iter().map(read).collect::<Result<Vec<_>, _>>()).await??);
    }
    off_this_thread(move || parts.into_iter().flatten().collect()).await
}

async fn off_this_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ReadError> {
    let done = tokio::task::spawn_blocking(work);
    done.await.map_err(|e| ReadError::Unreadable(format!("the recorded trials could not be read: {e}")))
}

impl From<String> for ReadError {
    fn from(why: String) -> Self {
        ReadError::Unreadable(why)
    }
}

/// The progress of a fit in millionths, written from its threads.
#[derive(Clone, Default)]
pub struct Meter(Arc<AtomicU64>);

impl Meter {
    pub fn share(&self) -> f64 {
        self.0.load(Ordering::Relaxed) as f64 / 1e6
    }

    /// A callback that a fit reports its progress to.
    pub fn reader(&self) -> Arc<dyn Fn(Progress) + Send + Sync> {
        let meter = self.0.clone();
        Arc::new(move |p| {
            let share = (p.done.min(p.of) as f64 / p.of.max(1) as f64 * 1e6) as u64;
            meter.fetch_max(share, Ordering::Relaxed);
        })
    }
}

pub struct ChannelJournal {
    finished: Arc<[TrialResult]>,
    to_driver: UnboundedSender<Finished>,
}

/// `finished` are trials recorded by an earlier attempt.
pub fn journal(finished: Arc<[TrialResult]>) -> (ChannelJournal, UnboundedReceiver<Finished>) {
    let (to_driver, from_fit) = unbounded_channel();
    (ChannelJournal { finished, to_driver }, from_fit)
}

impl Journal for ChannelJournal {
    fn finished(&self) -> Arc<[TrialResult]> {
        self.finished.clone()
    }

    fn record(&self, trial: &TrialResult) -> Result<(), String> {
        let gone = || "nobody drives this job any more".to_owned();
        let (answer, recorded) = sync_channel(1);
        self.to_driver.send(Finished { trial: trial.clone(), answer }).map_err(|_| gone())?;
        recorded.recv().map_err(|_| gone())?
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use chrono::DateTime;
    use serde_json::json;
    use std::cell::RefCell;

    fn trial(index: u32) -> TrialRecord {
        let result = json!({
            "index": index, "params": {}, "status": "complete", "fold_scores": [], "score": 0.5, "threshold": 0.5,
            "log_loss": 0.5, "one_way": 0.5, "folds": [], "seconds": 1.0,
        });
        let (job_id, finished_at) = (JobId::new(DateTime::UNIX_EPOCH, 1), DateTime::UNIX_EPOCH);
        TrialRecord { job_id, algorithm: Algorithm::Xgboost, index, result, finished_at }
    }

    /// Reads ten parts of two trials; after `before` of them the token is set. Returns the indices that were requested,
    /// and the outcome.
    async fn read(before: usize, reason: StopReason) -> (Vec<u32>, Result<usize, StopReason>) {
        let (token, asked) = (Token::new(), RefCell::new(Vec::new()));
        let part = async |from: u32| {
            asked.borrow_mut().push(from);
            if asked.borrow().len() > before {
                token.trip(reason);
            }
            Ok((from..20).take(2).map(trial).collect())
        };
        let read = in_parts(part, &token).await;
        let end = match read {
            Ok(trials) => {
                assert!(trials.iter().enumerate().all(|(at, trial)| trial.index as usize == at));
                Ok(trials.len())
            }
            Err(ReadError::Stopped(reason)) => Err(reason),
            Err(other) => panic!("{other}"),
        };
        (asked.into_inner(), end)
    }

    #[tokio::test]
    async fn a_stop_is_heard_between_two_parts_of_the_recorded_trials() {
        for reason in [StopReason::Cancelled, StopReason::Shutdown] {
            assert_eq!(read(2, reason).await, (vec![0, 2, 4], Err(reason)));
        }
    }

    #[tokio::test]
    async fn a_time_limit_lets_the_recorded_trials_be_read_to_their_end() {
        let (asked, end) = read(2, StopReason::TimeLimit).await;
        assert_eq!((asked.len(), end), (11, Ok(20)));
    }
}
