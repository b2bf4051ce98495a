//! Jobs owns every job's state: admission, the queue, attempts, limits, cancelling, resuming.

mod attempt;
mod cell;
mod desk;
mod driver;
mod estimate;
pub(crate) mod journal;
#[cfg(test)]
mod lives;
mod neighbours;
pub(crate) mod plan;
mod streams;
mod unit;

pub(crate) use driver::may_claim;
pub(crate) use plan::check_spaces;
pub use streams::Streams;

use crate::background::WhileReachable;
use crate::error::{CancelError, SubmitError};
use crate::evaluator::Evaluator;
use crate::executor::Executor;
use crate::loader::Loader;
use crate::options::Options;
use crate::registry::Registry;
use crate::supervise::{Slot, Status};
use crate::trainer::Trainer;
use actix::{Actor, AsyncContext, Context, Handler, Message, MessageResult, ResponseActFuture, WrapFuture};
use chrono::{DateTime, Utc};
use desk::Desk;
use driver::Env;
use provost_domain::gate::ActivationWish;
use provost_domain::schedule::{TrainingTrigger, TriggerType};
use provost_domain::{Algorithm, JobId, TrainingConfig, TrainingJob};
use provost_store::{Store, StoreError, StoredResponse, TriggerRecord};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A wish for a job.
#[derive(Debug, Clone)]
pub struct Submission {
    pub config: TrainingConfig,
    pub created_by: Option<String>,
    /// What led to it; never empty.
    pub triggers: Vec<TriggerRecord>,
    pub idempotency: Option<KeyedRequest>,
}

/// A request's `Idempotency-Key`. It is its caller's: two callers' equal keys are two keys.
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
    /// What the store knows the key by.
    pub fn stored_key(&self) -> String {
        format!("{}\n{}", self.owner, self.key)
    }

    /// The response that the key has, if it has one. What an older version stored belongs to no caller: it is the answer to
    /// the very same request only.
    pub async fn answered(&self, store: &dyn Store, now: DateTime<Utc>) -> Result<Option<StoredResponse>, StoreError> {
        if let Some(known) = store.stored_response(&self.stored_key(), now).await? {
            return Ok(Some(known));
        }
        let unowned = store.stored_response(&self.key, now).await?;
        Ok(unowned.filter(|known| known.owner.is_empty() && known.request_hash == self.request_hash))
    }
}

impl Submission {
    /// A person's wish: nothing is activated by itself.
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
    New {
        job: Box<TrainingJob>,
        estimated_minutes: f64,
        response: StoredResponse,
    },
    /// The key was used before, with the same request: this was the answer.
    Repeated(StoredResponse),
}

/// Persists a job whose data has passed its check, and queues it.
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

/// What is the case with the jobs of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Joined {
    /// The triggers are this job's now.
    Job(JobId),
    /// One has begun: its rows are chosen.
    Begun,
    /// There is none.
    None,
    /// They change just now; look again.
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

/// What a shutdown left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Jobs that were running and will go on at the next start.
    pub interrupted: Vec<JobId>,
    /// Threads that had not ended by the deadline.
    pub stragglers: Vec<String>,
}

/// The actors that a job passes through.
#[derive(Clone)]
pub struct Peers {
    pub loader: Slot<Loader>,
    pub evaluator: Slot<Evaluator>,
    pub registry: Slot<Registry>,
    pub trainers: BTreeMap<Algorithm, Slot<Trainer>>,
    pub executor: Arc<dyn Executor>,
}

pub struct Jobs {
    options: Arc<Options>,
    desk: Arc<Desk>,
}

impl Jobs {
    pub fn new(options: Arc<Options>, peers: Peers, streams: Streams) -> Self {
        let env = Env { options: options.clone(), peers, streams };
        Self { options, desk: Arc::new(Desk::new(Arc::new(env))) }
    }
}

impl Actor for Jobs {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.spawn(WhileReachable::new(self.desk.clone().recover()));
    }
}

crate::takes_messages!(Jobs);

impl Drop for Jobs {
    fn drop(&mut self) {
        // After a panic the next instance claims the jobs; these drivers must not go on beside it.
        self.desk.abandon();
    }
}

impl Handler<Status> for Jobs {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.desk.status())
    }
}

impl Handler<Submit> for Jobs {
    type Result = ResponseActFuture<Self, Result<Submitted, SubmitError>>;
    fn handle(&mut self, message: Submit, _: &mut Context<Self>) -> Self::Result {
        self.options.failpoints.hit("jobs");
        Box::pin(self.desk.clone().submit(message).into_actor(self))
    }
}

impl Handler<Join> for Jobs {
    type Result = ResponseActFuture<Self, Result<Joined, SubmitError>>;
    fn handle(&mut self, message: Join, _: &mut Context<Self>) -> Self::Result {
        Box::pin(self.desk.clone().join(message).into_actor(self))
    }
}

impl Handler<Cancel> for Jobs {
    type Result = ResponseActFuture<Self, Result<TrainingJob, CancelError>>;
    fn handle(&mut self, Cancel { id, by, keep_best }: Cancel, _: &mut Context<Self>) -> Self::Result {
        Box::pin(self.desk.clone().cancel(id, by, keep_best).into_actor(self))
    }
}

impl Handler<Shutdown> for Jobs {
    type Result = ResponseActFuture<Self, ShutdownReport>;
    fn handle(&mut self, message: Shutdown, _: &mut Context<Self>) -> Self::Result {
        Box::pin(self.desk.clone().shutdown(message.deadline).into_actor(self))
    }
}
