//! A Trainer per algorithm owns the running attempts at its units of work.

use crate::clock::Clock;
use crate::executor::{Attempt, AttemptError, Executor, Outcome};
use crate::metrics::{FitEnd, Metrics};
use crate::options::Options;
use crate::supervise::Status;
use crate::testkit::Failpoints;
use actix::{Actor, ActorFutureExt, Context, Handler, Message, MessageResult, ResponseActFuture, WrapFuture};
use provost_domain::Algorithm;
use provost_learn::LearnError;
use serde_json::json;
use std::sync::Arc;

/// Makes an attempt on the executor; answers its outcome.
pub struct Run(pub Attempt);
impl Message for Run {
    type Result = Outcome;
}

pub struct Trainer {
    algorithm: Algorithm,
    executor: Arc<dyn Executor>,
    failpoints: Failpoints,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    running: u32,
    finished: u64,
    failed: u64,
    last_error: Option<String>,
}

impl Trainer {
    pub fn new(algorithm: Algorithm, executor: Arc<dyn Executor>, options: &Options) -> Self {
        Self {
            algorithm,
            executor,
            failpoints: options.failpoints.clone(),
            metrics: options.metrics.clone(),
            clock: options.clock.clone(),
            running: 0,
            finished: 0,
            failed: 0,
            last_error: None,
        }
    }
}

impl Actor for Trainer {
    type Context = Context<Self>;
}

crate::takes_messages!(Trainer);

impl Handler<Run> for Trainer {
    type Result = ResponseActFuture<Self, Outcome>;
    fn handle(&mut self, Run(attempt): Run, _: &mut Context<Self>) -> Self::Result {
        self.failpoints.hit("trainer");
        self.running += 1;
        let began = self.clock.monotonic();
        let outcome = self.executor.start(attempt);
        let outcome = async move {
            outcome.await.unwrap_or_else(|_| Err(AttemptError::NotStarted("its thread could not be made".to_owned())))
        };
        Box::pin(outcome.into_actor(self).map(move |outcome, trainer, _| {
            trainer.running -= 1;
            let took = trainer.clock.monotonic().saturating_sub(began);
            trainer.metrics.fit_ended(trainer.algorithm, end_of(&outcome), took);
            match &outcome {
                Ok(_) => trainer.finished += 1,
                Err(e) => {
                    trainer.failed += 1;
                    trainer.last_error = Some(e.to_string());
                }
            }
            outcome
        }))
    }
}

/// How an attempt has ended, for the metrics.
pub(crate) fn end_of(outcome: &Outcome) -> FitEnd {
    match outcome {
        Ok(_) => FitEnd::Finished,
        Err(AttemptError::Learn(LearnError::Stopped(_))) => FitEnd::Stopped,
        Err(_) => FitEnd::Failed,
    }
}

impl Handler<Status> for Trainer {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(json!({
            "algorithm": self.algorithm,
            "running": self.running,
            "finished": self.finished,
            "failed": self.failed,
            "last_attempt_error": self.last_error,
        }))
    }
}
