//! A model in memory that answers, and how it is opened.

use super::error::PredictionError;
use crate::blocking::blocking;
use chrono::{DateTime, Utc};
use provost_domain::features::FeatureTables;
use provost_domain::{Algorithm, ModelId, ModelVersion};
use provost_predict::application::Application;
use provost_predict::serving::{DEFAULT_COVERAGE, ServingModel};
use provost_store::{Artifacts, StoreError};
use std::fmt;
use std::sync::Arc;

/// A model in memory that answers.
pub struct ServedModel {
    pub model_id: ModelId,
    pub algorithm: Algorithm,
    pub opened_at: DateTime<Utc>,
    pub model: ServingModel,
}

impl fmt::Debug for ServedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServedModel({})", self.model_id)
    }
}

/// Opens models: what it takes to make an artifact answer.
#[derive(Clone)]
pub struct ModelOpener {
    pub artifacts: Artifacts,
    pub tables: FeatureTables,
}

impl ModelOpener {
    /// Reads the artifact, checks its hash, opens it and has it answer once.
    ///
    /// # Errors
    /// `CannotServe` where another try would fail too: a model of the replaced service, a damaged artifact, features that no
    /// application has.
    pub async fn open(&self, version: &ModelVersion, now: DateTime<Utc>) -> Result<Arc<ServedModel>, PredictionError> {
        let cannot = |why: String| PredictionError::CannotServe { model: version.model_id.clone(), why };
        if !version.has_artifact() {
            return Err(cannot("it is a record of the replaced service and has no artifact".to_owned()));
        }
        let (artifacts, tables, sha256) = (self.artifacts.clone(), self.tables.clone(), version.model_sha256.clone());
        let opened = blocking(move || -> Result<Result<ServingModel, String>, PredictionError> {
            let bytes = match artifacts.get(&sha256) {
                Ok(bytes) => bytes,
                Err(e) if e.may_pass() => return Err(e.into()),
                Err(StoreError::NotFound { .. }) => {
                    return Ok(Err(format!("artifact {sha256} is corrupt: its file is missing")));
                }
                Err(e) => return Ok(Err(e.to_string())),
            };
            Ok(ServingModel::open(&bytes, tables).map_err(|e| e.to_string()).and_then(warmed))
        });
        let model = opened.await?.map_err(cannot)?;
        let (model_id, algorithm) = (version.model_id.clone(), version.algorithm);
        Ok(Arc::new(ServedModel { model_id, algorithm, opened_at: now, model }))
    }
}

/// Has the model answer for an application of which nothing is known: code and tables are in memory afterwards, and what
/// answers no probability serves nobody.
fn warmed(model: ServingModel) -> Result<ServingModel, String> {
    let nothing = serde_json::json!({ "profile": {}, "program": {} });
    let nothing = Application::from_value(nothing).map_err(|e| format!("the trial application is refused: {e}"))?;
    match model.predict(&[nothing], DEFAULT_COVERAGE).as_slice() {
        [answer] if (0.0..=1.0).contains(&answer.probability) => Ok(model),
        answers => Err(format!("its answer to a trial application is no probability: {answers:?}")),
    }
}
