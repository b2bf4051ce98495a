//! The events of a job's stream, and what each kind says.

use super::{JobStatus, TrainingJob};
use crate::algorithm::Algorithm;
use crate::ids::ModelId;
use crate::words::word_enum;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

word_enum!(
    /// Kinds of events in a job's stream.
    JobEventKind { State = "state", Progress = "progress", Trial = "trial", Log = "log" });

/// One entry of a job's event stream; `seq` counts from 1 within the job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobEvent {
    /// Number in the job's stream, from 1.
    pub seq: u64,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened.
    pub kind: JobEventKind,
    /// Details; their members depend on `kind`.
    #[schema(value_type = Object)]
    pub data: Value,
}

/// `state`: the job's status has changed, or the job was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobStateChange {
    /// The job's status.
    pub status: JobStatus,
    /// The step at work.
    #[serde(default)]
    pub current_step: Option<String>,
    /// 0 to 100.
    #[serde(default)]
    pub progress_percentage: f64,
    /// Models that came out of the job so far.
    #[serde(default)]
    pub trained_models: Vec<ModelId>,
    /// The best of them.
    #[serde(default)]
    pub best_model_id: Option<ModelId>,
    /// The best model's `cv_mean`.
    #[serde(default)]
    pub best_score: Option<f64>,
    /// Why the job failed.
    #[serde(default)]
    pub error_message: Option<String>,
}

impl From<&TrainingJob> for JobStateChange {
    fn from(job: &TrainingJob) -> Self {
        Self {
            status: job.status,
            current_step: job.current_step.clone(),
            progress_percentage: job.progress_percentage,
            trained_models: job.trained_models.clone(),
            best_model_id: job.best_model_id.clone(),
            best_score: job.best_score,
            error_message: job.error_message.clone(),
        }
    }
}

/// `progress`: how far a running job has come. Unknown numbers are null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobProgress {
    /// 0 to 100; never less than before.
    pub progress_percentage: f64,
    /// The step at work.
    pub current_step: Option<String>,
    /// Estimated seconds until the job ends.
    pub estimated_time_remaining_seconds: Option<f64>,
    /// CPU of the process; 100 is one core.
    pub cpu_usage_percent: Option<f64>,
    /// Memory of the process in MiB.
    pub memory_usage_mb: Option<f64>,
}

impl From<&TrainingJob> for JobProgress {
    fn from(job: &TrainingJob) -> Self {
        Self {
            progress_percentage: job.progress_percentage,
            current_step: job.current_step.clone(),
            estimated_time_remaining_seconds: job.estimated_time_remaining_seconds,
            cpu_usage_percent: job.cpu_usage_percent,
            memory_usage_mb: job.memory_usage_mb,
        }
    }
}

word_enum!(
    /// `complete`: scored on every fold. `pruned`: given up early; it cannot be chosen.
    TrialStatus { Complete = "complete", Pruned = "pruned" });

/// `trial`: one candidate of a search was scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobTrial {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Position in the deterministic list of candidates, from 0.
    pub index: u32,
    /// The candidate's hyperparameters.
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// What became of the trial.
    pub status: TrialStatus,
    /// Mean of `fold_scores`, in the target metric.
    pub score: f64,
    /// Of the folds that the trial saw.
    pub fold_scores: Vec<f64>,
    /// Of its fits, added up.
    pub seconds: f64,
}

/// `log`: a line of the job's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobLogLine {
    /// The line.
    pub message: String,
}
