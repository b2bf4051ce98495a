//! A change of a job's record, with the events and messages that are written along with it.

use crate::notifier::mail_content::JobMail;
use crate::outbox::announcement_of;
use chrono::{DateTime, SecondsFormat, Utc};
use provost_domain::event::outbound::{JobAnnouncement, Topic};
use provost_domain::job::{JobEventKind, JobLogLine, JobRecord, JobStateChange, Transition};
use provost_store::{NewJobEvent, OutboxMessage};
use serde::Serialize;

/// Log lines that a record keeps.
pub const LOG_LINES: usize = 200;

/// What is written along with a change.
pub struct Change {
    pub at: DateTime<Utc>,
    pub events: Vec<NewJobEvent>,
    pub outbox: Vec<OutboxMessage>,
}

impl Change {
    pub fn new(at: DateTime<Utc>) -> Self {
        Self { at, events: Vec::new(), outbox: Vec::new() }
    }

    pub fn event(&mut self, kind: JobEventKind, data: &impl Serialize) {
        // What events say are plain structs of texts, numbers and lists: they always serialise.
        let data = serde_json::to_value(data).unwrap_or_default();
        self.events.push(NewJobEvent { at: self.at, kind, data });
    }

    pub fn log(&mut self, record: &mut JobRecord, text: &str) {
        let line = format!("{} {text}", self.at.to_rfc3339_opts(SecondsFormat::Millis, true));
        self.event(JobEventKind::Log, &JobLogLine { message: text.to_owned() });
        let logs = &mut record.job.logs;
        logs.push(line);
        if logs.len() > LOG_LINES {
            logs.drain(..logs.len() - LOG_LINES);
        }
    }

    /// A line in the warnings, once, and in the log.
    pub fn warn(&mut self, record: &mut JobRecord, text: &str) {
        if !record.job.warnings.iter().any(|w| w == text) {
            record.job.warnings.push(text.to_owned());
            self.log(record, &format!("warning: {text}"));
        }
    }

    /// Moves the job's state. An illegal move (another writer was faster) changes nothing and answers false.
    pub fn transition(&mut self, record: &mut JobRecord, transition: Transition) -> bool {
        let Ok(next) = record.job.status.after(transition) else { return false };
        record.job.status = next;
        if next.is_final() {
            record.job.completed_at = Some(self.at);
            record.job.estimated_time_remaining_seconds = None;
        }
        self.event(JobEventKind::State, &JobStateChange::from(&record.job));
        true
    }

    /// Writes to people about the end that the record tells of, if it does.
    pub fn write(&mut self, mail: &JobMail, record: &JobRecord) {
        self.outbox.extend(mail.about(record, self.at));
    }

    /// Announces what became of the job on the event bus.
    pub fn announce(&mut self, record: &JobRecord, topic: Topic) {
        let job = &record.job;
        let announcement = JobAnnouncement {
            job_id: job.job_id.clone(),
            status: job.status,
            progress_percentage: job.progress_percentage,
            current_step: job.current_step.clone(),
            algorithms: job.config.algorithms.clone(),
            trained_models: job.trained_models.clone(),
            best_model_id: job.best_model_id.clone(),
            best_score: job.best_score,
            error_message: job.error_message.clone(),
            warnings: job.warnings.clone(),
            created_by: job.created_by.clone(),
            triggers: job.triggers.clone(),
        };
        let id = uuid::Uuid::new_v4().simple().to_string();
        self.outbox.push(announcement_of(id, topic, &announcement, self.at));
    }
}

pub fn cancelled(r: &mut JobRecord, n: &mut Change) {
    r.job.current_step = Some("cancelled".to_owned());
    if n.transition(r, Transition::Cancel) {
        n.log(r, "cancelled");
        n.announce(r, Topic::JobCancelled);
    }
}

pub fn failed(r: &mut JobRecord, n: &mut Change, why: &str) {
    r.job.current_step = Some("failed".to_owned());
    r.job.error_message = Some(why.to_owned());
    if n.transition(r, Transition::Fail) {
        n.log(r, &format!("failed: {why}"));
        n.announce(r, Topic::JobFailed);
    }
}
