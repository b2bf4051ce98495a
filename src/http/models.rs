//! Model versions: read, list, activate, compare.

use super::body::Body;
use super::ids::model_id;
use super::page::{Query, cursor_fault, respond};
use super::problem::{Problem, only, readable};
use super::{BASE, State, auth, body, idempotency};
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use provost_domain::evaluation::{ModelComparisonRequest, ModelComparisonResponse, TierMetrics};
use provost_domain::fields::Fields;
use provost_domain::gate::GateDecision;
use provost_domain::model::{Activation, FeatureImportance, ImportanceKind, ModelRecord};
use provost_domain::{Algorithm, ModelId, ModelVersion, TrainingMetrics, limits};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use utoipa::ToSchema;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/models").route(readable().to(list)).default_service(only("GET, HEAD")))
        .service(web::resource("/models/{model_id}").route(readable().to(read)).default_service(only("GET, HEAD")))
        .service(web::resource("/activate/{model_id}").route(web::post().to(activate)).default_service(only("POST")))
        .service(web::resource("/rollback").route(web::post().to(rollback)).default_service(only("POST")))
        .service(web::resource("/activations").route(readable().to(activations)).default_service(only("GET, HEAD")))
        .service(web::resource("/decisions").route(readable().to(decisions)).default_service(only("GET, HEAD")))
        .service(web::resource("/compare").route(web::post().to(compare)).default_service(only("POST")))
        .service(web::resource("/metrics/{model_id}").route(readable().to(metrics)).default_service(only("GET, HEAD")))
        .service(
            web::resource("/feature-importance/{model_id}")
                .route(readable().to(importance))
                .default_service(only("GET, HEAD")),
        );
}

/// The seven numbers that clients of `/metrics` read.
#[derive(Serialize, ToSchema)]
pub struct MetricValues {
    pub accuracy: f64,
    pub precision: f64,
    pub recall: f64,
    pub f1_score: f64,
    pub auc_roc: f64,
    pub cv_mean: f64,
    pub cv_std: f64,
}

impl MetricValues {
    pub fn of(metrics: &TrainingMetrics) -> Self {
        Self {
            accuracy: metrics.accuracy,
            precision: metrics.precision,
            recall: metrics.recall,
            f1_score: metrics.f1_score,
            auc_roc: metrics.auc_roc,
            cv_mean: metrics.cv_mean,
            cv_std: metrics.cv_std,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ModelMetrics {
    pub model_id: ModelId,
    pub algorithm: Algorithm,
    pub training_date: DateTime<Utc>,
    pub metrics: MetricValues,
    pub confusion_matrix: [[u64; 2]; 2],
    pub training_time_seconds: f64,
    /// The model accepts from this probability on; null for models of the replaced service.
    pub threshold: Option<f64>,
    /// 95 % intervals on the test part, by the metric's name. A metric that is undefined, or was scored by a version
    /// without intervals, has none.
    pub intervals_95: BTreeMap<String, [f64; 2]>,
    /// By predicted probability, as in the evaluation's results: `reach`, `target`, `safety`. Empty without an evaluation.
    pub performance_by_university_tier: BTreeMap<String, TierMetrics>,
}

#[derive(Serialize, ToSchema)]
pub struct RankedFeature {
    pub feature: String,
    pub importance: f64,
    pub rank: u32,
}

impl From<FeatureImportance> for RankedFeature {
    fn from(f: FeatureImportance) -> Self {
        Self { feature: f.feature_name, importance: f.importance_score, rank: f.rank }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ModelFeatureImportance {
    pub model_id: ModelId,
    pub algorithm: Algorithm,
    pub feature_importance: Vec<RankedFeature>,
    /// The quantity that `importance` is a share of.
    pub importance_kind: ImportanceKind,
    /// Training rows that it was computed on.
    pub importance_rows: u64,
}

/// `POST /activate`'s optional body.
// It is read field by field, so that every fault is named; here it is for the OpenAPI document.
#[derive(Serialize, ToSchema)]
pub struct ActivateRequest {
    /// Must equal the id in the path, if given.
    pub model_id: Option<String>,
    pub reason: Option<String>,
}

/// `POST /rollback`'s optional body.
// As `ActivateRequest`.
#[derive(Serialize, ToSchema)]
pub struct RollbackRequest {
    pub reason: Option<String>,
}

pub(super) async fn record(state: &State, path: &str) -> Result<ModelRecord, Problem> {
    let id = model_id(state, path).await?;
    state.handle.store().model(&id).await?.ok_or_else(|| Problem::not_found("model", id.as_str()))
}

/// Model versions, newest first.
///
/// A page has `limit` versions at most; the `Link` header leads to the next one. With `active_only` the list has the active model alone,
/// or is empty.
#[utoipa::path(get, path = "/models", operation_id = "list_models", tag = "models",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200),
        ("active_only" = Option<bool>, Query, description = "Only the active model"),
        ("cursor" = Option<String>, Query, description = "From the `Link` header of the page before")),
    responses(
        (status = 200, description = "A page", body = Vec<ModelVersion>,
            headers(("Link" = Option<String>, description = "The next page, rel=\"next\""))),
        (status = 422, description = "Bad parameters", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn list(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let (limit, active_only) = (query.limit(), query.flag("active_only", false));
    let cursor = query.cursor();
    query.check()?;
    let page = state.handle.store().list_models(active_only, cursor.as_deref(), limit).await.map_err(cursor_fault)?;
    respond(&state, &request, page).await
}

/// One model version.
///
/// What it was trained on and with, its parameters, its metrics on the test part, and whether it is the active one.
#[utoipa::path(get, path = "/models/{model_id}", operation_id = "get_model", tag = "models", params(("model_id" = String, Path)),
    responses(
        (status = 200, description = "The version", body = ModelVersion),
        (status = 404, description = "No such model", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn read(state: Data<State>, path: Path<String>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(record(&state, &path).await?.version))
}

/// Reads `{model_id?, reason?}`; an empty body and `null` are none.
pub(super) fn activation_reason(bytes: &[u8], id: &ModelId) -> Result<Option<String>, Problem> {
    let Some(document) = body::optional_json(bytes)? else { return Ok(None) };
    let mut fields = Fields::new(&document, "an activation")?;
    let given = fields.optional_text("model_id", limits::ID);
    let reason = fields.optional_text("reason", limits::REASON);
    if let Some(given) = given.filter(|given| given != id.as_str()) {
        let message = format!("`model_id` is {}; the path names {id}: the same id, or none, is allowed", json!(given));
        fields.fault("model_id", message);
    }
    Ok(fields.finish(reason)?)
}

/// Reads `{reason?}`; an empty body and `null` are none.
pub(super) fn rollback_reason(bytes: &[u8]) -> Result<Option<String>, Problem> {
    let Some(document) = body::optional_json(bytes)? else { return Ok(None) };
    let mut fields = Fields::new(&document, "a rollback")?;
    let reason = fields.optional_text("reason", limits::REASON);
    Ok(fields.finish(reason)?)
}

/// Activates a model; at every instant exactly one model is active.
///
/// The switch is atomic and is recorded in the history (`GET /activations`) with the reason in the body, which is
/// optional.
#[utoipa::path(post, path = "/activate/{model_id}", operation_id = "activate_model", tag = "models",
    params(("model_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = Option<ActivateRequest>,
    responses(
        (status = 200, description = "The activated version", body = ModelVersion),
        (status = 404, description = "No such model; the active one stays", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 409, description = "A model of the replaced service, which has no artifact (`code`: `no_artifact`)", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "Bad body", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn activate(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let id = model_id(&state, &path).await?;
    let of = id.clone();
    let read = move |bytes: &[u8]| activation_reason(bytes, &of);
    let (reason, asked) = idempotency::document(&state, &request, body, read).await?;
    let activated = async { Ok((StatusCode::OK, state.handle.activate(&id, auth::by(&request), reason).await?)) };
    idempotency::once(&state, asked, false, activated).await
}

/// Activates the previously active model again.
///
/// Goes back one step of the history (`GET /activations`), and is recorded as a step of it with the reason in the body,
/// which is optional.
#[utoipa::path(post, path = "/rollback", operation_id = "rollback", tag = "models", params(("Idempotency-Key" = Option<String>, Header)),
    request_body = Option<RollbackRequest>,
    responses(
        (status = 200, description = "The version that is active now", body = ModelVersion),
        (status = 409, description = "There is none to go back to", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn rollback(state: Data<State>, request: HttpRequest, body: Body) -> Result<HttpResponse, Problem> {
    let (reason, asked) = idempotency::document(&state, &request, body, rollback_reason).await?;
    let rolled_back = async { Ok((StatusCode::OK, state.handle.rollback(auth::by(&request), reason).await?)) };
    idempotency::once(&state, asked, false, rolled_back).await
}

/// Which model was active from which time on, newest first; with `at` the one activation in force at that time.
///
/// With `at` the answer is a list of one activation, or an empty list for a time before the first.
#[utoipa::path(get, path = "/activations", operation_id = "list_activations", tag = "models",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200),
        ("at" = Option<DateTime<Utc>>, Query, description = "A time as in RFC 3339; none or one activation is answered"),
        ("cursor" = Option<String>, Query, description = "From the `Link` header of the page before")),
    responses(
        (status = 200, description = "The history", body = Vec<Activation>,
            headers(("Link" = Option<String>, description = "The next page, rel=\"next\""))),
        (status = 422, description = "Bad parameters", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn activations(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let limit = query.limit();
    let at = query.read("at", None, |v| {
        let time = DateTime::parse_from_rfc3339(v).map(|t| Some(t.to_utc()));
        time.map_err(|_| "a time as in RFC 3339 is allowed, such as 2026-11-24T08:00:00Z".to_owned())
    });
    // A cursor is the number of the last activation on the page before.
    let before = query.cursor_of(|v| v.parse().ok());
    query.check()?;
    let store = state.handle.store();
    if let Some(at) = at {
        return Ok(HttpResponse::Ok().json(Vec::from_iter(store.activation_at(at).await?)));
    }
    let page = store.activations(before, limit).await?;
    respond(&state, &request, page).await
}

/// The gate's decisions on models of automatic jobs, with reasons, newest first.
///
/// The best model of a job that a schedule, an event or a performance drop triggered becomes active only through the
/// gate. Each decision includes the figures that it is based on.
#[utoipa::path(get, path = "/decisions", operation_id = "list_decisions", tag = "models",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "From the `Link` header of the page before")),
    responses(
        (status = 200, description = "The decisions", body = Vec<GateDecision>,
            headers(("Link" = Option<String>, description = "The next page, rel=\"next\""))),
        (status = 422, description = "Bad parameters", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn decisions(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let limit = query.limit();
    let cursor = query.cursor();
    query.check()?;
    let page = state.handle.store().decisions(None, cursor.as_deref(), limit).await.map_err(cursor_fault)?;
    respond(&state, &request, page).await
}

/// Compares two or more models on the rows that are in all of their test parts.
///
/// Scores with 95 % intervals, and for each pair three tests: McNemar's of the decisions, DeLong's of the AUCs, and a paired bootstrap
/// of the target metric. `verdict` says it in one sentence. Pairs with fewer than 100 rows in common are `not_comparable`.
#[utoipa::path(post, path = "/compare", operation_id = "compare_models", tag = "models", request_body = ModelComparisonRequest,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, description = "Scores, tests and plots", body = ModelComparisonResponse),
        (status = 404, description = "An unknown id, named", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "Fewer than two ids, or a bad field", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn compare(state: Data<State>, request: HttpRequest, body: Body) -> Result<HttpResponse, Problem> {
    let read = |bytes: &[u8]| Ok(ModelComparisonRequest::from_json(&body::json(bytes)?)?);
    let (wanted, asked) = idempotency::document(&state, &request, body, read).await?;
    let mut ids = Vec::with_capacity(wanted.model_ids.len());
    for id in &wanted.model_ids {
        ids.push(model_id(&state, id).await?);
    }
    let compared = async {
        let mut compared = state.handle.compare(ids, wanted.metrics, wanted.include_visualizations).await?;
        compared.comparison_plots.values_mut().for_each(|below| *below = format!("{BASE}{below}"));
        Ok((StatusCode::OK, compared))
    };
    idempotency::once(&state, asked, true, compared).await
}

/// A model's metrics on its test part.
///
/// The figures of `GET /models/{model_id}` by themselves, with 95 % intervals and the metrics by predicted probability.
#[utoipa::path(get, path = "/metrics/{model_id}", operation_id = "get_metrics", tag = "models", params(("model_id" = String, Path)),
    responses(
        (status = 200, description = "Metrics", body = ModelMetrics),
        (status = 404, description = "No such model", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn metrics(state: Data<State>, path: Path<String>) -> Result<HttpResponse, Problem> {
    let ModelRecord { version, threshold, .. } = record(&state, &path).await?;
    let m = version.metrics;
    let evaluation = state.handle.store().evaluation(&version.model_id).await?.and_then(|e| e.results);
    Ok(HttpResponse::Ok().json(ModelMetrics {
        model_id: version.model_id,
        algorithm: version.algorithm,
        training_date: version.training_date,
        metrics: MetricValues::of(&m),
        confusion_matrix: m.confusion_matrix,
        training_time_seconds: m.training_time_seconds,
        // A model of the replaced service has no artifact, and therefore no threshold.
        threshold: (!version.model_sha256.is_empty()).then_some(threshold),
        intervals_95: m.intervals_95,
        performance_by_university_tier: evaluation.map(|e| e.performance_by_university_tier).unwrap_or_default(),
    }))
}

/// All features of a model, the most important first.
///
/// `importance` is a share of the total; `importance_kind` names the quantity.
#[utoipa::path(get, path = "/feature-importance/{model_id}", operation_id = "get_feature_importance", tag = "models", params(("model_id" = String, Path)),
    responses(
        (status = 200, description = "Ranked features", body = ModelFeatureImportance),
        (status = 404, description = "No such model", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn importance(state: Data<State>, path: Path<String>) -> Result<HttpResponse, Problem> {
    let version = record(&state, &path).await?.version;
    let mut features: Vec<_> = version.feature_importance.into_iter().map(RankedFeature::from).collect();
    features.sort_by_key(|f| f.rank);
    let importance_kind = ImportanceKind::of(version.algorithm);
    Ok(HttpResponse::Ok().json(json!(ModelFeatureImportance {
        model_id: version.model_id,
        algorithm: version.algorithm,
        feature_importance: features,
        importance_kind,
        importance_rows: importance_kind.rows(version.training_samples),
    })))
}
