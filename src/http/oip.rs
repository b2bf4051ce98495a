//! The Open Inference Protocol, version 2 (<https://github.com/kserve/open-inference-protocol>), with the extension
//! `binary_tensor_data`: the serving model for clients of Triton and KServe.

mod answer;
mod request;
mod tensor;

use super::code::Code;
use super::predict::{FEW, access, columns};
use super::problem::{self, Problem, readable};
use super::{State, auth, body};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::web::{self, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use answer::{InferAnswer, Predicted};
use provost_actors::serving::{PredictOptions, RequestOptions, ServedModel};
use provost_domain::check::brief;
use provost_domain::limits;
use provost_predict::application::Application;
use provost_predict::serving::Prediction;
pub use request::OUTPUTS;
use request::{InferRequest, Rows};
use serde_json::{Value, json};
use std::sync::Arc;

const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

pub fn routes(config: &mut web::ServiceConfig) {
    let get = |path: &str| web::resource(path.to_owned()).default_service(problem::only("GET, HEAD"));
    let post = |path: &str| web::resource(path.to_owned()).default_service(problem::only("POST"));
    config
        .service(get("/v2").route(readable().to(server)))
        .service(get("/v2/health/live").route(readable().to(live)))
        .service(get("/v2/health/ready").route(readable().to(ready)))
        .service(get("/v2/models/{name}").route(readable().to(metadata)))
        .service(get("/v2/models/{name}/versions/{version}").route(readable().to(metadata)))
        .service(get("/v2/models/{name}/ready").route(readable().to(model_ready)))
        .service(get("/v2/models/{name}/versions/{version}/ready").route(readable().to(model_ready)))
        .service(post("/v2/models/{name}/infer").route(web::post().to(infer)))
        .service(post("/v2/models/{name}/versions/{version}/infer").route(web::post().to(infer)));
}

/// The model named in the path.
#[derive(serde::Deserialize)]
pub(super) struct Named {
    name: String,
    version: Option<String>,
}

/// Describes the server.
///
/// Open Inference Protocol v2: its name, version and extensions.
#[utoipa::path(get, path = "/v2", operation_id = "get_server_metadata", tag = "inference",
    responses((status = 200, description = "The server", body = serde_json::Value)))]
pub(super) async fn server() -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "name": "provost", "version": env!("CARGO_PKG_VERSION"), "extensions": ["binary_tensor_data"],
    }))
}

/// Says that the process answers.
///
/// Open Inference Protocol v2.
#[utoipa::path(get, path = "/v2/health/live", operation_id = "get_server_live", tag = "inference",
    responses((status = 200, description = "It answers", body = serde_json::Value)))]
pub(super) async fn live(state: Data<State>) -> HttpResponse {
    health(true, is_ready(&state))
}

/// Says whether a model serves.
///
/// Open Inference Protocol v2. 503 if no model serves, and once the service begins to stop.
#[utoipa::path(get, path = "/v2/health/ready", operation_id = "get_server_ready", tag = "inference",
    responses(
        (status = 200, description = "A model serves", body = serde_json::Value),
        (status = 503, description = "No model serves", body = serde_json::Value)))]
pub(super) async fn ready(state: Data<State>) -> HttpResponse {
    let ready = is_ready(&state);
    health(ready, ready)
}

fn is_ready(state: &State) -> bool {
    !*state.closing.borrow() && state.handle.serving().is_some()
}

/// Both answers have both members, because clients read different ones.
fn health(ok: bool, ready: bool) -> HttpResponse {
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(status).json(json!({"live": true, "ready": ready}))
}

/// Describes the model.
///
/// Open Inference Protocol v2: one input for each feature, and the outputs. Instead of the features a single input `application` of the
/// datatype BYTES may be sent, whose elements are applications as JSON.
#[utoipa::path(get, path = "/v2/models/{name}", operation_id = "get_model_metadata", tag = "inference",
    params(("name" = String, Path, description = "The setting `predict.name`")),
    responses(
        (status = 200, description = "The model", body = serde_json::Value),
        (status = 404, description = "No such model", body = serde_json::Value),
        (status = 409, description = "No model is active", body = serde_json::Value)))]
pub(super) async fn metadata(
    state: Data<State>,
    request: HttpRequest,
    path: Path<Named>,
) -> Result<HttpResponse, OipError> {
    let model = model(&state, &request, &path).await?;
    let tensor = |name: &str, datatype: &str| json!({"name": name, "datatype": datatype, "shape": [-1]});
    let inputs: Vec<Value> = model.model.feature_names().iter().map(|name| tensor(name, "FP32")).collect();
    let outputs = OUTPUTS.map(|name| tensor(name, if name == "predicted_outcome" { "BYTES" } else { "FP64" }));
    Ok(HttpResponse::Ok().json(json!({
        "name": path.name, "versions": [model.model_id], "platform": "provost", "inputs": inputs, "outputs": outputs,
    })))
}

/// Says whether the model answers.
///
/// Open Inference Protocol v2.
#[utoipa::path(get, path = "/v2/models/{name}/ready", operation_id = "get_model_ready", tag = "inference",
    params(("name" = String, Path, description = "The setting `predict.name`")),
    responses(
        (status = 200, description = "It does", body = serde_json::Value),
        (status = 404, description = "No such model", body = serde_json::Value),
        (status = 409, description = "No model is active", body = serde_json::Value)))]
pub(super) async fn model_ready(
    state: Data<State>,
    request: HttpRequest,
    path: Path<Named>,
) -> Result<HttpResponse, OipError> {
    model(&state, &request, &path).await?;
    Ok(HttpResponse::Ok().json(json!({"name": path.name, "ready": true})))
}

/// Predicts from tensors.
///
/// Open Inference Protocol v2. Inputs: one tensor for each feature of the model (numbers; NaN or null is missing), or the single
/// tensor `application` (BYTES: applications as JSON); shapes are `[rows]`. Outputs: `probability`, `probability_low`, `probability_high`,
/// `predicted_outcome`. With the extension `binary_tensor_data` the data stand behind the JSON. A row that cannot be read fails the
/// request, and the error names it.
#[utoipa::path(post, path = "/v2/models/{name}/infer", operation_id = "infer", tag = "inference",
    params(("name" = String, Path, description = "The setting `predict.name`"),
        ("Inference-Header-Content-Length" = Option<u64>, Header, description = "Length of the JSON in front of binary data")),
    request_body(content((serde_json::Value = "application/json"), (serde_json::Value = "application/octet-stream"))),
    responses(
        (status = 200, description = "The outputs",
            content((serde_json::Value = "application/json"), (serde_json::Value = "application/octet-stream"))),
        (status = 400, description = "A bad request, tensor or row", body = serde_json::Value),
        (status = 404, description = "No such model", body = serde_json::Value),
        (status = 409, description = "No model is active", body = serde_json::Value)))]
pub(super) async fn infer(
    state: Data<State>,
    request: HttpRequest,
    path: Path<Named>,
    payload: Payload,
) -> Result<HttpResponse, OipError> {
    let model = model(&state, &request, &path).await?;
    let json_length = json_length(&request)?;
    let body = body::read_large(&request, payload, &state).await?;
    let read = move |bytes: &[u8]| Ok(InferRequest::read(bytes, json_length, limits::PREDICT_ROWS));
    let InferRequest { id, rows, outputs } = body.document(&state, read).await?.map_err(OipError::bad)?;
    let asked = PredictOptions { caller: auth::owner(&request).into(), ..PredictOptions::default() };
    let predicted = predict(&state, &model, rows, &asked).await?;
    let version = model.model_id.to_string();
    let write = move || InferAnswer::new(&path.name, &version, id.as_deref(), &outputs, &predicted);
    let answer = state.compute.run(write).await.map_err(Problem::from)?;
    let mut response = HttpResponse::Ok();
    match answer.json_length {
        None => response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json"))),
        Some(length) => response
            .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")))
            .insert_header((JSON_LENGTH, length)),
    };
    Ok(response.body(answer.body))
}

async fn predict(
    state: &State,
    model: &Arc<ServedModel>,
    rows: Rows,
    asked: &PredictOptions,
) -> Result<Predicted, OipError> {
    let mut predicted = Predicted::default();
    let mut add = |prediction: &Prediction| {
        predicted.probability.push(prediction.probability);
        predicted.probability_low.push(prediction.probability_low.unwrap_or(f64::NAN));
        predicted.probability_high.push(prediction.probability_high.unwrap_or(f64::NAN));
        predicted.outcome.push(prediction.predicted_outcome.as_str());
    };
    match rows {
        Rows::Applications(texts) => {
            let read = move || {
                texts.iter().enumerate().map(|(row, text)| application(row, text)).collect::<Result<Vec<_>, _>>()
            };
            let applications = state.compute.run(read).await.map_err(Problem::from)?.map_err(OipError::bad)?;
            let answered = state.handle.predict_with(model, applications, asked).await.map_err(Problem::from)?;
            answered.rows.iter().for_each(|row| add(&row.prediction));
        }
        Rows::Features(given) => {
            let (features, few) = (model.model.feature_names().to_vec(), given.iter().all(|(_, c)| c.len() <= FEW));
            let order = move || columns::rows(&features, &given);
            let rows = if few { order() } else { state.compute.run(order).await.map_err(Problem::from)? };
            let rows = rows.map_err(|why| OipError::bad(format!("input {why}")))?;
            let answered = state.handle.predict_features(model, rows, asked).await.map_err(Problem::from)?;
            answered.map_err(|bad| OipError::bad(bad.to_string()))?.iter().for_each(add);
        }
    }
    Ok(predicted)
}

fn application(row: usize, text: &[u8]) -> Result<Application, String> {
    if text.len() > limits::PREDICT_ROW_BYTES {
        return Err(format!("row {row} has {} bytes; at most {} are allowed", text.len(), limits::PREDICT_ROW_BYTES));
    }
    Application::from_json(text).map_err(|faults| format!("row {row}: {faults}"))
}

/// The model of a path: the name is `predict.name`, the version a model's id.
async fn model(state: &State, request: &HttpRequest, path: &Named) -> Result<Arc<ServedModel>, OipError> {
    if path.name != state.predict.name {
        let (name, known) = (brief(&path.name, 80), &state.predict.name);
        return Err(
            Problem::new(Code::ModelNotFound, format!("there is no model `{name}`; the model is `{known}`")).into()
        );
    }
    // Every caller who may request predictions may name the active model.
    let active =
        state.handle.serving().filter(|model| path.version.as_deref().is_none_or(|v| v == model.model_id.as_str()));
    if let Some(active) = active {
        return Ok(active);
    }
    let options = RequestOptions { model_id: path.version.clone(), ..RequestOptions::default() };
    access::check(request, &state.predict, &options)?;
    Ok(access::model(state, path.version.as_deref()).await?)
}

fn json_length(request: &HttpRequest) -> Result<Option<usize>, OipError> {
    let Some(value) = request.headers().get(&JSON_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let wrong = || OipError::bad("Inference-Header-Content-Length is no whole number".to_owned());
    length.map(Some).ok_or_else(wrong)
}

/// An error as the protocol has it: `{"error": "..."}`.
#[derive(Debug)]
pub struct OipError {
    status: StatusCode,
    problem: Box<Problem>,
}

impl OipError {
    fn bad(detail: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, problem: Box::new(Problem::new(Code::InvalidRequest, detail)) }
    }
}

impl From<Problem> for OipError {
    fn from(problem: Problem) -> Self {
        let status = problem.code.status();
        // The protocol has no 422.
        let status = if status == StatusCode::UNPROCESSABLE_ENTITY { StatusCode::BAD_REQUEST } else { status };
        Self { status, problem: Box::new(problem) }
    }
}

impl std::fmt::Display for OipError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.problem.fmt(f)
    }
}

impl actix_web::ResponseError for OipError {
    fn status_code(&self) -> StatusCode {
        self.status
    }
    fn error_response(&self) -> HttpResponse {
        self.problem.in_dialect(problem::Dialect::OpenInference, self.status)
    }
}
