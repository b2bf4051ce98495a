//! Jobs owns every job's state: admission, the queue, attempts, limits, cancelling, resuming.

mod cell;
mod journal;
mod plan;
mod streams;

pub use streams::Streams;

use crate::error::{CancelError, SubmitError};
use crate::evaluator::Evaluator;
use crate::loader::Loader;
use crate::options::Options;
use crate::registry::Registry;
use crate::supervise::{Slot, Status};
use actix::{Actor, Context, Handler, Message, MessageResult, ResponseFuture};
use provost_domain::schedule::TrainingTrigger;
use provost_domain::{JobId, TrainingConfig, TrainingJob};
use provost_store::StoredResponse;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A wish for a job.
#[derive(Debug, Clone)]
pub struct Submission {
    pub config: TrainingConfig,
    pub created_by: Option<String>,
    pub trigger: TrainingTrigger,
    /// The `Idempotency-Key`, and the hash of the request it came with.
    pub idempotency: Option<(String, String)>,
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
}

pub struct Jobs {
    options: Arc<Options>,
    #[allow(dead_code)] // used by the driver
    peers: Peers,
    #[allow(dead_code)] // used by the driver
    streams: Streams,
}

impl Jobs {
    pub fn new(options: Arc<Options>, peers: Peers, streams: Streams) -> Self {
        Self { options, peers, streams }
    }
}

impl Actor for Jobs {
    type Context = Context<Self>;
}

impl Handler<Status> for Jobs {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(json!({}))
    }
}

impl Handler<Submit> for Jobs {
    type Result = ResponseFuture<Result<Submitted, SubmitError>>;
    fn handle(&mut self, message: Submit, _: &mut Context<Self>) -> Self::Result {
        self.options.failpoints.hit("jobs");
        let _ = (message.submission, message.usable_rows);
        Box::pin(async { Err(SubmitError::ShuttingDown) })
    }
}

impl Handler<Cancel> for Jobs {
    type Result = ResponseFuture<Result<TrainingJob, CancelError>>;
    fn handle(&mut self, message: Cancel, _: &mut Context<Self>) -> Self::Result {
        let _ = (message.by, message.keep_best);
        Box::pin(async { Err(CancelError::NotFound(message.id)) })
    }
}

impl Handler<Shutdown> for Jobs {
    type Result = ResponseFuture<ShutdownReport>;
    fn handle(&mut self, message: Shutdown, _: &mut Context<Self>) -> Self::Result {
        let _ = message.deadline;
        Box::pin(async { ShutdownReport::default() })
    }
}
