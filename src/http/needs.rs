//! Needs: what a person has to act on; the list, and the two ways to deal with an entry.

use super::body::Body;
use super::page::{Query, cursor_fault, respond};
use super::problem::{Problem, only, readable};
use super::{State, auth, body};
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, TimeDelta, Utc};
use provost_domain::check::brief;
use provost_domain::fields::Fields;
use provost_domain::limits;
use provost_domain::need::{Need, NeedDealing, NeedState};
use serde::Serialize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use utoipa::ToSchema;

pub fn routes(config: &mut web::ServiceConfig) {
    let post = |path: &str| web::resource(path.to_owned()).default_service(only("POST"));
    config
        .service(web::resource("/needs").route(readable().to(list)).default_service(only("GET, HEAD")))
        .service(post("/needs/{need_id}/acknowledge").route(web::post().to(acknowledge)))
        .service(post("/needs/{need_id}/snooze").route(web::post().to(snooze)));
}

/// Interval between two counts of open needs.
const COUNTED_EVERY: Duration = Duration::from_secs(3);

/// Updates the count of open needs, which every page shows, until the service closes. While the store is away the last
/// count stays.
pub async fn keep_count(state: Data<State>) {
    let mut closing = state.closing.clone();
    let clock = state.handle.options().clock.clone();
    while !*closing.borrow() {
        if let Ok(count) = state.handle.store().open_needs(clock.now()).await {
            state.needed.store(count, Ordering::Relaxed);
        }
        tokio::select! {
            () = clock.sleep(COUNTED_EVERY) => {}
            changed = closing.changed() => if changed.is_err() { return },
        }
    }
}

/// What was done about a need.
// Both are read field by field, so that every fault is named; here they are for the OpenAPI document.
#[derive(Serialize, ToSchema)]
pub struct AcknowledgeRequest {
    pub reason: Option<String>,
}

/// For how long a need is not shown.
#[derive(Serialize, ToSchema)]
pub struct SnoozeRequest {
    /// 1 to 720.
    #[schema(minimum = 1, maximum = 720)]
    pub hours: u32,
    pub reason: Option<String>,
}

/// What needs a person, newest first.
///
/// Failed jobs, candidates that await approval, degraded components, parked messages, alarms, and a service in which no
/// model serves. An open need ends when it is acknowledged or when its cause is gone (`withdrawn`).
#[utoipa::path(get, path = "/needs", operation_id = "list_needs", tag = "needs",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200),
        ("state" = Option<String>, Query, description = "Only needs in this state: open (the default), snoozed, acknowledged or withdrawn", max_length = 12),
        ("cursor" = Option<String>, Query, description = "From the `Link` header of the page before")),
    responses(
        (status = 200, description = "A page", body = Vec<Need>,
            headers(("Link" = Option<String>, description = "The next page, rel=\"next\""))),
        (status = 422, description = "Bad parameters", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn list(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let (limit, cursor, wanted) = (query.limit(), query.cursor(), state_of(&mut query));
    query.check()?;
    let now = state.handle.options().clock.now();
    let page = state.handle.store().needs(Some(wanted), now, cursor.as_deref(), limit).await.map_err(cursor_fault)?;
    respond(&state, &request, page).await
}

/// The state in the query.
pub(super) fn state_of(query: &mut Query) -> NeedState {
    query.read("state", NeedState::Open, |word| {
        NeedState::parse(word).ok_or_else(|| "open, snoozed, acknowledged or withdrawn is allowed".to_owned())
    })
}

/// Acknowledges a need.
///
/// The need is no longer open, and records who acknowledged it, when, and why. A need that was acknowledged before is
/// not changed. It opens again only if the same condition arises anew.
#[utoipa::path(post, path = "/needs/{need_id}/acknowledge", operation_id = "acknowledge_need", tag = "needs",
    params(("need_id" = String, Path, description = "The need's id, as `GET /needs` lists it")),
    request_body = Option<AcknowledgeRequest>,
    responses(
        (status = 200, description = "The need", body = Need),
        (status = 404, description = "No such need", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "A bad body", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn acknowledge(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let reason = acknowledgement(&body)?;
    Ok(HttpResponse::Ok().json(record_acknowledgement(&state, &request, &path, reason).await?))
}

/// The reason of an acknowledgement; its body may be empty.
pub(super) fn acknowledgement(bytes: &[u8]) -> Result<Option<String>, Problem> {
    let Some(document) = body::optional_json(bytes)? else { return Ok(None) };
    let mut fields = Fields::new(&document, "an acknowledgement")?;
    let reason = fields.optional_text("reason", limits::REASON);
    Ok(fields.finish(reason)?)
}

/// Hides a need for some hours.
///
/// It opens again afterwards, unless its cause is gone.
#[utoipa::path(post, path = "/needs/{need_id}/snooze", operation_id = "snooze_need", tag = "needs",
    params(("need_id" = String, Path, description = "The need's id, as `GET /needs` lists it")),
    request_body = SnoozeRequest,
    responses(
        (status = 200, description = "The need", body = Need),
        (status = 404, description = "No such need", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 409, description = "The need is dealt with", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "A bad body", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn snooze(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let (hours, reason) = snoozing(&body)?;
    Ok(HttpResponse::Ok().json(record_snooze(&state, &request, &path, hours, reason).await?))
}

/// Hours and reason of a snooze.
pub(super) fn snoozing(bytes: &[u8]) -> Result<(u32, Option<String>), Problem> {
    let document = body::json(bytes)?;
    let mut fields = Fields::new(&document, "a snooze")?;
    let (hours, reason) = (snooze_hours(&mut fields), fields.optional_text("reason", limits::REASON));
    if document.get("hours").is_none() {
        fields.fault("hours", "`hours` is missing; a whole number of hours is needed");
    }
    Ok(fields.finish((hours, reason))?)
}

fn snooze_hours(fields: &mut Fields<'_>) -> u32 {
    fields.whole("hours", 24, 1, limits::SNOOZE_HOURS as i128)
}

/// The problem for an unknown id.
fn missing(id: &str) -> Problem {
    Problem::not_found("need", &brief(id, 80))
}

fn dealing(request: &HttpRequest, now: DateTime<Utc>, reason: Option<String>) -> NeedDealing {
    NeedDealing { at: now, by: auth::by(request), reason }
}

/// Records that the caller acknowledges a need.
///
/// # Errors
/// 404 where no need has this id.
pub(super) async fn record_acknowledgement(
    state: &State,
    request: &HttpRequest,
    id: &str,
    reason: Option<String>,
) -> Result<Need, Problem> {
    if !limits::fits(id, limits::ID) {
        return Err(missing(id));
    }
    let now = state.handle.options().clock.now();
    Ok(state.handle.store().acknowledge_need(id, dealing(request, now, reason)).await?)
}

/// Hides a need for this many hours.
///
/// # Errors
/// 404 where no need has this id, 409 where it is dealt with.
pub(super) async fn record_snooze(
    state: &State,
    request: &HttpRequest,
    id: &str,
    hours: u32,
    reason: Option<String>,
) -> Result<Need, Problem> {
    if !limits::fits(id, limits::ID) {
        return Err(missing(id));
    }
    let now = state.handle.options().clock.now();
    let until = now + TimeDelta::hours(i64::from(hours));
    Ok(state.handle.store().snooze_need(id, until, dealing(request, now, reason)).await?)
}
