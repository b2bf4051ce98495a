//! The Evaluator scores models on their test part, draws their plots and keeps their evaluations.

use crate::error::EvaluateError;
use crate::loader::{LoadedSnapshot, Loader};
use crate::options::Options;
use crate::supervise::{Slot, Status};
use actix::{Actor, Context, Handler, Message, MessageResult, ResponseFuture};
use provost_domain::ModelId;
use provost_learn::{Model, Params};
use provost_store::EvaluationRecord;
use serde_json::json;
use std::sync::Arc;

/// What a unit of work hands on: the fitted model and how it came about.
#[derive(Debug, Clone)]
pub struct Fitted {
    pub model: Arc<Model>,
    /// The hyperparameters chosen.
    pub params: Params,
    /// In the target metric, one per fold.
    pub cv_scores: Vec<f64>,
    /// All features, highest first.
    pub importance: Vec<(String, f64)>,
    pub iterations: u64,
    pub seconds: f64,
}

/// Scores a fitted model on its test part and draws its plots; nothing is recorded before it is registered. Answers a
/// finished record.
pub struct Score {
    pub model_id: ModelId,
    pub fitted: Arc<Fitted>,
    pub data: Arc<LoadedSnapshot>,
    /// Rows of the test part.
    pub test: Arc<Vec<u32>>,
    pub plots: bool,
}
impl Message for Score {
    type Result = Result<EvaluationRecord, EvaluateError>;
}

/// Evaluates a registered model again; answers the task's id at once, the work goes on behind.
pub struct Evaluate {
    pub model: ModelId,
    pub plots: bool,
}
impl Message for Evaluate {
    type Result = Result<String, EvaluateError>;
}

pub struct Evaluator {
    options: Arc<Options>,
    #[allow(dead_code)] // read once evaluations open snapshots
    loader: Slot<Loader>,
}

impl Evaluator {
    pub fn new(options: Arc<Options>, loader: Slot<Loader>) -> Self {
        Self { options, loader }
    }
}

impl Actor for Evaluator {
    type Context = Context<Self>;
}

impl Handler<Status> for Evaluator {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(json!({}))
    }
}

impl Handler<Evaluate> for Evaluator {
    type Result = ResponseFuture<Result<String, EvaluateError>>;
    fn handle(&mut self, message: Evaluate, _: &mut Context<Self>) -> Self::Result {
        self.options.failpoints.hit("evaluator");
        Box::pin(async move { Err(EvaluateError::NotFound(message.model)) })
    }
}

impl Handler<Score> for Evaluator {
    type Result = ResponseFuture<Result<EvaluationRecord, EvaluateError>>;
    fn handle(&mut self, _: Score, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async { Err(EvaluateError::Plot("the evaluator cannot score yet".to_owned())) })
    }
}
