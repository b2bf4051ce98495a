//! Model versions and their metrics, as clients read them.

use crate::config::word_enum;
use crate::{Algorithm, ModelId, TrainingConfig};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FeatureImportance {
    pub feature_name: String,
    pub importance_score: f64,
    /// 1 is the most important.
    pub rank: u32,
}

/// Training rows that a permutation importance is computed on, at most.
pub const PERMUTATION_ROWS: u64 = 5_000;

word_enum!(
/// What a model's feature importance is. `gain`: the summed gain of the splits on the feature. `coefficient`: its absolute
/// coefficients, standardised. `permutation`: the fall of the AUC when its values are shuffled among training rows.
/// `members`: the mean of an ensemble's members, by their weights.
ImportanceKind {
    Gain = "gain",
    Coefficient = "coefficient",
    Permutation = "permutation",
    Members = "members",
});

impl ImportanceKind {
    pub fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::RandomForest | Algorithm::Xgboost | Algorithm::GradientBoosting => Self::Gain,
            Algorithm::LogisticRegression => Self::Coefficient,
            Algorithm::NeuralNetwork => Self::Permutation,
            Algorithm::Ensemble => Self::Members,
        }
    }

    /// How many of so many training rows the importance is computed on; never a row of the test part.
    pub fn rows(self, training_rows: u64) -> u64 {
        match self {
            Self::Permutation => training_rows.min(PERMUTATION_ROWS),
            Self::Gain | Self::Coefficient | Self::Members => training_rows,
        }
    }
}

/// Metrics on the held-out test part; `cv_*` are cross-validated in the target metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrainingMetrics {
    pub accuracy: f64,
    pub precision: f64,
    pub recall: f64,
    pub f1_score: f64,
    pub auc_roc: f64,
    /// [[tn, fp], [fn, tp]]
    pub confusion_matrix: [[u64; 2]; 2],
    /// As scikit-learn's `classification_report(output_dict=True)` has it: keys "0", "1", "accuracy", "macro avg",
    /// "weighted avg".
    #[schema(value_type = Object)]
    pub classification_report: Map<String, Value>,
    pub cv_scores: Vec<f64>,
    pub cv_mean: f64,
    /// Population standard deviation of `cv_scores`, as numpy's default.
    pub cv_std: f64,
    pub training_time_seconds: f64,
    /// Trees, rounds, Newton steps or epochs of the final fit.
    pub iterations_completed: u64,
    /// The model accepts from this probability on; none for models of the replaced service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// 95 % intervals of `accuracy, precision, recall, f1_score, auc_roc` on the test part. A metric without one is undefined
    /// there or was computed before intervals were.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub intervals_95: BTreeMap<String, [f64; 2]>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelVersion {
    pub model_id: ModelId,
    /// `YYYYMMDD_{samples}`
    pub version: String,
    pub algorithm: Algorithm,
    pub training_date: DateTime<Utc>,
    pub training_samples: u64,
    pub training_config: TrainingConfig,
    /// SHA-256 of the artifact's bytes, hexadecimal.
    pub model_sha256: String,
    pub metrics: TrainingMetrics,
    pub feature_importance: Vec<FeatureImportance>,
    #[schema(value_type = Object)]
    pub hyperparameters: Map<String, Value>,
    /// A name inside the artifact store; not openable by a client.
    pub model_path: String,
    pub scaler_path: Option<String>,
    pub is_active: bool,
    pub is_deprecated: bool,
    pub parent_model_id: Option<ModelId>,
    pub created_by: Option<String>,
    pub version_tag: Option<String>,
    pub notes: Option<String>,
}

impl ModelVersion {
    /// Whether there is a model that can predict. One of the service that Provost replaced is a record alone.
    pub fn has_artifact(&self) -> bool {
        !self.model_sha256.is_empty()
    }
}

/// How well the model's algorithm and parameters, fitted on the earlier years only, foretell the last year of its data (with
/// the years before it, where it has hardly begun): what new years are measured against. A random split would flatter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TemporalFigures {
    /// The year that was foretold; with later ones, where these have too few rows by themselves.
    pub year: i32,
    pub rows: u64,
    pub positives: u64,
    pub auc: f64,
    pub auc_error: f64,
    pub log_loss: f64,
    pub log_loss_error: f64,
}

/// A model as the store keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// `is_active` in here is not trusted: the activation pointer decides, and the store fills it in on reading.
    pub version: ModelVersion,
    /// The job that made it.
    pub job_id: crate::JobId,
    /// The snapshot (SHA-256) it was trained and tested on.
    pub snapshot: String,
    /// The model's own decision threshold.
    pub threshold: f64,
    /// None where its data has too little of a last year.
    #[serde(default)]
    pub temporal: Option<TemporalFigures>,
}

/// Which model became active when, and why; `rev` counts activations from 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Activation {
    pub rev: u64,
    pub model_id: ModelId,
    pub previous_model_id: Option<ModelId>,
    pub activated_at: DateTime<Utc>,
    pub activated_by: Option<String>,
    pub reason: Option<String>,
}
