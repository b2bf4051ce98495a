//! What the fleet's executor and its workers work with.

use super::Options;
use crate::clock::Clock;
use crate::failures::Failures;
use crate::metrics::Metrics;
use provost_domain::Algorithm;
use provost_domain::config::Grid;
use provost_store::{Artifacts, InstallationReader, TrialStore, UnitStore};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The fleet writes units of work, and a worker the trials of the unit at hand. The limits are explained at [`Options`].
#[derive(Clone)]
pub struct FleetResources {
    pub clock: Arc<dyn Clock>,
    pub units: Arc<dyn UnitStore>,
    pub trials: Arc<dyn TrialStore>,
    pub installation: Arc<dyn InstallationReader>,
    pub artifacts: Artifacts,
    pub grids: BTreeMap<Algorithm, Grid>,
    pub attempts: u32,
    pub backoff: Duration,
    pub deaths: u32,
    pub failures: Failures,
    pub metrics: Metrics,
}

impl From<&Options> for FleetResources {
    fn from(o: &Options) -> Self {
        Self {
            clock: o.clock.clone(),
            units: o.store.clone(),
            trials: o.store.clone(),
            installation: o.store.clone(),
            artifacts: o.artifacts.clone(),
            grids: o.grids.clone(),
            attempts: o.attempts,
            backoff: o.backoff,
            deaths: o.deaths,
            failures: o.failures.clone(),
            metrics: o.metrics.clone(),
        }
    }
}
