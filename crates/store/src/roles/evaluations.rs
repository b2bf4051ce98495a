//! Evaluations of models.

use crate::error::{Result, StoreError};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use provost_domain::ModelId;
use provost_domain::evaluation::EvaluationResults;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An evaluation of a model: asked for, running, or finished.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRecord {
    /// Id of the evaluation.
    pub task_id: String,
    /// The model that is evaluated.
    pub model_id: ModelId,
    /// When the evaluation was asked for.
    pub requested_at: DateTime<Utc>,
    /// None while it runs.
    pub results: Option<EvaluationResults>,
    /// Why the evaluation failed.
    pub error: Option<String>,
    /// Plot file name (`roc_curve.png`) to artifact SHA-256.
    pub plots: BTreeMap<String, String>,
}

impl EvaluationRecord {
    /// # Errors
    /// `Invalid` if it is another model's.
    pub(crate) fn check_is_of(&self, model: &ModelId) -> Result<()> {
        if self.model_id == *model {
            return Ok(());
        }
        let other = &self.model_id;
        Err(StoreError::Invalid(format!("the evaluation registered with model {model} is one of model {other}")))
    }
}

/// Reads evaluations.
#[async_trait]
pub trait EvaluationReader: Send + Sync + 'static {
    /// The last that finished with results; if none did, the last that failed.
    async fn evaluation(&self, model: &ModelId) -> Result<Option<EvaluationRecord>>;
    /// Evaluations that were asked for and have not finished.
    async fn unfinished_evaluations(&self) -> Result<Vec<EvaluationRecord>>;
}

/// Reads and records evaluations: for the Evaluator only. The first one of a model is recorded with its registration.
#[async_trait]
pub trait EvaluationStore: EvaluationReader {
    /// Records that an evaluation was asked for. Earlier results stay readable. Idempotent by task id.
    async fn start_evaluation(&self, record: EvaluationRecord) -> Result<()>;
    /// Adds results or an error to a running evaluation; a finished one is not changed.
    async fn finish_evaluation(&self, record: EvaluationRecord) -> Result<()>;
}
