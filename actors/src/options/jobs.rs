//! The options of Jobs.

use super::Options;
use super::mail_sources::MailSources;
use crate::clock::Clock;
use crate::failures::Failures;
use crate::lease::Leases;
use crate::metrics::Metrics;
use crate::testkit::Failpoints;
use provost_domain::Algorithm;
use provost_domain::config::Grid;
use provost_store::{Artifacts, InstallationReader, JobStore, ModelReader, TrialStore};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Jobs writes jobs with their events, and trials. [`Options`] explains the limits.
#[derive(Clone)]
pub struct JobsResources {
    pub clock: Arc<dyn Clock>,
    pub jobs: Arc<dyn JobStore>,
    pub trials: Arc<dyn TrialStore>,
    pub models: Arc<dyn ModelReader>,
    pub installation: Arc<dyn InstallationReader>,
    pub artifacts: Artifacts,
    pub mail: MailSources,
    pub grids: BTreeMap<Algorithm, Grid>,
    pub max_running: usize,
    pub max_queued: u64,
    pub soft_limit: Duration,
    pub hard_limit: Duration,
    pub cancel_deadline: Duration,
    pub attempts: u32,
    pub backoff: Duration,
    pub deaths: u32,
    pub report_every: Duration,
    pub leases: Option<Leases>,
    pub failures: Failures,
    pub metrics: Metrics,
    pub nudge: Arc<Notify>,
    pub failpoints: Failpoints,
}

impl From<&Options> for JobsResources {
    fn from(o: &Options) -> Self {
        Self {
            clock: o.clock.clone(),
            jobs: o.store.clone(),
            trials: o.store.clone(),
            models: o.store.clone(),
            installation: o.store.clone(),
            artifacts: o.artifacts.clone(),
            mail: MailSources::from(o),
            grids: o.grids.clone(),
            max_running: o.max_running,
            max_queued: o.max_queued,
            soft_limit: o.soft_limit,
            hard_limit: o.hard_limit,
            cancel_deadline: o.cancel_deadline,
            attempts: o.attempts,
            backoff: o.backoff,
            deaths: o.deaths,
            report_every: o.report_every,
            leases: o.leases.clone(),
            failures: o.failures.clone(),
            metrics: o.metrics.clone(),
            nudge: o.nudge.clone(),
            failpoints: o.failpoints.clone(),
        }
    }
}
