//! Errors of reading and using a fitted model.

use crate::stop::StopReason;

/// Why a model was not read, or rows were not predicted.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// The caller's [`Token`](crate::control::Token) was set.
    #[error("stopped: {0}")]
    Stopped(StopReason),
    /// Rows or columns that the model cannot predict; the text names the cause.
    #[error("{0}")]
    Data(String),
    /// An artifact that does not decode: truncated, altered, or of a newer format.
    #[error("model artifact: {0}")]
    Artifact(String),
}
