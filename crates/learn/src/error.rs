//! What can go wrong in learning.

use provost_domain::limits::GRID_CANDIDATES;
use provost_domain::{Algorithm, Faults};
use provost_predict::control::StopReason;
use provost_predict::error::PredictError;

/// Why nothing was learnt.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// The caller's token was set.
    #[error("stopped: {0}")]
    Stopped(StopReason),
    /// Invalid parameters, with all faults at once.
    #[error("{0}")]
    Params(Faults),
    /// A grid search over too many candidates; `u128::MAX` stands for any larger number.
    #[error(
        "the grid of {algorithm} has {candidates} candidates; `grid_search` is allowed for at most {GRID_CANDIDATES}: shorten \
         its lists, or use `random_search` or `bayesian`, which draw from a grid of any size"
    )]
    SearchSpace {
        /// The algorithm whose grid it is.
        algorithm: Algorithm,
        /// Number of candidates.
        candidates: u128,
    },
    /// Data that no model can be fitted on; the text names the cause.
    #[error("{0}")]
    Data(String),
    /// An artifact that does not decode: truncated, altered, of a newer format.
    #[error("model artifact: {0}")]
    Artifact(String),
    /// A finished trial could not be recorded.
    #[error("a trial could not be recorded: {0}")]
    Journal(String),
    /// An error of the XGBoost library, in its own words.
    #[error("xgboost: {0}")]
    Xgboost(String),
}

impl From<PredictError> for LearnError {
    fn from(error: PredictError) -> Self {
        match error {
            PredictError::Stopped(reason) => Self::Stopped(reason),
            PredictError::Data(text) => Self::Data(text),
            PredictError::Artifact(text) => Self::Artifact(text),
        }
    }
}
