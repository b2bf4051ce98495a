//! Model versions and their metrics, as clients read them.

use crate::algorithm::Algorithm;
use crate::config::TrainingConfig;
use crate::ids::ModelId;
use crate::words::word_enum;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The importance of a feature for a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FeatureImportance {
    /// The feature.
    pub feature_name: String,
    /// Its importance; the unit depends on [`ImportanceKind`].
    pub importance_score: f64,
    /// 1 is the most important.
    pub rank: u32,
}

/// Maximum number of training rows that a permutation importance is computed on.
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
    /// The kind of importance that models of this algorithm have.
    pub fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::RandomForest | Algorithm::Xgboost | Algorithm::GradientBoosting => Self::Gain,
            Algorithm::LogisticRegression => Self::Coefficient,
            Algorithm::NeuralNetwork => Self::Permutation,
            Algorithm::Ensemble => Self::Members,
        }
    }

    /// Number of training rows that the importance is computed on, of `training_rows`; rows of the test part are never
    /// used.
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
    /// Share of rows whose outcome is predicted.
    pub accuracy: f64,
    /// Share of accepted rows among those predicted as accepted.
    pub precision: f64,
    /// Share of rows predicted as accepted among the accepted ones.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1_score: f64,
    /// Area under the receiver operating characteristic.
    pub auc_roc: f64,
    /// [[tn, fp], [fn, tp]]
    pub confusion_matrix: [[u64; 2]; 2],
    /// As scikit-learn's `classification_report(output_dict=True)` has it: keys "0", "1", "accuracy", "macro avg",
    /// "weighted avg".
    #[schema(value_type = Object)]
    pub classification_report: Map<String, Value>,
    /// The score of each fold of the cross-validation.
    pub cv_scores: Vec<f64>,
    /// Their mean.
    pub cv_mean: f64,
    /// Population standard deviation of `cv_scores`, as numpy's default.
    pub cv_std: f64,
    /// Seconds that search and final fit took.
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
    /// Of the conformal sets on the test part. None of models that were trained before there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_coverage: Option<SetCoverage>,
}

/// How often a row's own outcome is among the outcomes that the model calls plausible. The sets are calibrated on out-of-fold
/// scores, so that what they promise is approximate: this is what was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SetCoverage {
    /// The coverage that the sets were asked for.
    pub asked: f64,
    /// Of the accepted rows; None without any.
    pub accepted: Option<f64>,
    /// Of the rejected rows; None without any.
    pub rejected: Option<f64>,
}

/// A trained model as clients read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelVersion {
    /// The model's id.
    pub model_id: ModelId,
    /// `YYYYMMDD_{samples}`
    pub version: String,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// When the model was registered.
    pub training_date: DateTime<Utc>,
    /// Training rows.
    pub training_samples: u64,
    /// The configuration of its job.
    pub training_config: TrainingConfig,
    /// SHA-256 of the artifact's bytes, hexadecimal.
    pub model_sha256: String,
    /// Metrics on the test rows, and of the cross-validation.
    pub metrics: TrainingMetrics,
    /// Importance of each feature, the greatest first.
    pub feature_importance: Vec<FeatureImportance>,
    /// The hyperparameters of the winning trial.
    #[schema(value_type = Object)]
    pub hyperparameters: Map<String, Value>,
    /// A name inside the artifact store; not openable by a client.
    pub model_path: String,
    /// As `model_path`: the scaler is part of the artifact.
    pub scaler_path: Option<String>,
    /// Whether this is the active model.
    pub is_active: bool,
    /// Whether the model should not be used any more.
    pub is_deprecated: bool,
    /// The model that was active when this one was trained.
    pub parent_model_id: Option<ModelId>,
    /// Who asked for the job.
    pub created_by: Option<String>,
    /// The label of the configuration.
    pub version_tag: Option<String>,
    /// The notes of the configuration.
    pub notes: Option<String>,
}

impl ModelVersion {
    /// Whether the model has an artifact and can predict. Models of the service that Provost replaced are records
    /// without one.
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
    /// Rows of that year.
    pub rows: u64,
    /// Accepted rows among them.
    pub positives: u64,
    /// Area under the receiver operating characteristic.
    pub auc: f64,
    /// Its standard error.
    pub auc_error: f64,
    /// Mean logarithmic loss in nats.
    pub log_loss: f64,
    /// Its standard error.
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
    /// Figures on the last year of the data; None if that year has too few rows.
    #[serde(default)]
    pub temporal: Option<TemporalFigures>,
}

/// Which model became active when, and why; `rev` counts activations from 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Activation {
    /// Number of the activation, from 1.
    pub rev: u64,
    /// The model that was activated.
    pub model_id: ModelId,
    /// The model that was active before.
    pub previous_model_id: Option<ModelId>,
    /// When the model was activated.
    pub activated_at: DateTime<Utc>,
    /// Who activated it.
    pub activated_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}
