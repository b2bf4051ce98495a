//! API keys, for admins.

use super::body::Body;
use super::problem::{Problem, only, readable};
use super::{State, auth, body};
use crate::keys::{Made, make, revoke};
use actix_web::http::header;
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, TimeDelta, Utc};
use provost_domain::check::brief;
use provost_domain::fields::Fields;
use provost_domain::key::{ApiKey, Role, name_fault};
use provost_domain::limits;
use serde::Serialize;
use utoipa::ToSchema;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/keys")
                .route(readable().to(list))
                .route(web::post().to(create))
                .default_service(only("GET, HEAD, POST")),
        )
        .service(web::resource("/keys/{key_id}").route(web::delete().to(end)).default_service(only("DELETE")));
}

/// A new key.
// It is read field by field, so that every fault is named; here it is for the OpenAPI document.
#[derive(Serialize, ToSchema)]
pub struct KeyRequest {
    pub role: Role,
    /// Name of the owner or the purpose: 1 to 80 characters.
    pub name: Option<String>,
    /// Days until the key expires; without it, the key does not expire.
    #[schema(minimum = 1, maximum = 36525)]
    pub expires_in_days: Option<u32>,
}

/// A key in the list. The secret text is not stored.
#[derive(Serialize, ToSchema)]
pub struct KeyEntry {
    pub id: String,
    pub name: Option<String>,
    pub role: Role,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    /// Whether the key is valid now.
    pub valid: bool,
}

impl KeyEntry {
    pub fn of(key: &ApiKey, now: DateTime<Utc>) -> Self {
        Self {
            id: key.id.clone(),
            name: key.name.clone(),
            role: key.role,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            valid: key.is_valid(now),
        }
    }
}

/// A new key with its secret text, which cannot be shown again.
#[derive(Serialize, ToSchema)]
pub struct NewKey {
    #[serde(flatten)]
    pub entry: KeyEntry,
    /// The text that callers send.
    pub key: String,
}

/// All keys, revoked and expired ones too, oldest first.
///
/// Each with its role and its end. The secret texts are not stored.
#[utoipa::path(get, path = "/keys", operation_id = "list_keys", tag = "service",
    responses((status = 200, description = "The keys", body = Vec<KeyEntry>)))]
pub(super) async fn list(state: Data<State>) -> Result<HttpResponse, Problem> {
    let now = state.handle.options().clock.now();
    let keys = state.handle.store().keys().await?;
    Ok(HttpResponse::Ok().json(keys.iter().map(|key| KeyEntry::of(key, now)).collect::<Vec<_>>()))
}

/// Creates a key and shows it; it cannot be shown again.
///
/// While there is no key, access from this machine is open. The first key ends that, so it should be an admin's.
#[utoipa::path(post, path = "/keys", operation_id = "create_key", tag = "service", request_body = KeyRequest,
    responses(
        (status = 201, description = "The key with its text", body = NewKey),
        (status = 422, description = "Every bad field is named", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn create(state: Data<State>, request: HttpRequest, body: Body) -> Result<HttpResponse, Problem> {
    let wanted = wanted(&body)?;
    let Made { text, key } = make_key(&state, &request, wanted).await?;
    let now = state.handle.options().clock.now();
    let made = NewKey { entry: KeyEntry::of(&key, now), key: text.reveal().to_owned() };
    let mut response = HttpResponse::Created().insert_header((header::CACHE_CONTROL, "no-store")).json(made);
    auth::note(&mut response, "key", &key.id);
    Ok(response)
}

/// Reads the request for a key.
pub(super) fn wanted(bytes: &[u8]) -> Result<KeyRequest, Problem> {
    let document = body::json(bytes)?;
    let mut fields = Fields::new(&document, "a key")?;
    let wanted = KeyRequest {
        role: fields.word("role", Role::Viewer),
        name: fields.optional_text("name", limits::KEY_NAME),
        expires_in_days: match fields.get("expires_in_days") {
            None | Some(serde_json::Value::Null) => None,
            Some(_) => Some(fields.whole("expires_in_days", 1, 1, 36_525)),
        },
    };
    if document.get("role").is_none() {
        fields.fault("role", "`role` is missing; client, viewer, operator or admin is needed");
    }
    if let Some(fault) = wanted.name.as_deref().and_then(name_fault) {
        fields.fault("name", format!("`name`: {fault}"));
    }
    Ok(fields.finish(wanted)?)
}

/// Creates the requested key.
///
/// # Errors
/// Those of the store.
pub(super) async fn make_key(state: &State, request: &HttpRequest, wanted: KeyRequest) -> Result<Made, Problem> {
    let now = state.handle.options().clock.now();
    let expires_at = wanted.expires_in_days.map(|days| now + TimeDelta::days(i64::from(days)));
    let who = auth::by(request).unwrap_or_default();
    Ok(make(state.handle.store(), &who, wanted.role, wanted.name, expires_at, now).await?)
}

/// Revokes a key now.
///
/// The key stops working within two seconds. A revoked key stays in the list.
#[utoipa::path(delete, path = "/keys/{key_id}", operation_id = "revoke_key", tag = "service",
    params(("key_id" = String, Path, description = "The key's id, as `GET /keys` lists it")),
    responses(
        (status = 200, description = "The key", body = KeyEntry),
        (status = 404, description = "No such key", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn end(state: Data<State>, request: HttpRequest, path: Path<String>) -> Result<HttpResponse, Problem> {
    let key = end_key(&state, &request, &path).await?;
    Ok(HttpResponse::Ok().json(KeyEntry::of(&key, state.handle.options().clock.now())))
}

/// Revokes the key with this id.
///
/// # Errors
/// 404 if there is none.
pub(super) async fn end_key(state: &State, request: &HttpRequest, id: &str) -> Result<ApiKey, Problem> {
    if !limits::fits(id, limits::ID) {
        return Err(Problem::not_found("key", &brief(id, 80)));
    }
    let now = state.handle.options().clock.now();
    let who = auth::by(request).unwrap_or_default();
    Ok(revoke(state.handle.store(), &who, id, now, now).await?)
}
