//! `Idempotency-Key`: the same key and request answer the stored response.

use super::State;
use super::problem::{Problem, key_reused};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::{HttpRequest, HttpResponse};
use provost_domain::limits;
use provost_store::StoredResponse;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

/// Keys whose first request is still being answered.
#[derive(Default)]
pub struct InFlight(Mutex<HashSet<String>>);

struct Claim<'a>(&'a InFlight, String);

impl InFlight {
    fn claim(&self, key: &str) -> Option<Claim<'_>> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.to_owned()).then(|| Claim(self, key.to_owned()))
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// The request's key, if it sent one, with the hash of method, path, query and body.
pub fn key_of(request: &HttpRequest, body: &[u8]) -> Result<Option<(String, String)>, Problem> {
    let Some(value) = request.headers().get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().unwrap_or_default().trim();
    if key.is_empty() || key.len() > limits::IDEMPOTENCY_KEY || !key.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
    {
        let allowed = format!("Idempotency-Key: 1 to {} visible ASCII characters are allowed", limits::IDEMPOTENCY_KEY);
        return Err(Problem::invalid("", allowed));
    }
    let mut hash = Sha256::new();
    for part in [request.method().as_str().as_bytes(), request.uri().to_string().as_bytes(), body] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let hex = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    Ok(Some((key.to_owned(), hex)))
}

/// The response as it was given the first time.
pub fn repeat(stored: &StoredResponse) -> HttpResponse {
    answer(stored, true)
}

/// A response as it is stored, so that the first answer and its repetitions are the same.
pub fn answer(stored: &StoredResponse, repeated: bool) -> HttpResponse {
    let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK);
    let mut response = HttpResponse::build(status);
    if repeated {
        response.insert_header(("idempotent-replay", "true"));
    }
    if let Some(Ok(location)) = stored.location.as_deref().map(HeaderValue::from_str) {
        response.insert_header((LOCATION, location));
    }
    response.json(&stored.body)
}

/// Runs `action` at most once per key; its successful answer is stored and repeated, its problems are not.
pub async fn once(
    state: &State,
    request: &HttpRequest,
    body: &[u8],
    action: impl Future<Output = Result<(StatusCode, Value), Problem>>,
) -> Result<HttpResponse, Problem> {
    let Some((key, request_hash)) = key_of(request, body)? else {
        let (status, body) = action.await?;
        return Ok(HttpResponse::build(status).json(body));
    };
    let Some(_claim) = state.keys.claim(&key) else {
        return Err(Problem::new(StatusCode::CONFLICT, "a request with this Idempotency-Key is still being answered"));
    };
    let store = state.handle.store();
    let now = state.handle.options().clock.now();
    if let Some(known) = store.stored_response(&key, now).await? {
        return if known.request_hash == request_hash { Ok(repeat(&known)) } else { Err(key_reused()) };
    }
    let (status, body) = action.await?;
    let response = StoredResponse { key, request_hash, status: status.as_u16(), location: None, body, at: now };
    let stored = store.store_response(response).await?;
    Ok(HttpResponse::build(status).json(stored.body))
}
