//! The quality of the data that a configuration selects.

use super::problem::{Problem, only};
use super::{State, body, idempotency};
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use provost_domain::TrainingConfig;
use provost_domain::quality::DataQualityReport;
use serde::{Serialize, Serializer};
use std::sync::Arc;

/// A report that the cache has too.
struct Report(Arc<DataQualityReport>);

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/data-quality").route(web::post().to(report)).default_service(only("POST")));
}

/// The quality report of the data that a training configuration selects.
///
/// `POST /train` with the same body is refused if `passes_quality_check` is false. Nothing is trained and nothing is stored.
#[utoipa::path(post, path = "/data-quality", operation_id = "check_data_quality", tag = "data", request_body = TrainingConfig,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "The report", body = DataQualityReport),
        (status = 422, description = "Every bad field is named", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn report(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let body = body::read(&request, payload, state.max_body_bytes).await?;
    let key = idempotency::key_of(&request)?;
    let read = move |bytes: &[u8]| {
        let config = TrainingConfig::from_json(&body::json(bytes)?)?;
        Ok((config, key.map(|key| key.with(bytes))))
    };
    let (config, asked) = body.document(&state, read).await?;
    let reported = async { Ok((StatusCode::OK, Report(state.handle.quality(config).await?))) };
    idempotency::once(&state, asked, true, reported).await
}
