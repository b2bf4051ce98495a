//! Shadow models: they also score every prediction of the serving model, and their answers are not returned.

use super::body::Body;
use super::problem::{Problem, only, readable};
use super::{State, body, ids};
use actix_web::HttpResponse;
use actix_web::web::{self, Data};
use provost_domain::fields::{Fields, Texts};
use provost_domain::limits;
use serde::Serialize;
use utoipa::ToSchema;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/shadow")
            .route(readable().to(read))
            .route(web::put().to(replace))
            .default_service(only("GET, HEAD, PUT")),
    );
}

/// The new list of shadow models.
// It is read field by field, so that every fault is named; here it is for the OpenAPI document.
#[derive(Serialize, ToSchema)]
pub struct ShadowRequest {
    pub model_ids: Vec<String>,
}

/// The shadow models and how they compare with the serving model.
///
/// For each, the share of equal outcomes and the mean difference in probability.
#[utoipa::path(get, path = "/shadow", operation_id = "get_shadow", tag = "predictions",
    responses((status = 200, description = "The report", body = serde_json::Value)))]
pub(super) async fn read(state: Data<State>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(state.handle.shadow().await?))
}

/// Replaces the shadow models.
///
/// At most three; an empty list ends the comparison. If one of the models cannot serve, nothing is changed.
#[utoipa::path(put, path = "/shadow", operation_id = "replace_shadow", tag = "predictions", request_body = ShadowRequest,
    responses(
        (status = 200, description = "The report", body = serde_json::Value),
        (status = 404, description = "No such model", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 409, description = "A model cannot serve", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "A bad body", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn replace(state: Data<State>, body: Body) -> Result<HttpResponse, Problem> {
    let document = body::json(&body)?;
    let mut fields = Fields::new(&document, "a shadow request")?;
    let names = fields.texts("model_ids", Vec::new(), Texts { items: limits::SHADOWS, characters: limits::ID });
    if document.get("model_ids").is_none() {
        fields.fault("model_ids", "`model_ids` is missing; a list of model ids is needed");
    }
    let names = fields.finish(names)?;
    let mut models = Vec::new();
    for name in &names {
        models.push(ids::model_id(&state, name).await?);
    }
    Ok(HttpResponse::Ok().json(state.handle.set_shadow(models).await?))
}
