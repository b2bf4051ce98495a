//! [`TrialReader`] and [`TrialStore`] on SQLite.

use crate::error::Result;
use crate::roles::trials::{TrialReader, TrialStore};
use crate::sqlite::{SqliteStore, jobs};
use async_trait::async_trait;
use provost_domain::job::TrialRecord;
use provost_domain::{Algorithm, JobId};

#[async_trait]
impl TrialReader for SqliteStore {
    async fn trials_from(&self, job: &JobId, algorithm: Algorithm, from: u32, limit: u32) -> Result<Vec<TrialRecord>> {
        let job = job.clone();
        self.read(move |c| jobs::trials_from(c, &job, algorithm, from, limit)).await
    }
}

#[async_trait]
impl TrialStore for SqliteStore {
    async fn record_trial(&self, epoch: u64, trial: TrialRecord) -> Result<()> {
        self.write(move |t| jobs::record_trial(t, epoch, &trial)).await
    }
}
