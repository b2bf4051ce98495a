//! The options of Needs.

use super::Options;
use crate::clock::Clock;
use crate::component_look::ComponentLook;
use crate::failures::Failures;
use provost_store::{DecisionReader, JobReader, ModelReader, NeedProducer};
use std::sync::{Arc, OnceLock, Weak};

/// Needs raises and withdraws needs, and reads the records that they are about.
#[derive(Clone)]
pub struct NeedsResources {
    pub clock: Arc<dyn Clock>,
    pub needs: Arc<dyn NeedProducer>,
    pub jobs: Arc<dyn JobReader>,
    pub models: Arc<dyn ModelReader>,
    pub decisions: Arc<dyn DecisionReader>,
    pub failures: Failures,
    /// The health of all components. Set once all actors have started, because `Needs` is one of them; the handle owns
    /// it.
    pub components: Arc<OnceLock<Weak<ComponentLook>>>,
}

impl From<&Options> for NeedsResources {
    fn from(o: &Options) -> Self {
        Self {
            clock: o.clock.clone(),
            needs: o.store.clone(),
            jobs: o.store.clone(),
            models: o.store.clone(),
            decisions: o.store.clone(),
            failures: o.failures.clone(),
            components: Arc::default(),
        }
    }
}
