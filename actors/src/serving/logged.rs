//! Predictions of the log, explained anew.

use super::error::PredictionError;
use super::service::PredictionService;
use provost_domain::prediction::PredictionRecord;
use provost_predict::serving::Explanation;
use std::collections::HashMap;

impl PredictionService {
    /// The explanation of a logged prediction by the model that made it, from the features that were logged; the code of a reason
    /// where there is none.
    pub async fn explain_logged(
        &self,
        record: &PredictionRecord,
    ) -> Result<Result<Explanation, &'static str>, PredictionError> {
        let model = match self.pin(Some(&record.model_id)).await {
            Err(PredictionError::UnknownModel(_)) => return Ok(Err("model_deleted")),
            Err(e @ PredictionError::CannotServe { .. }) => return Ok(Err(e.code())),
            found => found?,
        };
        let names = record.features.names().iter().map(String::as_str);
        let logged: HashMap<&str, f64> = names.zip(record.features.values().iter().copied()).collect();
        let value = |name: &String| logged.get(name.as_str()).map(|value| *value as f32);
        let Some(values) = model.model.feature_names().iter().map(value).collect::<Option<Vec<f32>>>() else {
            return Ok(Err("features_not_logged"));
        };
        let (explained, _) = self.pool.run(move |_| model.model.explain_features(&values)).await?;
        Ok(explained.map_err(|why| why.code()))
    }
}
