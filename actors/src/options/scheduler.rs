//! The options of the Scheduler.

use super::Options;
use crate::clock::Clock;
use crate::failures::Failures;
use crate::metrics::Metrics;
use provost_store::{JobReader, ModelReader, PointReader, ScheduleStore, TriggerStore, WatchReader};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The Scheduler writes triggers and the progress through the schedule's slots.
#[derive(Clone)]
pub struct SchedulerResources {
    pub clock: Arc<dyn Clock>,
    pub triggers: Arc<dyn TriggerStore>,
    pub schedule: Arc<dyn ScheduleStore>,
    pub jobs: Arc<dyn JobReader>,
    pub models: Arc<dyn ModelReader>,
    pub points: Arc<dyn PointReader>,
    pub windows: Arc<dyn WatchReader>,
    pub enabled: bool,
    /// Whether a drift alarm triggers training.
    pub retrain_on_drift: bool,
    /// Shortest time between two automatic jobs.
    pub cooldown: Duration,
    pub failures: Failures,
    pub metrics: Metrics,
    pub nudge: Arc<Notify>,
}

impl From<&Options> for SchedulerResources {
    fn from(o: &Options) -> Self {
        Self {
            clock: o.clock.clone(),
            triggers: o.store.clone(),
            schedule: o.store.clone(),
            jobs: o.store.clone(),
            models: o.store.clone(),
            points: o.store.clone(),
            windows: o.store.clone(),
            enabled: o.schedule_enabled,
            retrain_on_drift: o.watch.retrain,
            cooldown: o.cooldown,
            failures: o.failures.clone(),
            metrics: o.metrics.clone(),
            nudge: o.nudge.clone(),
        }
    }
}
