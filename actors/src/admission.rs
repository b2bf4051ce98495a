//! Admission of a job, whoever asks for it: checks the configuration and the data, then hands the job to Jobs.

use crate::blocking::blocking;
use crate::clock::Clock;
use crate::error::{LoadError, SubmitError};
use crate::jobs::{Jobs, Join, Joined, Submission, Submit, Submitted};
use crate::loader::{Loader, Purpose, Quality};
use crate::plan::check_spaces;
use crate::pool::Place;
use crate::supervise::{Phase, Slot};
use provost_domain::config::{Grid, Tuning};
use provost_domain::quality::DataQualityReport;
use provost_domain::{Algorithm, TrainingConfig};
use provost_store::{ResponseStore, TriggerRecord};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone)]
pub struct Admission {
    pub clock: Arc<dyn Clock>,
    pub responses: Arc<dyn ResponseStore>,
    /// Configured search grids.
    pub grids: Arc<BTreeMap<Algorithm, Grid>>,
    pub loader: Slot<Loader>,
    pub jobs: Slot<Jobs>,
}

impl Admission {
    /// Checks the data, persists the job and answers; the training goes on behind.
    /// `place` is held while the data is looked at.
    pub async fn submit(&self, submission: Submission, place: Option<Place>) -> Result<Submitted, SubmitError> {
        if self.jobs.phase() == Phase::Stopped {
            return Err(SubmitError::ShuttingDown);
        }
        // A known key is answered as it was then, whatever became of the data since.
        if let Some(asked) = submission.idempotency.as_ref().map(|keyed| &keyed.request)
            && let Some(known) = asked.answered(&*self.responses, self.clock.now()).await?
        {
            return if known.request_hash == asked.request_hash {
                Ok(Submitted::Repeated(known))
            } else {
                Err(SubmitError::Mismatch)
            };
        }
        self.check(&submission.config).await?;
        let report = self.quality(submission.config.clone(), Purpose::Work, place).await?;
        if !report.passes_quality_check {
            return Err(SubmitError::Quality(report));
        }
        self.jobs.send(Submit { submission, usable_rows: report.usable_samples }).await?
    }

    /// Refuses a configuration whose search cannot be done, whatever its data.
    pub async fn check(&self, config: &TrainingConfig) -> Result<(), SubmitError> {
        if config.hyperparameter_tuning == Tuning::None {
            return Ok(());
        }
        let (config, grids) = (config.clone(), self.grids.clone());
        blocking(move || check_spaces(&config, &grids)).await
    }

    /// Adds triggers to the job that waits with this configuration, if one does.
    pub async fn join(&self, config_hash: String, triggers: Vec<TriggerRecord>) -> Result<Joined, SubmitError> {
        self.jobs.send(Join { config_hash, triggers }).await?
    }

    /// `place` is held until the report is there, though the caller may have left by then.
    pub async fn quality(
        &self,
        config: TrainingConfig,
        purpose: Purpose,
        place: Option<Place>,
    ) -> Result<Arc<DataQualityReport>, LoadError> {
        self.loader.send(Quality { config, purpose, place }).await?
    }
}
