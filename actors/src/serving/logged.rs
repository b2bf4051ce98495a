//! Predictions of the log, explained anew.

use super::error::PredictionError;
use super::service::PredictionService;
use provost_domain::prediction::PredictionRecord;
use provost_predict::serving::{Explanation, Unavailable};
use std::collections::HashMap;

/// Why a logged prediction is not explained.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotExplained {
    #[error("The model that made this prediction is no longer there.")]
    ModelDeleted,
    #[error("The model that made this prediction cannot be opened: {0}")]
    CannotServe(String),
    #[error("The log does not have every feature that the model sees.")]
    FeaturesNotLogged,
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl NotExplained {
    /// Stable, for clients.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ModelDeleted => "model_deleted",
            Self::CannotServe(_) => "cannot_serve",
            Self::FeaturesNotLogged => "features_not_logged",
            Self::Unavailable(why) => why.code(),
        }
    }
}

impl PredictionService {
    /// The explanation of a logged prediction by the model that made it, from the features that were logged.
    pub async fn explain_logged(
        &self,
        record: &PredictionRecord,
    ) -> Result<Result<Explanation, NotExplained>, PredictionError> {
        let model = match self.pin(Some(&record.model_id)).await {
            Err(PredictionError::UnknownModel(_)) => return Ok(Err(NotExplained::ModelDeleted)),
            Err(PredictionError::CannotServe { why, .. }) => return Ok(Err(NotExplained::CannotServe(why))),
            found => found?,
        };
        let names = record.features.names().iter().map(String::as_str);
        let logged: HashMap<&str, f64> = names.zip(record.features.values().iter().copied()).collect();
        let value = |name: &String| logged.get(name.as_str()).map(|value| *value as f32);
        let Some(values) = model.model.feature_names().iter().map(value).collect::<Option<Vec<f32>>>() else {
            return Ok(Err(NotExplained::FeaturesNotLogged));
        };
        let explained = self.pool.run(move || model.model.explain_features(&values)).await?.result;
        Ok(explained.map_err(NotExplained::from))
    }
}
