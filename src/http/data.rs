//! The quality of the data that a configuration selects.

use super::body::Body;
use super::jobs::configuration;
use super::problem::{Problem, only};
use super::{State, idempotency};
use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use provost_domain::TrainingConfig;
use provost_domain::data_checks::DataChecks;
use provost_domain::quality::DataQualityReport;
use serde::{Serialize, Serializer};
use std::sync::Arc;

/// A report shared with the cache.
struct Report(Arc<DataQualityReport>);

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/data-quality").route(web::post().to(report)).default_service(only("POST")))
        .service(web::resource("/data-checks").route(web::post().to(check)).default_service(only("POST")));
}

/// The quality report of the data that a training configuration selects.
///
/// `POST /train` with the same body is refused if `passes_quality_check` is false. Nothing is trained and nothing is stored.
#[utoipa::path(post, path = "/data-quality", operation_id = "check_data_quality", tag = "data", request_body = TrainingConfig,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "The report", body = DataQualityReport),
        (status = 422, description = "Every bad field is named", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn report(state: Data<State>, request: HttpRequest, body: Body) -> Result<HttpResponse, Problem> {
    let (config, asked) = idempotency::document(&state, &request, body, configuration).await?;
    let reported = async { Ok((StatusCode::OK, Report(state.handle.quality(config).await?))) };
    idempotency::once(&state, asked, true, reported).await
}

/// Leaks, near duplicates and contradicted labels in the data that a training configuration selects, for a person to
/// review.
///
/// Features whose out-of-fold AUC alone, or whose gain over all others, is implausible; pairs of nearly equal rows of
/// different applicants; and outcomes that three models contradict with confidence out of fold (confident learning). At
/// most 20,000 rows are modelled, which takes up to a minute. No model is registered, and nothing is stored.
#[utoipa::path(post, path = "/data-checks", operation_id = "check_data", tag = "data", request_body = TrainingConfig,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "What was found", body = DataChecks),
        (status = 422, description = "Every bad field is named", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn check(state: Data<State>, request: HttpRequest, body: Body) -> Result<HttpResponse, Problem> {
    let (config, asked) = idempotency::document(&state, &request, body, configuration).await?;
    let checked = async { Ok((StatusCode::OK, state.handle.check_data(config).await?)) };
    idempotency::once(&state, asked, true, checked).await
}
