//! How predictions are made, and what Serving works with.

use super::Options;
use crate::clock::Clock;
use crate::failures::Failures;
use crate::testkit::Failpoints;
use provost_domain::features::FeatureTables;
use provost_predict::serving::DEFAULT_CHANGEABLE;
use provost_store::{Artifacts, InstallationReader, ModelReader, PointReader, PredictionLog, ShadowStore};
use std::sync::Arc;
use tokio::sync::Notify;

/// How predictions are made and logged.
#[derive(Clone)]
pub struct PredictServiceOptions {
    /// Threads for batches and explanations.
    pub threads: usize,
    /// Batches that may wait for them.
    pub waiting: usize,
    /// Whether predictions are logged.
    pub log: bool,
    /// Share of the rows of a large batch that is logged, 0 to 1.
    pub log_sample: f64,
    /// Entries that the log keeps; beyond, the oldest of the callers with the most are removed.
    pub log_max_rows: u64,
    /// Features that a counterfactual may change.
    pub changeable: Vec<String>,
}

impl Default for PredictServiceOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: cores.min(2),
            waiting: 64,
            log: true,
            log_sample: 1.0,
            log_max_rows: 10_000_000,
            changeable: DEFAULT_CHANGEABLE.map(str::to_owned).to_vec(),
        }
    }
}

/// Serving reads models, their artifacts and the points that they were trained on, and writes the prediction log and the shadow selection.
#[derive(Clone)]
pub struct ServingResources {
    pub clock: Arc<dyn Clock>,
    pub models: Arc<dyn ModelReader>,
    pub points: Arc<dyn PointReader>,
    pub installation: Arc<dyn InstallationReader>,
    pub predictions: Arc<dyn PredictionLog>,
    pub shadow: Arc<dyn ShadowStore>,
    pub artifacts: Artifacts,
    pub tables: FeatureTables,
    pub predict: PredictServiceOptions,
    pub failures: Failures,
    pub failpoints: Failpoints,
    /// Told when predictions were logged.
    pub watch_nudge: Arc<Notify>,
}

impl From<&Options> for ServingResources {
    fn from(o: &Options) -> Self {
        Self {
            clock: o.clock.clone(),
            models: o.store.clone(),
            points: o.store.clone(),
            installation: o.store.clone(),
            predictions: o.store.clone(),
            shadow: o.store.clone(),
            artifacts: o.artifacts.clone(),
            tables: o.tables.clone(),
            predict: o.predict.clone(),
            failures: o.failures.clone(),
            failpoints: o.failpoints.clone(),
            watch_nudge: o.watch_nudge.clone(),
        }
    }
}
