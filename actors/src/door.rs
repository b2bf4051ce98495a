//! The door that every job comes through, whoever asks for it: the data is checked, then Jobs takes it in.

use crate::error::{LoadError, SubmitError};
use crate::jobs::{Jobs, Join, Joined, Submission, Submit, Submitted};
use crate::loader::{Loader, Quality};
use crate::options::Options;
use crate::supervise::{Phase, Slot};
use provost_domain::TrainingConfig;
use provost_domain::quality::DataQualityReport;
use provost_store::TriggerRecord;
use std::sync::Arc;

#[derive(Clone)]
pub struct Door {
    pub options: Arc<Options>,
    pub loader: Slot<Loader>,
    pub jobs: Slot<Jobs>,
}

impl Door {
    /// Checks the data, persists the job and answers; the training goes on behind.
    pub async fn submit(&self, submission: Submission) -> Result<Submitted, SubmitError> {
        if self.jobs.phase() == Phase::Stopped {
            return Err(SubmitError::ShuttingDown);
        }
        // A known key is answered as it was then, whatever became of the data since.
        if let Some((key, hash)) = &submission.idempotency
            && let Some(known) = self.options.store.stored_response(key, self.options.clock.now()).await?
        {
            return if known.request_hash == *hash {
                Ok(Submitted::Repeated(known))
            } else {
                Err(SubmitError::Mismatch)
            };
        }
        let report = self.quality(submission.config.clone()).await?;
        if !report.passes_quality_check {
            return Err(SubmitError::Quality(Box::new((*report).clone())));
        }
        self.jobs.send(Submit { submission, usable_rows: report.usable_samples }).await?
    }

    /// Adds triggers to the job that waits with this configuration, if one does.
    pub async fn join(&self, config_hash: String, triggers: Vec<TriggerRecord>) -> Result<Joined, SubmitError> {
        self.jobs.send(Join { config_hash, triggers }).await?
    }

    pub async fn quality(&self, config: TrainingConfig) -> Result<Arc<DataQualityReport>, LoadError> {
        self.loader.send(Quality(config)).await?
    }
}
