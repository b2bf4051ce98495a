//! Finished trials of a search.

use crate::error::Result;
use async_trait::async_trait;
use provost_domain::job::TrialRecord;
use provost_domain::{Algorithm, JobId};

/// Trials to read in one call: some tens of milliseconds of work.
pub const TRIALS_READ: u32 = 500;

/// Reads trials.
#[async_trait]
pub trait TrialReader: Send + Sync + 'static {
    /// By index, those from index `from` on: as many as `limit`, fewer where their documents have [`limits::PAGE_BYTES`], and one
    /// at least if there is one.
    ///
    /// [`limits::PAGE_BYTES`]: provost_domain::limits::PAGE_BYTES
    async fn trials_from(&self, job: &JobId, algorithm: Algorithm, from: u32, limit: u32) -> Result<Vec<TrialRecord>>;
    /// All trials by index. There may be very many: callers that can be cancelled should use `trials_from`.
    async fn trials(&self, job: &JobId, algorithm: Algorithm) -> Result<Vec<TrialRecord>> {
        let (mut trials, mut from) = (Vec::new(), 0);
        loop {
            let piece = self.trials_from(job, algorithm, from, TRIALS_READ).await?;
            let Some(last) = piece.last().map(|trial| trial.index) else { return Ok(trials) };
            trials.extend(piece);
            let Some(next) = last.checked_add(1) else { return Ok(trials) };
            from = next;
        }
    }
}

/// Reads and records trials: for the job that runs the search only.
#[async_trait]
pub trait TrialStore: TrialReader {
    /// Idempotent by (job, algorithm, index): the first stays; `Conflict` for another epoch than the job's. Numbers come
    /// back bit for bit.
    async fn record_trial(&self, epoch: u64, trial: TrialRecord) -> Result<()>;
}
