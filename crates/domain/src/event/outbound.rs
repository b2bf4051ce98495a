//! What the service announces: one type per kind of event, so that the published document is made of what is sent.

use super::SPEC_VERSION;
use crate::config::word_enum;
use crate::job::JobStatus;
use crate::schedule::TrainingTrigger;
use crate::{Algorithm, JobId, ModelId};
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
    pub job_id: JobId,
    pub status: JobStatus,
    pub progress_percentage: f64,
    pub current_step: Option<String>,
    pub algorithms: Vec<Algorithm>,
    pub trained_models: Vec<ModelId>,
    pub best_model_id: Option<ModelId>,
    pub best_score: Option<f64>,
    pub error_message: Option<String>,
    pub warnings: Vec<String>,
    pub created_by: Option<String>,
    pub triggers: Vec<TrainingTrigger>,
}

/// A model version that is there now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RegisteredAnnouncement {
    pub model_id: ModelId,
    pub job_id: JobId,
    pub algorithm: Algorithm,
    /// `YYYYMMDD_{samples}`
    pub version: String,
    pub cv_mean: f64,
    pub auc_roc: f64,
}

/// The model that is active now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ActivatedAnnouncement {
    pub model_id: ModelId,
    pub previous_model_id: Option<ModelId>,
    pub activated_by: Option<String>,
    pub reason: Option<String>,
}

/// A challenger that did not become the active model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RejectedAnnouncement {
    pub model_id: ModelId,
    pub job_id: JobId,
    pub champion_id: Option<ModelId>,
    pub reason: String,
}

/// A model version that is not to be used any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeprecatedAnnouncement {
    pub model_id: ModelId,
    pub reason: Option<String>,
}

/// The active model does worse on new rows than it did on its last year in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DriftAnnouncement {
    pub model_id: ModelId,
    pub reason: String,
    #[schema(value_type = Object)]
    pub evidence: Value,
}

/// A unit of work that a worker may take; the store says whether it is still to be had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UnitAnnouncement {
    pub unit_id: String,
    pub job_id: JobId,
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
