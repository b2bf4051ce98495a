//! Outbound events: one type for each kind, from which the published document is made.

use super::SPEC_VERSION;
use crate::algorithm::Algorithm;
use crate::ids::{JobId, ModelId};
use crate::job::JobStatus;
use crate::schedule::TrainingTrigger;
use crate::words::word_enum;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

word_enum!(
    /// Routing keys of announcements; the event's type is the same with `.v1`.
    Topic {
        JobQueued = "training.job.queued",
        JobStarted = "training.job.started",
        JobProgress = "training.job.progress",
        JobCompleted = "training.job.completed",
        JobFailed = "training.job.failed",
        JobCancelled = "training.job.cancelled",
        ModelRegistered = "model.version.registered",
        ModelActivated = "model.version.activated",
        ModelRejected = "model.version.rejected",
        ModelDeprecated = "model.version.deprecated",
        DriftDetected = "data.drift.detected",
        UnitOffered = "training.unit.offered",
    }
);

/// A job's state when it changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobAnnouncement {
    /// The job.
    pub job_id: JobId,
    /// Its status.
    pub status: JobStatus,
    /// 0 to 100.
    pub progress_percentage: f64,
    /// The step at work.
    pub current_step: Option<String>,
    /// The algorithms of the job.
    pub algorithms: Vec<Algorithm>,
    /// Models that came out of the job.
    pub trained_models: Vec<ModelId>,
    /// The best of them.
    pub best_model_id: Option<ModelId>,
    /// The best model's `cv_mean`.
    pub best_score: Option<f64>,
    /// Why the job failed.
    pub error_message: Option<String>,
    /// What clients should know.
    pub warnings: Vec<String>,
    /// Who asked for the job.
    pub created_by: Option<String>,
    /// The triggers that led to the job.
    pub triggers: Vec<TrainingTrigger>,
}

/// A model version that is there now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RegisteredAnnouncement {
    /// The model.
    pub model_id: ModelId,
    /// The job that the model came out of.
    pub job_id: JobId,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// `YYYYMMDD_{samples}`
    pub version: String,
    /// Mean score of the cross-validation.
    pub cv_mean: f64,
    /// Area under the receiver operating characteristic, on the test rows.
    pub auc_roc: f64,
}

/// The model that is active now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ActivatedAnnouncement {
    /// The model.
    pub model_id: ModelId,
    /// The model that was active before.
    pub previous_model_id: Option<ModelId>,
    /// Who activated it.
    pub activated_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// A challenger that did not become the active model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RejectedAnnouncement {
    /// The model.
    pub model_id: ModelId,
    /// The job whose model was not activated.
    pub job_id: JobId,
    /// The active model.
    pub champion_id: Option<ModelId>,
    /// Why it stays active.
    pub reason: String,
}

/// A model version that is not to be used any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeprecatedAnnouncement {
    /// The model.
    pub model_id: ModelId,
    /// Why it should not be used.
    pub reason: Option<String>,
}

/// The data is not what the active model was trained on, or the model does worse on new rows than it did on its last year in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DriftAnnouncement {
    /// The model.
    pub model_id: ModelId,
    /// Why retraining is suggested.
    pub reason: String,
    /// The numbers behind it.
    #[schema(value_type = Object)]
    pub evidence: Value,
}

/// A unit of work that a worker may take; the store says whether it is still to be had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UnitAnnouncement {
    /// The unit of work.
    pub unit_id: String,
    /// Its job.
    pub job_id: JobId,
    /// Its algorithm.
    pub algorithm: Algorithm,
}

/// The CloudEvents envelope of an announcement, in structured mode.
pub fn envelope(id: &str, source: &str, topic: &str, time: DateTime<Utc>, data: &Value) -> Value {
    json!({
        "specversion": SPEC_VERSION,
        "id": id,
        "source": source,
        "type": format!("{topic}.v1"),
        "time": time.to_rfc3339_opts(SecondsFormat::Millis, true),
        "datacontenttype": "application/json",
        "data": data,
    })
}
