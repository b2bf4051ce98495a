//! The parts of an answer, as clients read them.

use crate::error::PredictError;
use crate::outcome::Outcome;
use serde::Serialize;
use utoipa::ToSchema;

/// What a model says of one row. Members that an older artifact cannot fill are None.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Prediction {
    /// Of acceptance, calibrated: the number that evaluation, gate and plots use.
    pub probability: f64,
    /// The lower of the Venn-Abers pair, or the probability where that is lower.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability_low: Option<f64>,
    /// The upper of the Venn-Abers pair, or the probability where that is higher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability_high: Option<f64>,
    /// At the model's threshold.
    pub predicted_outcome: Outcome,
    /// The conformal set: either, both or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plausible_outcomes: Option<Vec<Outcome>>,
    /// What the model had to do without.
    pub warnings: Vec<Warning>,
}

/// Something that makes an answer less sure; never an error.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Warning {
    /// `impossible_value` (not used), `missing_value`, `unknown_category` or `beyond_training_range`.
    pub code: &'static str,
    /// Where in the application the value is, or would be; the feature for a row of features.
    pub pointer: String,
    /// In words.
    pub message: String,
}

/// Why a row got no answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowFault {
    /// `bad_width` or `bad_value`.
    pub code: &'static str,
    /// The feature; empty for the whole row.
    pub pointer: String,
    /// The fault in words.
    pub message: String,
}

impl std::fmt::Display for RowFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// Shapley values of the probability that was answered; `base` and all contributions sum to it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Explanation {
    /// The mean probability of the background rows.
    pub base: f64,
    /// One per group of features, in the order of the groups.
    pub contributions: Vec<Contribution>,
}

/// The share of one group of features.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Contribution {
    /// The group; a feature's name where it has one feature.
    pub feature: String,
    /// The row's value; an object of values where the group has several features.
    pub value: serde_json::Value,
    /// What it adds to the probability.
    pub contribution: f64,
}

/// A changed application that the model would accept.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Counterfactual {
    /// Of the changed application.
    pub probability: f64,
    /// By feature.
    pub changes: Vec<Change>,
}

/// A change of one feature.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Change {
    /// Its name.
    pub feature: String,
    /// None: it was missing.
    pub from: Option<f64>,
    /// Within the training range.
    pub to: f64,
}

/// What an opened model can answer beside the probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Abilities {
    /// Whether answers have `probability_low` and `probability_high`.
    pub intervals: bool,
    /// Whether answers have `plausible_outcomes`.
    pub sets: bool,
    /// Whether there are explanations.
    pub explanations: bool,
    /// Whether there are counterfactuals, and warnings by training ranges and categories.
    pub ranges: bool,
}

/// Why a model was not opened for serving.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The artifact does not decode.
    #[error(transparent)]
    Artifact(#[from] PredictError),
    /// The model needs a column that no application has.
    #[error("the model was trained on the column {0}, which applications do not have")]
    Features(String),
}

/// Why an explanation or a counterfactual is not available.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unavailable {
    /// The artifact is older than the format that stores the data this answer needs.
    #[error("this model was trained before models kept what this needs; train it again to have it")]
    OlderArtifact,
    /// There are no background rows, because training had too few different rows.
    #[error("this model has no background rows: its training rows were too few or too alike")]
    NoBackground,
    /// The row is accepted as it is.
    #[error("the model accepts this application as it is")]
    AlreadyAccepted,
    /// The model uses none of the changeable features.
    #[error("the model uses none of the features that may be changed")]
    NothingChangeable,
    /// No change that was tried leads to an acceptance.
    #[error("no change of the changeable features within their training range turns the answer")]
    NoneFound,
    /// The row itself is at fault.
    #[error("{0}")]
    BadRow(RowFault),
}

impl Unavailable {
    /// The code of the reason for clients, which does not change between versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OlderArtifact => "older_artifact",
            Self::NoBackground => "no_background",
            Self::AlreadyAccepted => "already_accepted",
            Self::NothingChangeable => "nothing_changeable",
            Self::NoneFound => "none_found",
            Self::BadRow(fault) => fault.code,
        }
    }
}
