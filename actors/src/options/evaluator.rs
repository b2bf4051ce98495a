//! The options of the Evaluator.

use super::Options;
use super::fairness::FairnessOptions;
use crate::clock::Clock;
use crate::failures::Failures;
use crate::lease::Leases;
use crate::testkit::Failpoints;
use provost_store::{Artifacts, EvaluationStore, InstallationReader, ModelReader};
use std::sync::Arc;

/// The Evaluator reads models, and writes evaluations and plots.
#[derive(Clone)]
pub struct EvaluatorResources {
    pub clock: Arc<dyn Clock>,
    pub evaluations: Arc<dyn EvaluationStore>,
    pub models: Arc<dyn ModelReader>,
    pub installation: Arc<dyn InstallationReader>,
    pub artifacts: Artifacts,
    pub leases: Option<Leases>,
    pub failures: Failures,
    pub fairness: FairnessOptions,
    pub failpoints: Failpoints,
}

impl From<&Options> for EvaluatorResources {
    fn from(o: &Options) -> Self {
        Self {
            clock: o.clock.clone(),
            evaluations: o.store.clone(),
            models: o.store.clone(),
            installation: o.store.clone(),
            artifacts: o.artifacts.clone(),
            leases: o.leases.clone(),
            failures: o.failures.clone(),
            fairness: o.fairness.clone(),
            failpoints: o.failpoints.clone(),
        }
    }
}
