//! The options of Watch.

use super::{MailSources, Options};
use crate::clock::Clock;
use crate::failures::Failures;
use crate::lease::Leases;
use crate::metrics::Metrics;
use crate::testkit::Failpoints;
use provost_domain::features::FeatureTables;
use provost_store::{
    Artifacts, InstallationReader, ModelReader, NeedProducer, PointReader, PredictionReader, WatchStore,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// When windows close, and what an alarm triggers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchOptions {
    /// Whether the active model is watched.
    pub enabled: bool,
    /// Longest time between two looks.
    pub every: Duration,
    /// Rows that close a window.
    pub window: usize,
    /// A window with fewer rows closes when its oldest row has this age.
    pub close_after: Duration,
    /// Whether an alarm triggers training.
    pub retrain: bool,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            every: Duration::from_secs(3600),
            window: 500,
            close_after: Duration::from_secs(7 * 86_400),
            retrain: false,
        }
    }
}

/// The options of Watch: it reads predictions, points and models, records windows, and raises needs about alarms.
#[derive(Clone)]
pub struct WatchResources {
    pub clock: Arc<dyn Clock>,
    pub watch: Arc<dyn WatchStore>,
    pub predictions: Arc<dyn PredictionReader>,
    pub points: Arc<dyn PointReader>,
    pub models: Arc<dyn ModelReader>,
    pub installation: Arc<dyn InstallationReader>,
    pub artifacts: Artifacts,
    pub tables: FeatureTables,
    pub needs: Arc<dyn NeedProducer>,
    pub mail: MailSources,
    pub leases: Option<Leases>,
    pub options: WatchOptions,
    /// The pool for its work, which gives way to all other work on the machine.
    pub idle_priority: bool,
    pub failures: Failures,
    pub failpoints: Failpoints,
    pub metrics: Metrics,
    /// Notifies Watch of new predictions or points.
    pub nudge: Arc<Notify>,
}

impl From<&Options> for WatchResources {
    fn from(o: &Options) -> Self {
        Self {
            clock: o.clock.clone(),
            watch: o.store.clone(),
            predictions: o.store.clone(),
            points: o.store.clone(),
            models: o.store.clone(),
            installation: o.store.clone(),
            artifacts: o.artifacts.clone(),
            tables: o.tables.clone(),
            needs: o.store.clone(),
            mail: o.into(),
            leases: o.leases.clone(),
            options: o.watch.clone(),
            idle_priority: o.idle_priority,
            failures: o.failures.clone(),
            failpoints: o.failpoints.clone(),
            metrics: o.metrics.clone(),
            nudge: o.watch_nudge.clone(),
        }
    }
}
