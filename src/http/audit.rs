//! The audit log, for admins.

use super::State;
use super::page::{Query, cursor_fault, respond};
use super::problem::{Problem, only, readable};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use provost_domain::audit::AuditEntry;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/audit").route(readable().to(list)).default_service(only("GET, HEAD")));
}

/// Who did what, newest first. `provost audit verify` checks the chain.
///
/// Every request that changes something has two entries: one before it has any effect, one with what came of it. Each entry holds the
/// SHA-256 of the one before.
#[utoipa::path(get, path = "/audit", operation_id = "list_audit", tag = "service",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "From the `Link` header of the page before")),
    responses(
        (status = 200, description = "A page", body = Vec<AuditEntry>,
            headers(("Link" = Option<String>, description = "The next page, rel=\"next\""))),
        (status = 422, description = "Bad parameters", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn list(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let limit = query.limit();
    let cursor = query.cursor();
    query.check()?;
    let page = state.handle.store().audit(cursor.as_deref(), limit).await.map_err(cursor_fault)?;
    respond(&state, &request, page).await
}
