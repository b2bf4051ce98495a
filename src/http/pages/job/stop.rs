//! The form that stops a job.

use super::super::form::Form;
use super::super::{PageError, State, see};
use crate::http::auth;
use crate::http::ids::job_id;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

/// Stops the job; with `keep` its best finished trial is fitted and registered first.
pub async fn stop(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let id = job_id(&state, &path).await?;
    let keeps = form.get("keep").is_some();
    state.handle.cancel(&id, auth::by(&request), keeps).await?;
    Ok(see(&format!("/jobs/{id}?done={}", if keeps { "keeping" } else { "stopping" })))
}
