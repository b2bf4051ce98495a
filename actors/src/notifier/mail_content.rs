//! Builds mails for the outbox: the recipients and the content. They are recorded in the transaction of the change that
//! they are about.

use crate::options::MailSources;
use crate::outbox::MAIL;
use chrono::{DateTime, Utc};
use provost_domain::job::{JobRecord, JobStatus};
use provost_domain::mail::{ActivatedLetter, DriftLetter, JobLetter, Letter, Mail, mail_id};
use provost_domain::model::ModelVersion;
use provost_domain::watch_alarm::DriftAlarm;
use provost_store::{OutboxMessage, StoreError};

/// One message per recipient. `occasion` identifies the event: an occasion is written about once.
pub fn letters(occasion: &str, recipients: &[String], letter: &Letter, at: DateTime<Utc>) -> Vec<OutboxMessage> {
    let message = |to: &String| {
        let mail = Mail { to: to.clone(), letter: letter.clone() };
        OutboxMessage {
            id: mail_id(occasion, to),
            channel: MAIL.to_owned(),
            topic: letter.topic().as_str().to_owned(),
            // Letters are plain structs of texts, numbers and lists: they always serialise.
            payload: serde_json::to_value(mail).unwrap_or_default(),
            at,
        }
    };
    recipients.iter().map(message).collect()
}

/// Empty if there is no mail server.
async fn recipients(sources: &MailSources) -> Result<Vec<String>, StoreError> {
    if !sources.enabled {
        return Ok(Vec::new());
    }
    Ok(sources.schedule.schedule().await?.map(|s| s.notification_emails).unwrap_or_default())
}

/// The data for mails about a job's end besides its record; read before the end is written.
#[derive(Debug, Default)]
pub struct JobMail {
    recipients: Vec<String>,
    models: Vec<ModelVersion>,
    gate: Option<String>,
}

impl JobMail {
    pub async fn read(sources: &MailSources, record: &JobRecord) -> Result<Self, StoreError> {
        let recipients = recipients(sources).await?;
        if recipients.is_empty() {
            return Ok(Self::default());
        }
        let mut models = Vec::with_capacity(record.job.trained_models.len());
        for id in &record.job.trained_models {
            models.extend(sources.models.model(id).await?.map(|m| m.version));
        }
        let gate = sources.decisions.decision(&record.job.job_id).await?.map(|d| d.reason);
        Ok(Self { recipients, models, gate })
    }

    /// The mails about a job that has completed or failed; none for other jobs.
    pub fn about(&self, record: &JobRecord, at: DateTime<Utc>) -> Vec<OutboxMessage> {
        let letter = || JobLetter::new(record, &self.models, self.gate.clone());
        let letter = match record.job.status {
            _ if self.recipients.is_empty() => return Vec::new(),
            JobStatus::Completed => Letter::Completed(letter()),
            JobStatus::Failed => Letter::Failed(letter()),
            JobStatus::Pending | JobStatus::Running | JobStatus::Cancelled => return Vec::new(),
        };
        letters(&format!("{}:{}", record.job.job_id, record.job.status), &self.recipients, &letter, at)
    }
}

/// An activation that is about to be recorded.
pub struct Switch<'a> {
    /// Identifies this activation: the id of its announcement.
    pub occasion: &'a str,
    pub model: &'a ModelVersion,
    pub previous: Option<&'a provost_domain::ModelId>,
    pub by: Option<&'a str>,
    pub reason: Option<&'a str>,
    pub at: DateTime<Utc>,
}

/// The mails about an activation. They never delay or prevent it: if data cannot be read, no mail is written, and the
/// log says so.
pub async fn about_activation(sources: &MailSources, switch: Switch<'_>) -> Vec<OutboxMessage> {
    let written = async {
        let recipients = recipients(sources).await?;
        let (by, reason) = (switch.by.map(str::to_owned), switch.reason.map(str::to_owned));
        let mut letter = ActivatedLetter::new(switch.model, switch.at, by, reason);
        letter.previous_model_id = switch.previous.cloned();
        if let Some(id) = switch.previous.filter(|_| !recipients.is_empty()) {
            letter.previous = sources.models.model(id).await?.map(|m| (&m.version).into());
        }
        Ok::<_, StoreError>(letters(switch.occasion, &recipients, &Letter::Activated(Box::new(letter)), switch.at))
    };
    written.await.unwrap_or_else(|error| {
        tracing::error!(model = %switch.model.model_id, %error, "no mail about the activation: it could not be prepared");
        Vec::new()
    })
}

/// The mails about an alarm. They never delay or prevent it either.
pub async fn about_drift(
    sources: &MailSources,
    occasion: &str,
    alarm: &DriftAlarm,
    at: DateTime<Utc>,
) -> Vec<OutboxMessage> {
    match recipients(sources).await {
        Ok(recipients) => letters(occasion, &recipients, &Letter::Drift(Box::new(DriftLetter::from(alarm))), at),
        Err(error) => {
            tracing::error!(model = %alarm.model_id, %error, "no mail about the drift: it could not be prepared");
            Vec::new()
        }
    }
}
