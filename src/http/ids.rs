//! Ids in requests: those of this service and those of the service that it replaced.

use super::State;
use super::problem::Problem;
use provost_domain::{JobId, ModelId};

/// The most characters that an id of the replaced service has.
const OLD_ID: usize = 100;

/// The model named in a path or a body. Ids of the replaced service are looked up in the store.
///
/// # Errors
/// 404 if no model has this id.
pub async fn model_id(state: &State, name: &str) -> Result<ModelId, Problem> {
    if let Ok(id) = ModelId::parse(name) {
        return Ok(id);
    }
    let known = if name.len() <= OLD_ID { state.handle.store().model_named(name).await? } else { None };
    known.ok_or_else(|| Problem::not_found("model", &name.chars().take(80).collect::<String>()))
}

/// The job named in a path. Ids of the replaced service are looked up in the store.
///
/// # Errors
/// 404 if no job has this id.
pub async fn job_id(state: &State, path: &str) -> Result<JobId, Problem> {
    if let Ok(id) = JobId::parse(path) {
        return Ok(id);
    }
    let known = if path.len() <= OLD_ID { state.handle.store().job_named(path).await? } else { None };
    known.ok_or_else(|| Problem::not_found("job", &path.chars().take(80).collect::<String>()))
}
