//! The options of Retention: how long finished records are kept.

use super::Options;
use crate::clock::Clock;
use crate::failures::Failures;
use crate::lease::Leases;
use crate::testkit::Failpoints;
use provost_store::{Artifacts, PredictionLog, RetentionStore};
use std::sync::Arc;
use std::time::Duration;

/// How long finished records are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionOptions {
    /// Interval between two rounds.
    pub every: Duration,
    /// How long ids of inbound events are kept.
    pub inbox: Duration,
    /// Announcements and mails that were sent or given up.
    pub outbox: Duration,
    /// Event streams and log lines of jobs, after their end.
    pub job_events: Duration,
    /// Trials and intermediate results of jobs, after their end.
    pub trials: Duration,
    /// Entries of the prediction log, and windows of the watching.
    pub predictions: Duration,
    /// Artifacts that no record names, since they were last stored. Must be longer than any pause between storing an
    /// artifact and recording its name.
    pub artifacts: Duration,
}

impl Default for RetentionOptions {
    fn default() -> Self {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        Self {
            every: Duration::from_secs(3600),
            inbox: days(30),
            outbox: days(7),
            job_events: days(90),
            trials: days(30),
            predictions: days(400),
            artifacts: days(7),
        }
    }
}

/// The options of Retention, which removes finished records and unnamed artifacts.
#[derive(Clone)]
pub struct RetentionResources {
    pub clock: Arc<dyn Clock>,
    pub retention: Arc<dyn RetentionStore>,
    pub predictions: Arc<dyn PredictionLog>,
    /// The most entries of the prediction log, whatever their age.
    pub predictions_max: u64,
    pub artifacts: Artifacts,
    /// None: nothing is removed.
    pub keep: Option<RetentionOptions>,
    /// None: no other server shares the store.
    pub leases: Option<Leases>,
    pub failures: Failures,
    pub failpoints: Failpoints,
}

impl From<&Options> for RetentionResources {
    fn from(o: &Options) -> Self {
        Self {
            clock: o.clock.clone(),
            retention: o.store.clone(),
            predictions: o.store.clone(),
            predictions_max: o.predict.log_max_rows,
            artifacts: o.artifacts.clone(),
            keep: o.retention.clone(),
            leases: o.leases.clone(),
            failures: o.failures.clone(),
            failpoints: o.failpoints.clone(),
        }
    }
}
