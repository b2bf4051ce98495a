//! The two outcomes that a model tells apart, in the data's own words.

use serde::Serialize;
use utoipa::ToSchema;

/// What a model predicts of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Class 0.
    Rejected,
    /// Class 1.
    Accepted,
}

impl Outcome {
    /// A probability of at least `threshold` is an acceptance.
    pub fn at(probability: f64, threshold: f64) -> Self {
        if probability >= threshold { Self::Accepted } else { Self::Rejected }
    }

    /// The data's own word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Accepted => "accepted",
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
