//! The Registry owns the versions: registering, the active one, comparing.

use crate::error::RegistryError;
use crate::evaluator::Fitted;
use crate::loader::Loader;
use crate::options::Options;
use crate::supervise::{Slot, Status};
use actix::{Actor, Context, Handler, Message, MessageResult, ResponseFuture};
use provost_domain::evaluation::ModelComparisonResponse;
use provost_domain::{JobId, ModelId, ModelVersion, TargetMetric, TrainingConfig};
use provost_store::EvaluationRecord;
use serde_json::json;
use std::sync::Arc;

/// Stores a fitted model's artifact and registers its version together with its evaluation. Registering the same id again
/// answers the version that is there.
pub struct Register {
    pub model_id: ModelId,
    pub job_id: JobId,
    pub config: TrainingConfig,
    pub fitted: Arc<Fitted>,
    /// SHA-256 of the snapshot's artifact.
    pub snapshot: String,
    /// Rows of the training part.
    pub training_samples: u64,
    pub created_by: Option<String>,
    pub evaluation: EvaluationRecord,
}
impl Message for Register {
    type Result = Result<ModelVersion, RegistryError>;
}

/// Makes a model the active one.
pub struct Activate {
    pub id: ModelId,
    pub by: Option<String>,
    pub reason: Option<String>,
}
impl Message for Activate {
    type Result = Result<ModelVersion, RegistryError>;
}

/// Makes the model that was active before the present one active again.
pub struct Rollback {
    pub by: Option<String>,
}
impl Message for Rollback {
    type Result = Result<ModelVersion, RegistryError>;
}

/// Scores models on the rows that are in all of their test parts.
pub struct Compare {
    pub ids: Vec<ModelId>,
    pub metrics: Vec<TargetMetric>,
    pub visualizations: bool,
}
impl Message for Compare {
    type Result = Result<ModelComparisonResponse, RegistryError>;
}

pub struct Registry {
    options: Arc<Options>,
    #[allow(dead_code)] // read once comparisons open snapshots
    loader: Slot<Loader>,
}

impl Registry {
    pub fn new(options: Arc<Options>, loader: Slot<Loader>) -> Self {
        Self { options, loader }
    }
}

impl Actor for Registry {
    type Context = Context<Self>;
}

impl Handler<Status> for Registry {
    type Result = MessageResult<Status>;
    fn handle(&mut self, _: Status, _: &mut Context<Self>) -> Self::Result {
        MessageResult(json!({}))
    }
}

impl Handler<Activate> for Registry {
    type Result = ResponseFuture<Result<ModelVersion, RegistryError>>;
    fn handle(&mut self, message: Activate, _: &mut Context<Self>) -> Self::Result {
        self.options.failpoints.hit("registry");
        Box::pin(async move { Err(RegistryError::NotFound(message.id)) })
    }
}

impl Handler<Rollback> for Registry {
    type Result = ResponseFuture<Result<ModelVersion, RegistryError>>;
    fn handle(&mut self, _: Rollback, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async { Err(RegistryError::NothingBefore) })
    }
}

impl Handler<Compare> for Registry {
    type Result = ResponseFuture<Result<ModelComparisonResponse, RegistryError>>;
    fn handle(&mut self, message: Compare, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            let why = format!("comparing {} models is not possible yet", message.ids.len());
            Err(RegistryError::Invalid(why))
        })
    }
}

impl Handler<Register> for Registry {
    type Result = ResponseFuture<Result<ModelVersion, RegistryError>>;
    fn handle(&mut self, message: Register, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            let why = format!("{} cannot be registered yet", message.model_id);
            Err(RegistryError::Invalid(why))
        })
    }
}
