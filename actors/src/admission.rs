//! Admission of a job: checks the configuration and the data, then submits the job to Jobs. All callers use this path.

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
    /// Checks the data, stores the job and returns; the training runs afterwards. `place` is held while the data is
    /// checked.
    pub async fn submit(&self, submission: Submission, place: Option<Place>) -> Result<Submitted, SubmitError> {
        if self.jobs.phase() == Phase::Stopped {
            return Err(SubmitError::ShuttingDown);
        }
        // A known key gets its stored response, even if the data has changed since.
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

    /// Refuses a configuration whose search is not possible, whatever the data.
    pub async fn check(&self, config: &TrainingConfig) -> Result<(), SubmitError> {
        if config.hyperparameter_tuning == Tuning::None {
            return Ok(());
        }
        let (config, grids) = (config.clone(), self.grids.clone());
        blocking(move || check_spaces(&config, &grids)).await
    }

    /// Adds triggers to the job that waits with this configuration, if there is one.
    pub async fn join(&self, config_hash: String, triggers: Vec<TriggerRecord>) -> Result<Joined, SubmitError> {
        self.jobs.send(Join { config_hash, triggers }).await?
    }

    /// `place` is held until the report is ready, even if the caller has left.
    pub async fn quality(
        &self,
        config: TrainingConfig,
        purpose: Purpose,
        place: Option<Place>,
    ) -> Result<Arc<DataQualityReport>, LoadError> {
        self.loader.send(Quality { config, purpose, place }).await?
    }
}
