//! Jobs owns every job's state: admission, the queue, attempts, limits, cancelling, resuming.

mod attempt;
mod change;
mod claim;
mod driver;
mod env;
mod estimate;
mod messages;
mod position;
mod queue;
mod queue_state;
mod rows;
mod settlement;
mod step;
mod stop;
mod streams;
mod takeover;
#[cfg(test)]
mod tests;
mod tries;
mod unit;
mod wait;
mod writer;

pub(crate) use claim::may_claim;
pub use messages::{Accepted, KeyedRequest, KeyedSubmission, ShutdownReport, Submission, Submitted, WrittenResponse};
pub(crate) use messages::{Cancel, Join, Joined, Shutdown, Submit};
pub use streams::Streams;

use crate::background::WhileReachable;
use crate::error::{CancelError, SubmitError};
use crate::evaluator::Evaluator;
use crate::executor::Executor;
use crate::loader::Loader;
use crate::options::JobsResources;
use crate::registry::Registry;
use crate::supervise::{Slot, Status};
use crate::trainer::Trainer;
use actix::{Actor, AsyncContext, Context, Handler, MessageResult, ResponseActFuture, WrapFuture};
use env::JobEnv;
use provost_domain::{Algorithm, TrainingJob};
use queue::JobQueue;
use std::collections::BTreeMap;
use std::sync::Arc;
use takeover::Takeover;

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
    resources: Arc<JobsResources>,
    queue: Arc<JobQueue>,
}

impl Jobs {
    pub fn new(resources: Arc<JobsResources>, peers: Peers, streams: Streams) -> Self {
        let env = JobEnv { resources: resources.clone(), peers, streams };
        Self { resources, queue: Arc::new(JobQueue::new(Arc::new(env))) }
    }
}

impl Actor for Jobs {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Context<Self>) {
        let (queue, leases) = (self.queue.clone(), self.resources.leases.clone());
        ctx.spawn(WhileReachable::new(async move {
            queue.recover().await;
            if let Some(leases) = leases {
                Takeover::new(queue, leases).watch().await;
            }
        }));
    }
}

crate::takes_messages!(Jobs);

impl Drop for Jobs {
    fn drop(&mut self) {
        // After a panic the next instance claims the jobs; these drivers must not go on beside it.
        self.queue.abandon();
    }
}

impl Handler<Status> for Jobs {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.queue.status())
    }
}

impl Handler<Submit> for Jobs {
    type Result = ResponseActFuture<Self, Result<Submitted, SubmitError>>;
    fn handle(&mut self, message: Submit, _: &mut Context<Self>) -> Self::Result {
        self.resources.failpoints.hit("jobs");
        Box::pin(self.queue.clone().submit(message).into_actor(self))
    }
}

impl Handler<Join> for Jobs {
    type Result = ResponseActFuture<Self, Result<Joined, SubmitError>>;
    fn handle(&mut self, message: Join, _: &mut Context<Self>) -> Self::Result {
        Box::pin(self.queue.clone().join(message).into_actor(self))
    }
}

impl Handler<Cancel> for Jobs {
    type Result = ResponseActFuture<Self, Result<TrainingJob, CancelError>>;
    fn handle(&mut self, Cancel { id, by, keep_best }: Cancel, _: &mut Context<Self>) -> Self::Result {
        Box::pin(self.queue.clone().cancel(id, by, keep_best).into_actor(self))
    }
}

impl Handler<Shutdown> for Jobs {
    type Result = ResponseActFuture<Self, ShutdownReport>;
    fn handle(&mut self, message: Shutdown, _: &mut Context<Self>) -> Self::Result {
        Box::pin(self.queue.clone().shutdown(message.deadline).into_actor(self))
    }
}
