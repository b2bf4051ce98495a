//! The messages of Jobs and their answers.

use crate::error::{CancelError, SubmitError};
use actix::Message;
use chrono::{DateTime, Utc};
use provost_domain::gate::ActivationWish;
use provost_domain::queue::Waiting;
use provost_domain::schedule::{TrainingTrigger, TriggerType};
use provost_domain::{JobId, TrainingConfig, TrainingJob};
use provost_store::{ResponseStore, StoreError, StoredResponse, TriggerRecord};
use std::time::Duration;

/// A request for a job.
#[derive(Debug, Clone)]
pub struct Submission {
    pub config: TrainingConfig,
    pub created_by: Option<String>,
    /// The triggers of the request; never empty.
    pub triggers: Vec<TriggerRecord>,
    /// Given if the request must have a single effect, however often it is sent.
    pub idempotency: Option<KeyedSubmission>,
}

/// The idempotency key of a submission, and how the response stored under it is written.
#[derive(Debug, Clone)]
pub struct KeyedSubmission {
    pub request: KeyedRequest,
    /// Writes the response to an accepted job. It is stored in the same transaction as the job.
    pub respond: fn(&Accepted) -> WrittenResponse,
}

/// A response as it is stored: status code, `Location` and body.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenResponse {
    pub status: u16,
    pub location: Option<String>,
    pub body: serde_json::Value,
}

/// An accepted job.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    pub job: TrainingJob,
    /// Minutes until the job ends, waiting included, from the times of past jobs.
    pub estimated_minutes: f64,
    pub waiting: Waiting,
    /// Minutes until the job starts; None if the time of a job before it is unknown.
    pub estimated_wait_minutes: Option<f64>,
}

/// A request's `Idempotency-Key`. Keys belong to their caller: the equal keys of two callers are two keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRequest {
    /// Names the caller; without line breaks.
    pub owner: String,
    /// As the caller sent it; without line breaks.
    pub key: String,
    /// Of method, path and body.
    pub request_hash: String,
}

impl KeyedRequest {
    /// The name of the key in the store.
    pub fn stored_key(&self) -> String {
        format!("{}\n{}", self.owner, self.key)
    }

    /// The stored response of the key, if there is one. A response stored by an older version belongs to no caller and
    /// answers only exactly the same request.
    pub async fn answered(
        &self,
        store: &dyn ResponseStore,
        now: DateTime<Utc>,
    ) -> Result<Option<StoredResponse>, StoreError> {
        if let Some(known) = store.stored_response(&self.stored_key(), now).await? {
            return Ok(Some(known));
        }
        let unowned = store.stored_response(&self.key, now).await?;
        Ok(unowned.filter(|known| known.owner.is_empty() && known.request_hash == self.request_hash))
    }
}

impl Submission {
    /// A person's request: its model is not activated automatically.
    pub fn manual(config: TrainingConfig, by: Option<String>, reason: &str, at: DateTime<Utc>) -> Self {
        let trigger = TrainingTrigger::new(TriggerType::Manual, at, by.clone(), Some(reason.to_owned()));
        let trigger = TriggerRecord {
            id: format!("trigger_{}", uuid::Uuid::now_v7().simple()),
            trigger,
            config: Some(config.clone()),
            activation: ActivationWish::None,
            job_id: None,
            outcome: None,
        };
        Self { config, created_by: by, triggers: vec![trigger], idempotency: None }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Submitted {
    New(Box<Accepted>),
    /// The key was used before with the same request: this was the response.
    Repeated(StoredResponse),
}

/// Stores a job whose data has passed its check, and queues it.
pub(crate) struct Submit {
    pub submission: Submission,
    pub usable_rows: u64,
}
impl Message for Submit {
    type Result = Result<Submitted, SubmitError>;
}

/// Adds triggers to the job that waits with this configuration.
pub(crate) struct Join {
    pub config_hash: String,
    pub triggers: Vec<TriggerRecord>,
}
impl Message for Join {
    type Result = Result<Joined, SubmitError>;
}

/// The state of the jobs with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Joined {
    /// The triggers were added to this job.
    Job(JobId),
    /// A job has begun, so its rows are chosen already.
    Begun,
    /// There is no such job.
    None,
    /// The jobs changed meanwhile; the caller tries again.
    Busy,
}

pub(crate) struct Cancel {
    pub id: JobId,
    pub by: Option<String>,
    pub keep_best: bool,
}
impl Message for Cancel {
    type Result = Result<TrainingJob, CancelError>;
}

pub(crate) struct Shutdown {
    pub deadline: Duration,
}
impl Message for Shutdown {
    type Result = ShutdownReport;
}

/// What had not ended at a shutdown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Jobs that were running and are resumed at the next start.
    pub interrupted: Vec<JobId>,
    /// Threads that had not ended by the deadline.
    pub stragglers: Vec<String>,
}
