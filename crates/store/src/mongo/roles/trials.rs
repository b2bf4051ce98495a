//! [`TrialReader`] and [`TrialStore`] on MongoDB.

use crate::error::Result;
use crate::mongo::{MongoStore, jobs};
use crate::roles::trials::{TrialReader, TrialStore};
use async_trait::async_trait;
use provost_domain::job::TrialRecord;
use provost_domain::{Algorithm, JobId};

#[async_trait]
impl TrialReader for MongoStore {
    async fn trials_from(&self, job: &JobId, algorithm: Algorithm, from: u32, limit: u32) -> Result<Vec<TrialRecord>> {
        let job = job.clone();
        self.run(|db| async move { jobs::trials_from(&db, &job, algorithm, from, limit).await }).await
    }
}

#[async_trait]
impl TrialStore for MongoStore {
    async fn record_trial(&self, epoch: u64, trial: TrialRecord) -> Result<()> {
        self.run(|db| async move { jobs::record_trial(&db, epoch, &trial).await }).await
    }
}
