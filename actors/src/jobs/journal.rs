//! The bridge from a fit's thread to the store: a finished trial goes over a channel to the job's driver, which records it
//! and answers, so that the fit goes on only once the trial is safe.

use crate::options::Options;
use provost_domain::job::TrialRecord;
use provost_domain::{Algorithm, JobId};
use provost_learn::Progress;
use provost_learn::train::{Journal, TrialResult};
use provost_store::StoreError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub struct Finished {
    pub trial: TrialResult,
    pub answer: SyncSender<Result<(), String>>,
}

impl Finished {
    /// Records the trial under the job's epoch, and lets the fit go on.
    pub async fn keep(
        self,
        options: &Options,
        job: &JobId,
        algorithm: Algorithm,
        epoch: u64,
    ) -> Result<(), StoreError> {
        let kept = match serde_json::to_value(&self.trial) {
            Ok(result) => {
                let (index, finished_at) = (self.trial.index, options.clock.now());
                let record = TrialRecord { job_id: job.clone(), algorithm, index, result, finished_at };
                options.store.record_trial(epoch, record).await
            }
            Err(e) => Err(StoreError::Invalid(e.to_string())),
        };
        // The fit may have died meanwhile: then nobody waits for the answer.
        let _ = self.answer.send(kept.as_ref().map(|_| ()).map_err(ToString::to_string));
        kept
    }
}

/// A trial as it was recorded.
pub fn read(record: TrialRecord) -> Result<TrialResult, String> {
    serde_json::from_value(record.result)
        .map_err(|e| format!("trial {} of {} is not readable: {e}", record.index, record.algorithm))
}

/// As [`read`], on a thread that may block: a search may have recorded very many trials.
pub async fn read_all(records: Vec<TrialRecord>) -> Result<Arc<[TrialResult]>, String> {
    let all = tokio::task::spawn_blocking(move || records.into_iter().map(read).collect());
    all.await.map_err(|e| format!("the recorded trials could not be read: {e}"))?
}

/// How far a fit is, written from its threads: in millionths.
#[derive(Clone, Default)]
pub struct Meter(Arc<AtomicU64>);

impl Meter {
    pub fn share(&self) -> f64 {
        self.0.load(Ordering::Relaxed) as f64 / 1e6
    }

    /// What a fit tells of its progress is read by this.
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

/// `finished` are the trials that an earlier attempt recorded.
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
