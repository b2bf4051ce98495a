//! The serving model: everyone reads it without waiting, the Serving actor alone swaps it. Once there was one there is one.

use super::error::PredictionError;
use super::served_model::ServedModel;
use arc_swap::ArcSwapOption;
use provost_domain::ModelId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a request waits for the first look at the store after the start.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// What the Serving actor last found about the active model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// It has not looked yet.
    NotLooked,
    /// No model is active.
    NoneActive,
    /// The active model serves.
    Serves,
    /// The active model could not be opened, for good or for now.
    Failed { model: ModelId, why: String, may_pass: bool },
}

/// Outlives the actor, so that a rebuild costs no answer. Clones share it.
#[derive(Clone)]
pub struct CurrentModel {
    model: Arc<ArcSwapOption<ServedModel>>,
    finding: watch::Sender<Finding>,
}

impl Default for CurrentModel {
    fn default() -> Self {
        Self { model: Arc::default(), finding: watch::Sender::new(Finding::NotLooked) }
    }
}

impl CurrentModel {
    /// The serving model, or none.
    pub fn get(&self) -> Option<Arc<ServedModel>> {
        self.model.load_full()
    }

    /// The serving model; right after the start it may have to be waited for.
    ///
    /// # Errors
    /// Says why there is none.
    pub async fn wait(&self) -> Result<Arc<ServedModel>, PredictionError> {
        if let Some(model) = self.get() {
            return Ok(model);
        }
        let mut finding = self.finding.subscribe();
        // Neither a time-out nor a closed channel changes what is found below.
        let _ = tokio::time::timeout(FIRST_LOOK, finding.wait_for(|found| *found != Finding::NotLooked)).await;
        if let Some(model) = self.get() {
            return Ok(model);
        }
        match self.finding.borrow().clone() {
            Finding::NoneActive => Err(PredictionError::NoActiveModel),
            Finding::Failed { model, why, may_pass: false } => Err(PredictionError::CannotServe { model, why }),
            Finding::NotLooked | Finding::Serves | Finding::Failed { .. } => Err(PredictionError::Opening),
        }
    }

    pub(super) fn finding(&self) -> Finding {
        self.finding.borrow().clone()
    }

    /// Replaces the serving model. Requests in flight end on the one that they began with.
    pub(super) fn swap(&self, model: Arc<ServedModel>) {
        self.model.store(Some(model));
        self.finding.send_replace(Finding::Serves);
    }

    /// Tells what was found; the model that serves goes on.
    pub(super) fn found(&self, finding: Finding) {
        self.finding.send_replace(finding);
    }
}
