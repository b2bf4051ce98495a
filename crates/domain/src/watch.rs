//! What the watching of a model finds: drift of the data and of the predictions, and the performance that is expected without
//! outcomes, as clients read both.

use crate::ids::ModelId;
use crate::words::word_enum;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// In [`DriftWindow::features`]: the calibrated probability that the model answered, as a numeric feature.
pub const PROBABILITY: &str = "probability";
/// In [`DriftWindow::features`]: whether the model accepts, as a share of rows.
pub const SHARE_ACCEPTED: &str = "share_accepted";

word_enum!(
/// Of what a window consists. `predictions`: the applications that were predicted. `points`: the points that were recorded.
WindowKind {
    Predictions = "predictions",
    Points = "points",
});

word_enum!(
/// How the values of a feature are compared with the reference. `kolmogorov_smirnov`: numeric features; the p-value is of the
/// Kolmogorov-Smirnov and the Wasserstein distance together. `chi_squared`: categories, against the reference's proportions.
/// `proportion`: the share of rows that have a property.
DriftTest {
    KolmogorovSmirnov = "kolmogorov_smirnov",
    ChiSquared = "chi_squared",
    Proportion = "proportion",
});

/// An estimate with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
}

/// What windows are compared with: rows of the active model's training snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DriftReference {
    /// Rows of the reference.
    pub rows: u64,
    /// The first application year among the rows; null where no row has a year.
    pub from: Option<i32>,
    /// The last application year among the rows; null where no row has a year.
    pub to: Option<i32>,
}

/// How the share of missing values of a feature has changed, by the two-proportion statistic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MissingDrift {
    /// Share of the reference's rows without a value, 0 to 1.
    pub reference: f64,
    /// Share of the window's rows without a value, 0 to 1.
    pub window: f64,
    /// Absolute difference of the two shares.
    pub effect: f64,
    /// Effects up to this are never an alarm: a share of rows.
    pub floor: f64,
    /// By permuting applicants between window and reference; null where nothing can be permuted.
    pub p: Option<f64>,
    /// The p-value after Benjamini and Hochberg's correction over all tests of the window.
    pub q: Option<f64>,
    /// Whether q is at most 0.05 and the effect above the floor, in this window.
    pub over: bool,
    /// Whether this was so in this window and in the one before.
    pub alarm: bool,
}

/// One feature of a window compared with the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FeatureDrift {
    /// The feature; [`PROBABILITY`] and [`SHARE_ACCEPTED`] stand for the predictions.
    pub feature: String,
    /// How its values are compared.
    pub test: DriftTest,
    /// `kolmogorov_smirnov`: the largest difference of the two distribution functions, 0 to 1. `chi_squared`: Pearson's
    /// statistic against the reference's proportions, over the categories that the reference has. `proportion`: z of the two
    /// shares. Null where either side has no value.
    pub statistic: Option<f64>,
    /// `kolmogorov_smirnov`: the Wasserstein distance (order 1) in standard deviations of the reference, or the share of the
    /// window's values that differ from the only value of the reference. `chi_squared`: the largest change of a category's
    /// proportion. `proportion`: the change of the share. Never negative; null where either side has no value.
    pub effect: Option<f64>,
    /// Effects up to this are never an alarm, in the effect's unit: the larger of 0.1 of a deviation or 0.05 of a proportion
    /// and the spread between the cycles of the reference.
    pub floor: f64,
    /// By permuting applicants between window and reference; null where nothing can be permuted.
    pub p: Option<f64>,
    /// The p-value after Benjamini and Hochberg's correction over all tests of the window.
    pub q: Option<f64>,
    /// The share of missing values.
    pub missing: MissingDrift,
    /// `chi_squared`: the share of the window's values whose category the reference does not have. Otherwise null.
    pub new_categories: Option<f64>,
    /// Whether q is at most 0.05 and the effect above the floor, in this window.
    pub over: bool,
    /// Whether the values or the share of missing values were over in this window and in the one before.
    pub alarm: bool,
}

/// A window compared with the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DriftWindow {
    /// The window's id.
    pub id: String,
    /// Of what it consists.
    pub kind: WindowKind,
    /// The time of its first row.
    pub from: DateTime<Utc>,
    /// The time of its last row.
    pub to: DateTime<Utc>,
    /// Rows of the window.
    pub rows: u64,
    /// Rows of the window that p-values and the domain classifier are computed on: a large window is sampled, by whole
    /// applicants. Statistics and effects are of all rows.
    pub rows_tested: u64,
    /// Rows of the reference that p-values and the domain classifier are computed on.
    pub reference_rows_tested: u64,
    /// Permutations of the p-value that took the most; 0 where nothing can be permuted.
    pub permutations: u32,
    /// Whether a feature is over in this window and in the one before.
    pub alarm: bool,
    /// Area under the ROC curve of a classifier that tells the window's rows from the reference's by their features, out of
    /// fold: 0.5 where they are alike. Null with too few rows.
    pub domain_auc: Option<Interval>,
    /// The least share of the predictions that would have to move for their distribution to be the reference's: the
    /// Kolmogorov-Smirnov distance of the probabilities. Null without predictions.
    pub predictions_moved: Option<f64>,
    /// The model's features in their order, then [`PROBABILITY`] and [`SHARE_ACCEPTED`] where there are predictions.
    pub features: Vec<FeatureDrift>,
}

/// What has changed since the active model's training, as `GET /drift` answers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DriftReport {
    /// The active model.
    pub model_id: ModelId,
    /// What windows are compared with.
    pub reference: DriftReference,
    /// Whether the newest window of a kind has an alarm.
    pub alarm: bool,
    /// The start of the first window since which the alarm's features have been over without a break; null without an alarm.
    pub since: Option<DateTime<Utc>>,
    /// The windows, the newest first.
    pub windows: Vec<DriftWindow>,
}

/// The metrics of a window's predictions; each is null where it is undefined, as the AUC of one class.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct PerformanceMetrics {
    /// Area under the ROC curve.
    pub auc_roc: Option<Interval>,
    /// Harmonic mean of precision and recall, at the model's threshold.
    pub f1_score: Option<Interval>,
    /// Share of rows whose outcome is predicted, at the model's threshold.
    pub accuracy: Option<Interval>,
    /// Mean squared error of the probabilities.
    pub brier_score: Option<Interval>,
}

/// What a window's predictions are worth: as the probabilities let expect, and as the outcomes say where they have come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PerformanceWindow {
    /// The window's id.
    pub id: String,
    /// The time of its first row.
    pub from: DateTime<Utc>,
    /// The time of its last row.
    pub to: DateTime<Utc>,
    /// Rows of the window.
    pub rows: u64,
    /// Rows of the window whose outcome is known.
    pub outcomes: u64,
    /// Expected from the calibrated probabilities alone (CBPE). An interval is for the value that the window's outcomes will
    /// realise, so that it is wider where rows are few.
    pub estimated: PerformanceMetrics,
    /// On the rows whose outcome is known; null without any.
    pub realised: Option<PerformanceMetrics>,
    /// Whether the outcomes agree with the probabilities, so that estimates may be believed: by the window's own outcomes, or
    /// by those of the newest windows before it where it has too few. Null where these have too few, too.
    pub calibration_holds: Option<bool>,
}

/// The performance of the active model's predictions, as `GET /performance` answers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PerformanceReport {
    /// The active model.
    pub model_id: ModelId,
    /// The windows, the newest first.
    pub windows: Vec<PerformanceWindow>,
}
