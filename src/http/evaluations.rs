//! Evaluations and plots.

use super::body::Body;
use super::code::Code;
use super::ids::model_id;
use super::models::record;
use super::page::Query;
use super::problem::{Problem, only, readable};
use super::{BASE, State, auth, idempotency};
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use provost_domain::evaluation::{EvaluationResults, PLOTS};
use provost_domain::model::ImportanceKind;
use provost_domain::{ModelId, ModelVersion};
use provost_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/evaluate/{model_id}").route(web::post().to(evaluate)).default_service(only("POST")))
        .service(
            web::resource("/evaluate/{model_id}/results")
                .route(readable().to(results))
                .default_service(only("GET, HEAD")),
        )
        .service(
            web::resource("/evaluate/{model_id}/plots/{file}")
                .route(readable().to(plot))
                .default_service(only("GET, HEAD")),
        )
        .service(
            web::resource("/compare/plots/{file}")
                .route(readable().to(comparison_plot))
                .default_service(only("GET, HEAD")),
        );
}

/// The content type of a plot on request: generated clients do not support image types.
const BYTES: &str = "application/octet-stream";

#[derive(Serialize, ToSchema)]
pub struct EvaluationAccepted {
    pub success: bool,
    pub message: String,
    pub task_id: String,
    pub model_id: ModelId,
}

impl EvaluationAccepted {
    pub fn started(task_id: String, model_id: ModelId) -> Self {
        Self { success: true, message: format!("Evaluation of {model_id} has started"), task_id, model_id }
    }
}

/// Evaluates a model again on its test part, in the background.
///
/// Every registered model has an evaluation from its own job; this starts a new one. `GET /evaluate/{model_id}/results`
/// returns the last finished one.
#[utoipa::path(post, path = "/evaluate/{model_id}", operation_id = "evaluate_model", tag = "evaluations",
    params(
        ("model_id" = String, Path),
        ("generate_plots" = Option<bool>, Query, description = "Default true"),
        ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 202, description = "It runs", body = EvaluationAccepted),
        (status = 404, description = "No such model", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 409, description = "A model of the replaced service, which has no artifact (`code`: `no_artifact`)", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "Bad parameters", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn evaluate(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let id = model_id(&state, &path).await?;
    let mut query = Query::of(&request);
    let plots = query.flag("generate_plots", true);
    query.check()?;
    let ((), asked) = idempotency::document(&state, &request, body, |_| Ok(())).await?;
    let mut task = None;
    let mut response = idempotency::once(&state, asked, false, async {
        let task_id = state.handle.evaluate(&id, plots).await?;
        task = Some(task_id.clone());
        Ok((StatusCode::ACCEPTED, EvaluationAccepted::started(task_id, id.clone())))
    })
    .await?;
    if let Some(task) = task {
        auth::note(&mut response, "task", &task);
    }
    Ok(response)
}

/// A model that has or will have an evaluation: not one of the replaced service.
async fn evaluated(state: &State, path: &str) -> Result<ModelVersion, Problem> {
    let version = record(state, path).await?.version;
    if version.has_artifact() {
        Ok(version)
    } else {
        Err(StoreError::NoArtifact { model: version.model_id.to_string() }.into())
    }
}

/// The stored result of the last evaluation; nothing is computed here.
///
/// Metrics on the test part, which the model has never seen, and by predicted probability; calibration; the importance
/// of each feature; and the addresses of the four plots.
#[utoipa::path(get, path = "/evaluate/{model_id}/results", operation_id = "get_evaluation_results", tag = "evaluations", params(("model_id" = String, Path)),
    responses(
        (status = 200, description = "The results", body = EvaluationResults),
        (status = 404, description = "No such model", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 409, description = "The first evaluation still runs, or the model is one of the replaced service, without an artifact (`code`: `no_artifact`)", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn results(state: Data<State>, path: Path<String>) -> Result<HttpResponse, Problem> {
    let version = evaluated(&state, &path).await?;
    let id = version.model_id;
    match state.handle.store().evaluation(&id).await?.and_then(|e| e.results) {
        Some(mut results) => {
            // Older evaluations lack the kind; the algorithm determines it.
            let kind = *results.importance_kind.get_or_insert(ImportanceKind::of(version.algorithm));
            results.importance_rows.get_or_insert(kind.rows(version.training_samples));
            for plot in [
                &mut results.confusion_matrix_plot,
                &mut results.roc_curve_plot,
                &mut results.feature_importance_plot,
                &mut results.calibration_plot,
            ] {
                *plot = plot.take().map(|below| format!("{BASE}{below}"));
            }
            Ok(HttpResponse::Ok().json(results))
        }
        None => Err(first_still_runs(&id)),
    }
}

pub(super) fn first_still_runs(id: &ModelId) -> Problem {
    Problem::new(Code::EvaluationRunning, format!("the first evaluation of {id} is still running"))
}

/// One plot of the last evaluation, `{name}.png` or `{name}.svg`.
///
/// With `Accept: application/octet-stream` the same bytes come under that type, for clients that know no pictures.
#[utoipa::path(get, path = "/evaluate/{model_id}/plots/{file}", operation_id = "get_plot", tag = "evaluations",
    params(("model_id" = String, Path), ("file" = String, Path, description = "confusion_matrix, roc_curve, feature_importance or calibration, .png or .svg; with _narrow before .svg, arranged for a width of 360")),
    responses(
        (status = 200, description = "The plot", content((Vec<u8> = "image/png"), (String = "image/svg+xml"), (Vec<u8> = "application/octet-stream"))),
        (status = 404, description = "No such model or plot", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 409, description = "A model of the replaced service, which has no artifact (`code`: `no_artifact`)", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn plot(
    state: Data<State>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (id, file) = path.into_inner();
    let id = evaluated(&state, &id).await?.model_id;
    let known = |file: &str| {
        file.rsplit_once('.').is_some_and(|(name, kind)| {
            let wide = name.strip_suffix("_narrow").unwrap_or(name);
            PLOTS.contains(&wide) && content_type(kind).is_some()
        })
    };
    if !known(&file) {
        return Err(Problem::not_found("plot", &file.chars().take(80).collect::<String>()));
    }
    let sha256 = state.handle.store().evaluation(&id).await?.and_then(|e| e.plots.get(&file).cloned());
    match sha256 {
        Some(sha256) => picture(&state, &request, sha256, &file).await,
        None => Err(Problem::not_found("plot", &format!("{file} of {id}: its last evaluation drew none"))),
    }
}

/// A plot of a comparison, at the address in the comparison's answer.
///
/// With `Accept: application/octet-stream` the same bytes come under that type, for clients that know no pictures.
#[utoipa::path(get, path = "/compare/plots/{file}", operation_id = "get_comparison_plot", tag = "models", params(("file" = String, Path)),
    responses(
        (status = 200, description = "The plot", content((Vec<u8> = "image/png"), (String = "image/svg+xml"), (Vec<u8> = "application/octet-stream"))),
        (status = 404, description = "No such plot", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn comparison_plot(
    state: Data<State>,
    request: HttpRequest,
    file: Path<String>,
) -> Result<HttpResponse, Problem> {
    let missing = || Problem::not_found("plot", &file.chars().take(80).collect::<String>());
    let (sha256, _) = file.rsplit_once('.').filter(|(_, kind)| content_type(kind).is_some()).ok_or_else(missing)?;
    if !is_sha256(sha256) {
        return Err(missing());
    }
    picture(&state, &request, sha256.to_owned(), &file).await.map_err(|problem| match problem.status {
        404 => missing(),
        _ => problem,
    })
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn content_type(kind: &str) -> Option<&'static str> {
    match kind {
        "png" => Some("image/png"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

/// Whether the client asks for `application/octet-stream`.
fn wants_bytes(request: &HttpRequest) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut kinds = accepts.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
    kinds.next() == Some(BYTES) && kinds.next().is_none()
}

/// The content type by the first bytes, so that this route serves only plots.
async fn picture(state: &State, request: &HttpRequest, sha256: String, file: &str) -> Result<HttpResponse, Problem> {
    let artifacts = state.handle.artifacts().clone();
    let bytes = state.compute.run(move || artifacts.get(&sha256)).await??;
    let kind = match file.rsplit_once('.') {
        Some((_, "png")) if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => "image/png",
        Some((_, "svg")) if bytes.starts_with(b"<svg") || bytes.starts_with(b"<?xml") => "image/svg+xml",
        _ => return Err(Problem::not_found("plot", &file.chars().take(80).collect::<String>())),
    };
    Ok(HttpResponse::Ok()
        .content_type(if wants_bytes(request) { BYTES } else { kind })
        .insert_header((header::VARY, "accept"))
        .insert_header(("cache-control", "no-cache"))
        .insert_header(("x-content-type-options", "nosniff"))
        .insert_header(("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'"))
        .body(bytes))
}
