//! The prediction log: each prediction with its time and model, and the outcome once it is known.

use super::code::Code;
use super::page::{Query, cursor_fault, respond};
use super::problem::{Problem, only, readable};
use super::{State, ids};
use actix_web::http::header::HeaderName;
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use provost_domain::check::brief;
use provost_domain::limits;
use provost_domain::prediction::PredictionRecord;
use provost_domain::record::Decision;
use provost_predict::serving::Explanation;
use provost_store::roles::predictions::PredictionFilter;
use serde::Serialize;
use utoipa::ToSchema;

const SAMPLE: HeaderName = HeaderName::from_static("prediction-log-sample");

pub fn routes(config: &mut web::ServiceConfig) {
    let get = |path: &str| web::resource(path.to_owned()).default_service(only("GET, HEAD"));
    config
        .service(get("/predictions").route(readable().to(list)))
        .service(get("/predictions/{prediction_id}").route(readable().to(read)));
}

/// Predictions, newest first.
///
/// Each prediction with its features, and the outcome if it is known by now. A page has at most `limit` predictions;
/// the `Link` header leads to the next one. Names, nationality and gender are never logged.
#[utoipa::path(get, path = "/predictions", operation_id = "list_predictions", tag = "predictions",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "From the `Link` header"),
        ("model_id" = Option<String>, Query, description = "Only predictions of this model"),
        ("from" = Option<DateTime<Utc>>, Query, description = "Only predictions made at this time or later"),
        ("to" = Option<DateTime<Utc>>, Query, description = "Only predictions made before this time"),
        ("outcome" = Option<String>, Query, description = "Only predictions with this real outcome: accepted or rejected", max_length = 8)),
    responses(
        (status = 200, description = "Predictions", body = Vec<PredictionRecord>,
            headers(("Prediction-Log-Sample" = f64, description = "Share of the rows of large batches that is logged; 0 where nothing is"))),
        (status = 404, description = "No such model", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "Bad parameters", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn list(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let (limit, cursor) = (query.limit(), query.cursor());
    let model = query.read("model_id", None, |text| Ok(Some(text.to_owned())));
    let time = |text: &str| match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(Some(time.with_timezone(&Utc))),
        Err(_) => Err("a time such as 2026-11-30T08:00:00Z is allowed".to_owned()),
    };
    let (from, to) = (query.read("from", None, time), query.read("to", None, time));
    let outcome = query.read("outcome", None, |text| match Decision::parse(text) {
        Some(outcome) if outcome.label().is_some() => Ok(Some(outcome)),
        _ => Err("accepted or rejected is allowed".to_owned()),
    });
    query.check()?;
    let model_id = match model {
        Some(name) => Some(ids::model_id(&state, &name).await?),
        None => None,
    };
    let filter = PredictionFilter { model_id, from, to, outcome };
    let page = state.handle.store().predictions(filter, cursor.as_deref(), limit).await.map_err(cursor_fault)?;
    Ok(sampled(&state, respond(&state, &request, page).await?))
}

/// Says how much of large batches is in the log.
fn sampled(state: &State, mut answer: HttpResponse) -> HttpResponse {
    let share = if state.predict.log { state.predict.log_sample } else { 0.0 };
    if let Ok(share) = share.to_string().parse() {
        answer.headers_mut().insert(SAMPLE, share);
    }
    answer
}

/// A logged prediction with its explanation.
#[derive(Serialize, ToSchema)]
pub struct ExplainedPrediction {
    #[serde(flatten)]
    pub prediction: PredictionRecord,
    /// Shapley values of the probability; null where there are none, and `explanation_code` says why.
    pub explanation: Option<Explanation>,
    /// `model_deleted`, `cannot_serve`, `features_not_logged`, `older_artifact` or `no_background`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation_code: Option<&'static str>,
}

/// One prediction.
///
/// The logged prediction, with the outcome if it is known by now, and an explanation computed again by the model that
/// made it. If that model no longer exists, `explanation` is null and `explanation_code` is `model_deleted`.
#[utoipa::path(get, path = "/predictions/{prediction_id}", operation_id = "get_prediction", tag = "predictions",
    params(("prediction_id" = String, Path, description = "The prediction's id, as `POST /predict` answered it")),
    responses(
        (status = 200, description = "The prediction", body = ExplainedPrediction,
            headers(("Prediction-Log-Sample" = f64, description = "Share of the rows of large batches that is logged; 0 where nothing is"))),
        (status = 404, description = "No such prediction", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn read(state: Data<State>, path: Path<String>) -> Result<HttpResponse, Problem> {
    let known = if limits::fits(&path, limits::ID) { state.handle.store().prediction(&path).await? } else { None };
    let missing = || Problem::new(Code::PredictionNotFound, format!("there is no prediction {}", brief(&path, 80)));
    let prediction = known.ok_or_else(missing)?;
    let (explanation, explanation_code) = match state.handle.explain_logged(&prediction).await? {
        Ok(explanation) => (Some(explanation), None),
        Err(why) => (None, Some(why.code())),
    };
    let answer = HttpResponse::Ok().json(ExplainedPrediction { prediction, explanation, explanation_code });
    Ok(sampled(&state, answer))
}
