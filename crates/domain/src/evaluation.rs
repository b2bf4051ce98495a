//! Evaluations and comparisons, as clients read them.

use crate::algorithm::TargetMetric;
use crate::check::Faults;
use crate::fields::{Fields, Texts, shown};
use crate::ids::ModelId;
use crate::limits;
use crate::model::{FeatureImportance, ImportanceKind, ModelVersion, TrainingMetrics};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use utoipa::ToSchema;

/// The names of an evaluation's plots.
pub const PLOTS: [&str; 4] = ["confusion_matrix", "roc_curve", "feature_importance", "calibration"];

/// Rows whose predicted probability lies in one band: `reach` below 0.25, `target` to 0.75, `safety` above.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct TierMetrics {
    /// Share of rows whose outcome is predicted.
    pub accuracy: f64,
    /// Share of accepted rows among those predicted as accepted.
    pub precision: f64,
    /// Share of rows predicted as accepted among the accepted ones.
    pub recall: f64,
    /// Rows of the band.
    pub n: u64,
    /// Share of accepted rows.
    pub observed_rate: f64,
    /// Mean predicted probability.
    pub mean_prediction: f64,
    /// The ends of the 95 % interval (Wilson) of `observed_rate`; none without rows. Two numbers, because clients read every
    /// value of a tier as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_low_95: Option<f64>,
    /// The upper end of that interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_high_95: Option<f64>,
}

/// Rows with about the same predicted probability, and how many of them were accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CalibrationBin {
    /// Mean predicted probability.
    pub mean_predicted: f64,
    /// Share of accepted rows.
    pub fraction_of_positives: f64,
    /// Rows of the bin.
    pub count: u64,
    /// 95 % interval (Wilson) of `fraction_of_positives`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_95: Option<[f64; 2]>,
}

/// Test rows that the model accepts at each of the thresholds 0, 0.01, … 1: 101 numbers of each class. At 0 they are all rows of
/// the class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ThresholdCounts {
    /// Rejected rows that it accepts.
    pub false_positives: Vec<u64>,
    /// Accepted rows that it accepts.
    pub true_positives: Vec<u64>,
}

/// What a model is worth on rows that it was not trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EvaluationResults {
    /// The model.
    pub model_id: ModelId,
    /// When it was evaluated.
    pub evaluation_date: DateTime<Utc>,
    /// The metrics on the test rows.
    pub metrics: TrainingMetrics,
    /// Keys `reach`, `target`, `safety`.
    pub performance_by_university_tier: BTreeMap<String, TierMetrics>,
    /// The Brier score.
    pub calibration_score: f64,
    /// Predicted against observed probability.
    pub calibration_bins: Vec<CalibrationBin>,
    /// Importance of each feature, the greatest first.
    pub feature_importance: Vec<FeatureImportance>,
    /// What the importance is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importance_kind: Option<ImportanceKind>,
    /// Training rows that it was computed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importance_rows: Option<u64>,
    /// None in what older versions stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold_counts: Option<ThresholdCounts>,
    /// Addresses below the base path; null when plots were not asked for.
    pub confusion_matrix_plot: Option<String>,
    /// Address of the plot `roc_curve`.
    pub roc_curve_plot: Option<String>,
    /// Address of the plot `feature_importance`.
    pub feature_importance_plot: Option<String>,
    /// Address of the plot `calibration`.
    pub calibration_plot: Option<String>,
}

/// The data that an evaluation's plots are drawn from.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotData {
    /// The algorithm's name for people.
    pub algorithm: String,
    /// The model's id.
    pub model_id: String,
    /// Date of the evaluation, `YYYY-MM-DD`.
    pub date: String,
    /// Counts `[[tn, fp], [fn, tp]]`.
    pub confusion_matrix: [[u64; 2]; 2],
    /// Decision threshold: the model accepts at this probability or above.
    pub threshold: f64,
    /// (false positive rate, true positive rate), from (0,0) to (1,1).
    pub roc: Vec<(f64, f64)>,
    /// Area under the receiver operating characteristic.
    pub auc: f64,
    /// 95 % confidence interval of `auc`.
    pub auc_interval: Option<[f64; 2]>,
    /// Importance of each feature, the greatest first.
    pub feature_importance: Vec<FeatureImportance>,
    /// What the importance is.
    pub importance_kind: ImportanceKind,
    /// Training rows that the importance was computed on.
    pub importance_rows: u64,
    /// Predicted against observed probability.
    pub calibration: Vec<CalibrationBin>,
    /// The Brier score.
    pub brier: f64,
}

/// The data that a comparison's plot is drawn from.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonPlotData {
    /// Date of the comparison, `YYYY-MM-DD`.
    pub date: String,
    /// Held-out rows that every model was scored on.
    pub rows: u64,
    /// The models, in the order in which they are drawn.
    pub models: Vec<ComparedModel>,
}

/// A model in the plot of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedModel {
    /// Label of the model, unique within the comparison.
    pub label: String,
    /// Its scores, in the order of the plot.
    pub scores: Vec<ComparedScore>,
}

/// A score in the plot of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedScore {
    /// The name of the metric.
    pub metric: String,
    /// The score.
    pub value: f64,
    /// 95 % confidence interval of `value`.
    pub interval: Option<[f64; 2]>,
    /// Whether this score is higher than each other model's beyond chance: the 95 % interval of every difference lies
    /// above 0.
    pub highest: bool,
}

/// `POST /compare`'s body, checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelComparisonRequest {
    /// Two or more, no repeats.
    pub model_ids: Vec<String>,
    /// The metrics to compare.
    #[serde(default = "all_metrics")]
    pub metrics: Vec<TargetMetric>,
    /// Whether a plot is drawn.
    #[serde(default = "yes")]
    pub include_visualizations: bool,
}

fn all_metrics() -> Vec<TargetMetric> {
    TargetMetric::ALL.to_vec()
}
fn yes() -> bool {
    true
}

impl ModelComparisonRequest {
    /// Reads and checks a request body. Whether models with these ids exist is checked by the registry.
    ///
    /// # Errors
    /// All faults of the body at once.
    pub fn from_json(body: &Value) -> Result<Self, Faults> {
        let mut f = Fields::new(body, "a model comparison")?;
        let request = Self {
            model_ids: f.texts("model_ids", Vec::new(), Texts { items: limits::MODEL_IDS, characters: limits::ID }),
            metrics: f.words("metrics", all_metrics()),
            include_visualizations: f.flag("include_visualizations", true),
        };
        let ids = &request.model_ids;
        if ids.len() < 2 && !f.is_faulty("model_ids") {
            f.fault("model_ids", format!("`model_ids` names {} models; two or more are needed", ids.len()));
        }
        let mut seen = HashSet::new();
        for (i, id) in ids.iter().enumerate().filter(|(_, id)| !seen.insert(id.as_str())) {
            f.fault(
                &format!("model_ids/{i}"),
                format!("{} is named twice in `model_ids`", shown(&Value::from(id.as_str()))),
            );
        }
        f.finish(request)
    }
}

/// A difference a − b with its 95 % interval and two-sided p-value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Score of the one less that of the other.
    pub difference: f64,
    /// 95 % interval of the difference.
    pub interval_95: [f64; 2],
    /// Probability of such a difference, or a greater one, if there is none.
    pub p_value: f64,
}

/// McNemar's exact test of two classifiers on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct McNemarTest {
    /// Rows that only the first, or only the second model decides rightly.
    pub only_a_right: u64,
    /// Rows that only the second one classifies rightly.
    pub only_b_right: u64,
    /// Probability of such counts, or more unequal ones, if both err equally often.
    pub p_value: f64,
}

/// The tests between one pair of models, over the rows that are in both test parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PairSignificance {
    /// The first model.
    pub model_a: ModelId,
    /// The second model.
    pub model_b: ModelId,
    /// Rows that both were measured on.
    pub rows: u64,
    /// The pair in one sentence, which follows from the interval of the difference of the AUCs.
    #[serde(default)]
    pub verdict: String,
    /// Why there are no tests: fewer than 100 common rows, or one class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_comparable: Option<String>,
    /// On the decisions at each model's own threshold.
    pub mcnemar: Option<McNemarTest>,
    /// On the AUCs.
    pub delong: Option<Difference>,
    /// Paired bootstrap of the target metric, clustered by university and program.
    pub bootstrap: Option<Difference>,
}

/// Models side by side on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelComparisonResponse {
    /// The models, as they were asked for.
    pub models: Vec<ModelVersion>,
    /// Metric to model id to score, on the rows common to all test parts.
    pub metric_comparison: BTreeMap<String, BTreeMap<String, f64>>,
    /// Keys `{model_a}_vs_{model_b}`.
    pub statistical_significance: BTreeMap<String, PairSignificance>,
    /// The best model by `best_metric`.
    pub best_model_id: Option<ModelId>,
    /// The metric that the best model is chosen by.
    pub best_metric: String,
    /// Plot name to its address below the base path.
    pub comparison_plots: BTreeMap<String, String>,
    /// The comparison in one sentence, which follows from the intervals of the differences of the AUCs.
    #[serde(default)]
    pub verdict: String,
    /// Rows that are in all test parts.
    #[serde(default)]
    pub rows: u64,
    /// 95 % intervals of `metric_comparison`, by metric and model id.
    #[serde(default)]
    pub metric_intervals_95: BTreeMap<String, BTreeMap<String, [f64; 2]>>,
    /// Metric to the model that is higher than every other beyond chance; no entry where there is none.
    #[serde(default)]
    pub highest_beyond_chance: BTreeMap<String, ModelId>,
    /// What to know before one relies on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn comparison_defaults_and_aliases() {
        let r = ModelComparisonRequest::from_json(&json!({"model_ids": ["a", "b"]})).unwrap();
        assert_eq!(r.metrics, TargetMetric::ALL);
        assert!(r.include_visualizations);
        let r =
            ModelComparisonRequest::from_json(&json!({"model_ids": ["a", "b"], "metrics": ["f1", "roc_auc"]})).unwrap();
        assert_eq!(r.metrics, [TargetMetric::F1Score, TargetMetric::AucRoc]);
    }

    #[test]
    fn comparison_faults() {
        let pointers = |body: Value| -> Vec<String> {
            ModelComparisonRequest::from_json(&body).unwrap_err().0.into_iter().map(|f| f.pointer).collect()
        };
        assert_eq!(pointers(json!({})), ["/model_ids"]);
        assert_eq!(pointers(json!({"model_ids": ["a"]})), ["/model_ids"]);
        assert_eq!(pointers(json!({"model_ids": null})), ["/model_ids"]);
        assert_eq!(pointers(json!({"model_ids": ["a", 3]})), ["/model_ids/1"]);
        assert_eq!(
            pointers(json!({"model_ids": ["a", "b", "a"], "metrics": ["f1", "gini", "f1_score"], "extra": 1})),
            ["/metrics/1", "/metrics/2", "/model_ids/2", "/extra"]
        );
        let many: Vec<String> = (0..130_000).map(|i| i.to_string()).collect();
        assert_eq!(pointers(json!({"model_ids": many})), ["/model_ids"]);
        assert_eq!(pointers(json!({"model_ids": many[..101]})), ["/model_ids"]);
        ModelComparisonRequest::from_json(&json!({"model_ids": many[..100]})).unwrap();
        assert_eq!(pointers(json!({"model_ids": ["a", "b".repeat(101)]})), ["/model_ids/1"]);
        assert_eq!(pointers(json!({"model_ids": ["a", "b"], "metrics": []})), ["/metrics"]);
        assert_eq!(pointers(json!([1])), [""]);
    }
}
