//! The options of the Notifier.

use super::{MailOptions, Options};
use crate::clock::Clock;
use crate::failures::Failures;
use crate::lease::Leases;
use crate::metrics::Metrics;
use crate::testkit::Failpoints;
use provost_store::OutboxStore;
use std::sync::Arc;

/// The Notifier reads the mails in the outbox and marks them as sent.
#[derive(Clone)]
pub struct NotifierResources {
    pub clock: Arc<dyn Clock>,
    pub outbox: Arc<dyn OutboxStore>,
    /// None: no mail is sent.
    pub mail: Option<MailOptions>,
    pub leases: Option<Leases>,
    pub failures: Failures,
    pub metrics: Metrics,
    pub failpoints: Failpoints,
}

impl From<&Options> for NotifierResources {
    fn from(o: &Options) -> Self {
        Self {
            clock: o.clock.clone(),
            outbox: o.store.clone(),
            mail: o.mail.clone(),
            leases: o.leases.clone(),
            failures: o.failures.clone(),
            metrics: o.metrics.clone(),
            failpoints: o.failpoints.clone(),
        }
    }
}
