//! `POST /predict`: the serving model's answers for applications without an outcome.

pub mod access;
pub mod columns;
mod lines;
mod options;
mod row_buffer;
mod spool;
mod stream;

use super::code::Code;
use super::page::Query;
use super::problem::{Problem, only};
use super::{State, auth, body, idempotency};
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
pub use lines::StreamedAnswer;
use provost_actors::serving::{PredictAnswer, PredictRequest, RequestBounds};
pub use spool::SpoolDisk;
use std::time::Instant;

/// The media type of one JSON document a line.
const NDJSON: &str = "application/x-ndjson";

/// Rows up to this number are serialised where the request is answered; it takes some microseconds each.
pub const FEW: usize = 100;
/// As [`FEW`], with explanations, which are much longer.
const FEW_EXPLAINED: usize = 10;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/predict").route(web::post().to(predict)).default_service(only("POST")));
}

/// Predicts the outcome of applications.
///
/// The body is one application, with the options in the query, or an object with `applications` and the options: up to 10,000, or 100
/// with `explain`, `similar` or `counterfactual`. A row that cannot be read is listed in `errors` and costs no other row its answer. With
/// `Content-Type: application/x-ndjson` each line of the body is an application and each line of the answer a prediction or a fault, in
/// the order of the rows, for any number of rows. An `Idempotency-Key` gives a repeated request the same prediction ids; the answer
/// itself is not stored.
#[utoipa::path(post, path = "/predict", operation_id = "predict", tag = "predictions",
    request_body(content((serde_json::Value = "application/json"), (serde_json::Value = "application/x-ndjson"))),
    params(
        ("model_id" = Option<String>, Query, description = "Another model than the active one"),
        ("explain" = Option<bool>, Query, description = "Adds the contribution of each feature"),
        ("similar" = Option<usize>, Query, description = "Adds so many of the nearest training rows of each outcome; not for the role client", minimum = 0, maximum = 20),
        ("counterfactual" = Option<bool>, Query, description = "Adds the smallest change that turns a rejection"),
        ("coverage" = Option<f64>, Query, description = "Coverage of `plausible_outcomes`, 0.5 to 0.999", minimum = 0.5, maximum = 0.999),
        ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "A prediction for each row that was read, and the faults of the others",
            content((PredictAnswer = "application/json"), (serde_json::Value = "application/x-ndjson"))),
        (status = 404, description = "No such model", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 409, description = "No model is active, or the named one cannot serve", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "A bad option, or no row could be read", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn predict(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let began = Instant::now();
    let options = options::of_query(&mut Query::of(&request))?;
    if is_ndjson(&request) {
        return stream::answer(state, &request, payload, options).await;
    }
    let body = body::read_large(&request, payload, &state).await?;
    let key = idempotency::key_of(&request)?.map(|key| key.name());
    let read = move |bytes: &[u8]| Ok(PredictRequest::read(bytes, options, RequestBounds::default())?);
    let asked = body.document(&state, read).await?;
    access::check(&request, &state.predict, &asked.options)?;
    if asked.applications.is_empty() {
        return Err(Problem { code: Code::NoReadableRow, ..Problem::from(asked.all_faults()) });
    }
    let PredictRequest { applications, numbers, errors, options, .. } = asked;
    let model = access::model(&state, options.model_id.as_deref()).await?;
    let mut asked = options.for_service(None, key, &auth::owner(&request));
    let read_for = began.elapsed();
    asked.places.clone_from(&numbers);
    let predicted = state.handle.predict_with(&model, applications, &asked).await?;
    let timing = format!(
        "read;dur={:.3}, queue;dur={:.3}, predict;dur={:.3}",
        millis(read_for),
        millis(predicted.waited),
        millis(predicted.worked)
    );
    let answer = PredictAnswer::new(predicted, &numbers, options.coverage, errors);
    let few = if options.is_costly() { FEW_EXPLAINED } else { FEW };
    let mut response = if numbers.len() + answer.errors.len() <= few {
        HttpResponse::Ok().json(answer)
    } else {
        super::send(&state, actix_web::http::StatusCode::OK, answer).await?
    };
    if let Ok(timing) = timing.parse() {
        response.headers_mut().insert(actix_web::http::header::HeaderName::from_static("server-timing"), timing);
    }
    Ok(response)
}

fn millis(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn is_ndjson(request: &HttpRequest) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(NDJSON) || kind.eq_ignore_ascii_case("application/ndjson")
}
