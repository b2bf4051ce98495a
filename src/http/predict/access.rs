//! Checks which options a caller may use, and chooses the model.

use crate::http::code::Code;
use crate::http::problem::Problem;
use crate::http::{State, auth, ids};
use crate::settings::Predict;
use actix_web::HttpRequest;
use provost_actors::serving::{RequestOptions, ServedModel};
use provost_domain::key::Role;
use std::sync::Arc;

/// Refuses options that the caller's role may not use: a client gets plain answers of the active model, unless the
/// settings `predict.client_*` allow more. Clients never get rows of other applicants, whatever the settings.
///
/// # Errors
/// 403 that names the option.
pub fn check(request: &HttpRequest, settings: &Predict, options: &RequestOptions) -> Result<(), Problem> {
    if auth::role(request) != Some(Role::Client) {
        return Ok(());
    }
    if options.similar > 0 {
        return Err(Problem::new(Code::RoleTooLow, "the role client may not ask for `similar`; viewer is needed"));
    }
    let refused = [
        ("model_id", options.model_id.is_some() && !settings.client_model_id),
        ("counterfactual", options.counterfactual && !settings.client_counterfactual),
    ];
    match refused.into_iter().find(|(_, refused)| *refused) {
        Some((option, _)) => {
            let detail =
                format!("the role client may not ask for `{option}`; the setting predict.client_{option} allows it");
            Err(Problem::new(Code::RoleTooLow, detail))
        }
        None => Ok(()),
    }
}

/// The model that answers: the named one, or the active one.
///
/// # Errors
/// 404 for an unknown model, 409 where none is active or the model cannot serve.
pub async fn model(state: &State, name: Option<&str>) -> Result<Arc<ServedModel>, Problem> {
    let id = match name {
        Some(name) => Some(ids::model_id(state, name).await?),
        None => None,
    };
    Ok(state.handle.pin(id.as_ref()).await?)
}
