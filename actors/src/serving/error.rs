//! Why a prediction is not made.

use crate::error::{RegistryError, Unreachable};
use crate::pool::Busy;
use provost_domain::{ModelId, limits};
use provost_store::StoreError;

/// Why a request has no predictions. Each has a stable code.
#[derive(Debug, thiserror::Error)]
pub enum PredictionError {
    #[error("no model is active")]
    NoActiveModel,
    #[error("no model {0}")]
    UnknownModel(ModelId),
    /// The model will not answer, however often it is asked.
    #[error("model {model} cannot serve: {why}")]
    CannotServe { model: ModelId, why: String },
    /// The active model is being opened.
    #[error("the active model is being opened; try again in a moment")]
    Opening,
    #[error("at most {} models may be in the shadow", limits::SHADOWS)]
    TooManyShadows,
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

impl PredictionError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            PredictionError::NoActiveModel => "no_active_model",
            PredictionError::UnknownModel(_) => "unknown_model",
            PredictionError::CannotServe { .. } => "cannot_serve",
            PredictionError::Opening => "opening",
            PredictionError::TooManyShadows => "too_many_models",
            PredictionError::Busy(_) => "busy",
            PredictionError::Store(_) => "store",
            PredictionError::Unreachable(_) => "unavailable",
        }
    }

    /// Whether a later try may succeed.
    pub fn may_pass(&self) -> bool {
        match self {
            PredictionError::Store(e) => e.may_pass(),
            PredictionError::Busy(_) | PredictionError::Opening => true,
            // What panicked panics again.
            PredictionError::Unreachable(e) => !matches!(e, Unreachable::Panicked(_)),
            PredictionError::NoActiveModel
            | PredictionError::UnknownModel(_)
            | PredictionError::CannotServe { .. }
            | PredictionError::TooManyShadows => false,
        }
    }
}

impl From<PredictionError> for RegistryError {
    fn from(e: PredictionError) -> Self {
        match e {
            PredictionError::CannotServe { model, why } => RegistryError::CannotServe { model, why },
            PredictionError::UnknownModel(id) => RegistryError::NotFound(id),
            PredictionError::Busy(e) => RegistryError::Busy(e),
            PredictionError::Store(e) => RegistryError::Store(e),
            PredictionError::Unreachable(e) => RegistryError::Unreachable(e),
            e @ (PredictionError::NoActiveModel | PredictionError::Opening | PredictionError::TooManyShadows) => {
                RegistryError::Invalid(e.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_panicked_is_not_tried_again() {
        assert!(PredictionError::Opening.may_pass());
        assert!(PredictionError::from(Unreachable::Restarted("serving".to_owned())).may_pass());
        assert!(!PredictionError::from(Unreachable::Panicked("a bad row".to_owned())).may_pass());
    }
}
