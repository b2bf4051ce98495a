//! The options of the Registry.

use super::Options;
use super::fairness::FairnessOptions;
use super::mail_sources::MailSources;
use crate::clock::Clock;
use crate::testkit::Failpoints;
use provost_store::{ActivationStore, Artifacts, InstallationReader, ModelStore, ScheduleReader};
use std::sync::Arc;

/// The Registry writes model versions, decisions and activations.
#[derive(Clone)]
pub struct RegistryResources {
    pub clock: Arc<dyn Clock>,
    pub models: Arc<dyn ModelStore>,
    pub activation: Arc<dyn ActivationStore>,
    pub schedule: Arc<dyn ScheduleReader>,
    pub installation: Arc<dyn InstallationReader>,
    pub artifacts: Artifacts,
    pub mail: MailSources,
    pub fairness: FairnessOptions,
    pub failpoints: Failpoints,
}

impl From<&Options> for RegistryResources {
    fn from(o: &Options) -> Self {
        Self {
            clock: o.clock.clone(),
            models: o.store.clone(),
            activation: o.store.clone(),
            schedule: o.store.clone(),
            installation: o.store.clone(),
            artifacts: o.artifacts.clone(),
            mail: MailSources::from(o),
            fairness: o.fairness.clone(),
            failpoints: o.failpoints.clone(),
        }
    }
}
