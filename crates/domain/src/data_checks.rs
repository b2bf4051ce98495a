//! The results of the checks of training data, as clients read them: findings for a person to review.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How well one feature alone tells accepted from rejected rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FeatureAuc {
    /// The feature.
    pub feature: String,
    /// Out-of-fold area under the ROC curve of a model of this feature alone.
    pub auc_roc: f64,
}

/// A feature, or several that go together, that says more about the outcome than is plausible.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LeakFinding {
    /// One feature, or a group whose members go together.
    pub features: Vec<String>,
    /// Out-of-fold AUC of a model of these alone.
    pub auc_roc: f64,
    /// Out-of-fold AUC of a model of all other features; null where there are none.
    pub others_auc_roc: Option<f64>,
    /// AUC of all features less that of the others: what these add.
    pub gain: Option<f64>,
    /// Why it is not plausible.
    pub reason: String,
}

/// Two rows of different applicants that are nearly the same person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NearDuplicate {
    /// The one point.
    pub data_point_id: String,
    /// The other point.
    pub other_data_point_id: String,
    /// Features of the applicant that are present and equal.
    pub equal_features: u64,
    /// The one that differs, a little; null where none does.
    pub differs_in: Option<String>,
    /// Pairs of rows that would agree like this by chance, if features were independent.
    pub expected_by_chance: f64,
    /// Whether both have the same outcome.
    pub same_outcome: bool,
}

/// A row whose outcome models that have not seen it contradict with confidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ContradictedLabel {
    /// The point.
    pub data_point_id: String,
    /// Whether it was accepted.
    pub accepted: bool,
    /// The models' mean out-of-fold probability that it was.
    pub probability: f64,
}

/// What confident learning (Northcutt, Jiang and Chuang 2021) says of the labels.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct LabelChecks {
    /// Rows that confidently look rejected and accepted: those that are rejected first, then those that are accepted.
    pub confident_joint: [[u64; 2]; 2],
    /// Labels that are wrong by that estimate. Chance in decisions counts as errors, too.
    pub estimated_errors: f64,
    /// Rows that every model contradicts with confidence.
    pub contradicted: u64,
    /// The most confidently contradicted ones.
    pub rows: Vec<ContradictedLabel>,
}

/// What the checks found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct DataChecks {
    /// Rows with an outcome.
    pub rows: u64,
    /// Rows that models were fitted and tested on.
    pub modelled_rows: u64,
    /// Out-of-fold AUC of a model of all features; null where there are too few rows.
    pub auc_roc: Option<f64>,
    /// Every feature, the most telling first.
    pub features: Vec<FeatureAuc>,
    /// Features that say more than is plausible.
    pub leaks: Vec<LeakFinding>,
    /// Fields of programs that vary within a program and year, and may have been derived from outcomes.
    pub program_fields: Vec<String>,
    /// How many pairs of nearly equal applicants there are.
    pub near_duplicate_pairs: u64,
    /// The least likely of them.
    pub near_duplicates: Vec<NearDuplicate>,
    /// What is said of the labels.
    pub labels: LabelChecks,
    /// What was not looked at, and why.
    pub warnings: Vec<String>,
}
