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
use std::time::{Duration, Instant};

/// A model in memory that answers.
pub struct ServedModel {
    pub model_id: ModelId,
    pub algorithm: Algorithm,
    pub opened_at: DateTime<Utc>,
    /// Rows that are answered on the caller's thread, which may be one of the HTTP server's.
    pub on_the_spot: usize,
    pub model: ServingModel,
}

/// Rows that are answered on the caller's thread at most: a row takes some microseconds, and the way to the pool and back as
/// long as many.
const ON_THE_SPOT: usize = 32;
/// What answering them may take.
const SPOT_TIME: Duration = Duration::from_micros(500);

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
        let opened = blocking(move || -> Result<Result<(ServingModel, usize), String>, PredictionError> {
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
        let (model, on_the_spot) = opened.await?.map_err(cannot)?;
        let (model_id, algorithm) = (version.model_id.clone(), version.algorithm);
        Ok(Arc::new(ServedModel { model_id, algorithm, opened_at: now, on_the_spot, model }))
    }
}

/// Has the model answer for an application of which nothing is known: code and tables are in memory afterwards, and what
/// answers no probability serves nobody. Also answers how many rows it answers in [`SPOT_TIME`].
fn warmed(model: ServingModel) -> Result<(ServingModel, usize), String> {
    let nothing = serde_json::json!({ "profile": {}, "program": {} });
    let nothing = Application::from_value(nothing).map_err(|e| format!("the trial application is refused: {e}"))?;
    let rows = vec![nothing; ON_THE_SPOT];
    match model.predict(&rows[..1], DEFAULT_COVERAGE).as_slice() {
        [answer] if (0.0..=1.0).contains(&answer.probability) => {}
        answers => return Err(format!("its answer to a trial application is no probability: {answers:?}")),
    }
    // Real time, and the best of a few: other work may come between.
    let time = |_| {
        let began = Instant::now();
        std::hint::black_box(model.predict(&rows, DEFAULT_COVERAGE));
        began.elapsed()
    };
    let best = (0..3).map(time).min().unwrap_or_default();
    Ok((model, on_the_spot(best)))
}

/// Of how long [`ON_THE_SPOT`] rows take; one at least.
fn on_the_spot(took: Duration) -> usize {
    let fit = SPOT_TIME.as_nanos() * ON_THE_SPOT as u128 / took.as_nanos().max(1);
    usize::try_from(fit).unwrap_or(ON_THE_SPOT).clamp(1, ON_THE_SPOT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_model_answers_fewer_rows_on_the_callers_thread() {
        let fit = |micros| on_the_spot(Duration::from_micros(micros));
        assert_eq!([fit(0), fit(100), fit(500), fit(1_000), fit(16_000), fit(1_000_000)], [32, 32, 32, 16, 1, 1]);
    }
}
