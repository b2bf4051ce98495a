//! The roles of the store that the content of mails is read from.

use super::Options;
use provost_store::{DecisionReader, ModelReader, ScheduleReader};
use std::sync::Arc;

/// Reads recipients, models and decisions, for actors that write mails into the outbox.
#[derive(Clone)]
pub struct MailSources {
    /// Whether there is a mail server.
    pub enabled: bool,
    pub schedule: Arc<dyn ScheduleReader>,
    pub models: Arc<dyn ModelReader>,
    pub decisions: Arc<dyn DecisionReader>,
}

impl From<&Options> for MailSources {
    fn from(o: &Options) -> Self {
        Self {
            enabled: o.mail.is_some(),
            schedule: o.store.clone(),
            models: o.store.clone(),
            decisions: o.store.clone(),
        }
    }
}
