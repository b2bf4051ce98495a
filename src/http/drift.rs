//! The drift since the active model was trained, and the performance of its predictions, window by window.

use super::code::Code;
use super::page::{Query, cursor_fault, respond_with};
use super::problem::{Problem, only, readable};
use super::{State, send};
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use provost_domain::watch::{
    DriftReference, DriftReport, DriftWindow, PerformanceReport, PerformanceWindow, WindowKind,
};
use provost_domain::watch_record::WatchedWindow;
use provost_domain::{ModelId, limits};
use provost_store::{Page, WindowFilter};

/// How many of the newest windows determine whether there is an alarm, and since when; also how many of the windows
/// before a page determine whether calibration holds.
const NEWEST: u32 = 50;

pub fn routes(config: &mut web::ServiceConfig) {
    let get = |path: &str| web::resource(path.to_owned()).default_service(only("GET, HEAD"));
    config
        .service(get("/drift").route(readable().to(drift)))
        .service(get("/drift/windows/{window_id}").route(readable().to(window)))
        .service(get("/performance").route(readable().to(performance)));
}

/// The active model, or 409.
async fn active(state: &State) -> Result<ModelId, Problem> {
    let none = || Problem::new(Code::NoActiveModel, "no model is active, so none is watched");
    state.handle.store().active_model().await?.ok_or_else(none)
}

/// The reference that a model's windows are compared with. Before the first window, the model's record gives what is
/// known of it.
async fn reference(state: &State, model: &ModelId, newest: Option<&WatchedWindow>) -> Result<DriftReference, Problem> {
    if let Some(window) = newest {
        return Ok(window.reference);
    }
    let known = state.handle.store().model(model).await?;
    let rows = known.map_or(0, |record| record.version.training_samples);
    Ok(DriftReference { rows, from: None, to: None })
}

/// The drift since the active model was trained.
///
/// Windows of the model's predictions and of recorded points, newest first, each compared with the model's training
/// data. An alarm requires drift of the same feature in two windows of a kind in a row, beyond chance and beyond a
/// floor. `alarm` and `since` describe the newest windows on every page; the `Link` header leads to older ones.
#[utoipa::path(get, path = "/drift", operation_id = "get_drift", tag = "watch",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "From the `Link` header"),
        ("kind" = Option<String>, Query, description = "Only windows of this kind: predictions or points", max_length = 11)),
    responses(
        (status = 200, description = "The report", body = DriftReport),
        (status = 409, description = "No model is active", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "Bad parameters", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn drift(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let (limit, cursor) = (query.limit(), query.cursor());
    let kind = query.read("kind", None, |text| match WindowKind::parse(text) {
        Some(kind) => Ok(Some(kind)),
        None => Err("predictions or points is allowed".to_owned()),
    });
    query.check()?;
    let model = active(&state).await?;
    let filter = WindowFilter { model_id: Some(model.clone()), kind };
    let store = state.handle.store();
    let page = store.watched_windows(filter.clone(), cursor.as_deref(), limit).await.map_err(cursor_fault)?;
    let newest = match cursor {
        None if limit >= NEWEST => page.items.clone(),
        _ => store.watched_windows(filter, None, NEWEST).await?.items,
    };
    let reference = reference(&state, &model, newest.first()).await?;
    let report = DriftReport::new(model, reference, newest.into_iter().map(|window| window.drift).collect());
    let Page { items, next } = page;
    let report = DriftReport { windows: items.into_iter().map(|window| window.drift).collect(), ..report };
    respond_with(&state, &request, report, next.as_deref()).await
}

/// One window.
///
/// The result of the comparison when the window closed, for the model that was active then. The windows of former
/// models are kept.
#[utoipa::path(get, path = "/drift/windows/{window_id}", operation_id = "get_drift_window", tag = "watch",
    params(("window_id" = String, Path, description = "The window's id, as `GET /drift` answered it")),
    responses(
        (status = 200, description = "The window", body = DriftWindow),
        (status = 404, description = "No such window", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn window(state: Data<State>, path: Path<String>) -> Result<HttpResponse, Problem> {
    let known = if limits::fits(&path, limits::ID) { state.handle.store().watched_window(&path).await? } else { None };
    let missing = || Problem::not_found("window", &path.chars().take(80).collect::<String>());
    send(&state, StatusCode::OK, known.ok_or_else(missing)?.drift).await
}

/// The performance of the active model's predictions.
///
/// For each window of predictions, newest first: the metrics expected from its calibrated probabilities, and those
/// realised on the rows whose outcome is known by now. `calibration_holds` says whether the expected metrics are
/// reliable.
#[utoipa::path(get, path = "/performance", operation_id = "get_performance", tag = "watch",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "From the `Link` header")),
    responses(
        (status = 200, description = "The report", body = PerformanceReport),
        (status = 409, description = "No model is active", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "Bad parameters", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn performance(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let (limit, cursor) = (query.limit(), query.cursor());
    query.check()?;
    let model = active(&state).await?;
    let filter = WindowFilter { model_id: Some(model.clone()), kind: Some(WindowKind::Predictions) };
    let store = state.handle.store();
    let page = store.watched_windows(filter.clone(), cursor.as_deref(), limit).await.map_err(cursor_fault)?;
    let windows: Vec<PerformanceWindow> = page.items.into_iter().filter_map(|window| window.performance).collect();
    // If the oldest window of the page does not tell whether calibration holds, older windows are read: the answer must
    // not depend on where a page ends.
    let before = match &page.next {
        Some(next) if windows.last().is_some_and(|oldest| oldest.calibration_holds.is_none()) => {
            let older = store.watched_windows(filter, Some(next.as_str()), NEWEST).await?.items;
            older.into_iter().find_map(|window| window.performance?.calibration_holds)
        }
        _ => None,
    };
    respond_with(&state, &request, PerformanceReport::new(model, windows, before), page.next.as_deref()).await
}
