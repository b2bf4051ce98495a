//! `Idempotency-Key`: the same key and request of one caller answer the stored response.

use super::auth;
use super::body::Body;
use super::code::Code;
use super::problem::{Problem, key_reused};
use super::{State, send};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, TimeDelta, Utc};
use provost_actors::{KeyedRequest, WrittenResponse};
use provost_domain::limits;
use provost_store::{RESPONSE_LIFETIME_HOURS, ResponsesHeld, StoredResponse};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

/// Keys whose first request is still being answered.
#[derive(Default)]
pub struct InFlight(Mutex<HashSet<(String, String)>>);

struct Claim<'a>(&'a InFlight, (String, String));

impl InFlight {
    fn claim(&self, asked: &KeyedRequest) -> Option<Claim<'_>> {
        let key = (asked.owner.clone(), asked.key.clone());
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.clone()).then(|| Claim(self, key))
    }

    fn of(&self, owner: &str) -> u64 {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().filter(|(of, _)| of == owner).count() as u64
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// A request's key before its body is known.
pub struct Key {
    owner: String,
    key: String,
    method: String,
    address: String,
}

impl Key {
    /// The key with its caller, which separates the requests of different callers.
    pub fn name(&self) -> String {
        format!("{}:{}", self.owner, self.key)
    }

    /// Adds the hash of method, path, query and body.
    pub fn with(self, body: &[u8]) -> KeyedRequest {
        let mut hash = Sha256::new();
        for part in [self.method.as_bytes(), self.address.as_bytes(), body] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let request_hash = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        KeyedRequest { owner: self.owner, key: self.key, request_hash }
    }
}

/// Parses a body; and the request that the stored response belongs to, if an `Idempotency-Key` was sent.
///
/// # Errors
/// Those of `parse`; 422 for a malformed key.
pub async fn document<T: Send + 'static>(
    state: &State,
    request: &HttpRequest,
    body: Body,
    parse: impl FnOnce(&[u8]) -> Result<T, Problem> + Send + 'static,
) -> Result<(T, Option<KeyedRequest>), Problem> {
    let key = key_of(request)?;
    body.document(state, move |bytes| Ok((parse(bytes)?, key.map(|key| key.with(bytes))))).await
}

/// The request's key, if it sent one.
pub fn key_of(request: &HttpRequest) -> Result<Option<Key>, Problem> {
    let Some(value) = request.headers().get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().unwrap_or_default().trim();
    if key.is_empty() || key.len() > limits::IDEMPOTENCY_KEY || !key.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
    {
        let allowed = format!("Idempotency-Key: 1 to {} visible ASCII characters are allowed", limits::IDEMPOTENCY_KEY);
        return Err(Problem::invalid("", allowed));
    }
    Ok(Some(Key {
        owner: auth::owner(request),
        key: key.to_owned(),
        method: request.method().to_string(),
        address: request.uri().to_string(),
    }))
}

/// The response as it was given the first time.
pub fn repeat(stored: &StoredResponse) -> HttpResponse {
    let StoredResponse { status, location, body, .. } = stored.clone();
    let mut response = answer(&WrittenResponse { status, location, body });
    response.headers_mut().insert(REPLAY, HeaderValue::from_static("true"));
    response
}

const REPLAY: actix_web::http::header::HeaderName =
    actix_web::http::header::HeaderName::from_static("idempotent-replay");

/// A response as it is stored, so that the first answer and its repetitions are equal.
pub fn answer(stored: &WrittenResponse) -> HttpResponse {
    let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK);
    let mut response = HttpResponse::build(status);
    if let Some(Ok(location)) = stored.location.as_deref().map(HeaderValue::from_str) {
        response.insert_header((LOCATION, location));
    }
    response.json(&stored.body)
}

/// Refuses a new key if its caller has as many stored answers as are allowed. `under_way` counts the caller's keys
/// whose answers are not stored yet, this one included.
async fn admit(state: &State, asked: &KeyedRequest, under_way: u64, now: DateTime<Utc>) -> Result<(), Problem> {
    let held = state.handle.store().responses_held(&asked.owner, now).await?;
    match beyond(&held, under_way) {
        None => Ok(()),
        Some(what) => {
            let detail = format!(
                "this caller has {what} in {RESPONSE_LIFETIME_HOURS} hours, which is as much as may be stored; send the \
                 request without an Idempotency-Key, or later"
            );
            let free = held.oldest.unwrap_or(now) + TimeDelta::hours(RESPONSE_LIFETIME_HOURS) - now;
            let wait = free.num_seconds().max(1).to_string();
            Err(Problem::new(Code::TooManyIdempotencyKeys, detail).with_header("retry-after", wait))
        }
    }
}

/// The limit that the caller has reached, if any.
fn beyond(held: &ResponsesHeld, under_way: u64) -> Option<String> {
    if held.keys + under_way > limits::IDEMPOTENCY_KEYS as u64 {
        return Some(format!("{} idempotency keys", held.keys));
    }
    (held.bytes >= limits::IDEMPOTENCY_BYTES as u64)
        .then(|| format!("{} bytes of answers to {} idempotency keys", held.bytes, held.keys))
}

/// Checks that a training request may proceed: its key is known, or there is room for it. The job's creation stores the
/// answer.
pub async fn admit_training(state: &State, asked: &KeyedRequest) -> Result<(), Problem> {
    let now = state.handle.options().clock.now();
    match asked.answered(&**state.handle.store(), now).await? {
        Some(_) => Ok(()),
        None => admit(state, asked, 1, now).await,
    }
}

/// Runs `action` at most once per key. A successful answer is stored and repeated; a problem is not stored. `long`: the
/// answer may be long, so the compute threads write it. That can fail with 503 after `action` is done, so such an
/// action must have no effect besides its answer.
pub async fn once<T: Serialize + Send + 'static>(
    state: &State,
    asked: Option<KeyedRequest>,
    long: bool,
    action: impl Future<Output = Result<(StatusCode, T), Problem>>,
) -> Result<HttpResponse, Problem> {
    let Some(asked) = asked else {
        let (status, body) = action.await?;
        return if long { send(state, status, body).await } else { Ok(HttpResponse::build(status).json(body)) };
    };
    let Some(_claim) = state.keys.claim(&asked) else {
        return Err(Problem::new(
            Code::IdempotencyKeyInProgress,
            "a request with this Idempotency-Key is still being answered",
        ));
    };
    let store = state.handle.store();
    let now = state.handle.options().clock.now();
    if let Some(known) = asked.answered(&**store, now).await? {
        if known.request_hash != asked.request_hash {
            return Err(key_reused());
        }
        return if long {
            state.compute.run(move || Repeated::of(&known)).await?.respond()
        } else {
            Ok(repeat(&known))
        };
    }
    admit(state, &asked, state.keys.of(&asked.owner), now).await?;
    let (status, body) = action.await?;
    let value = move || serde_json::to_value(&body).map_err(Problem::unwritable);
    let body: Value = if long { state.compute.run(value).await?? } else { value()? };
    let response = StoredResponse {
        key: asked.stored_key(),
        owner: asked.owner,
        request_hash: asked.request_hash,
        status: status.as_u16(),
        location: None,
        body,
        at: now,
    };
    let stored = store.store_response(response).await?;
    if long { send(state, status, stored.body).await } else { Ok(HttpResponse::build(status).json(stored.body)) }
}

/// A stored response as text, written by the compute threads.
struct Repeated {
    status: u16,
    text: String,
}

impl Repeated {
    fn of(stored: &StoredResponse) -> Self {
        Self { status: stored.status, text: stored.body.to_string() }
    }

    fn respond(self) -> Result<HttpResponse, Problem> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = HttpResponse::build(status);
        Ok(response.insert_header((REPLAY, "true")).content_type("application/json").body(self.text))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_store::ResponseStore;

    #[test]
    fn keys_and_bytes_of_one_caller_are_bounded() {
        let held = |keys: u64, bytes: u64| ResponsesHeld { keys, bytes, oldest: None };
        let (keys, bytes) = (limits::IDEMPOTENCY_KEYS as u64, limits::IDEMPOTENCY_BYTES as u64);
        assert_eq!(beyond(&held(0, 0), 1), None);
        assert_eq!(beyond(&held(keys - 1, bytes - 1), 1), None);
        assert!(beyond(&held(keys, 0), 1).is_some_and(|what| what.contains("10000 idempotency keys")));
        assert!(beyond(&held(keys - 1, 0), 2).is_some(), "those under way count");
        assert!(beyond(&held(3, bytes), 1).is_some_and(|what| what.contains("bytes of answers to 3")));
    }

    #[actix_web::test]
    async fn what_an_older_version_stored_answers_the_same_request_only() {
        let (folder, now) = (tempfile::tempdir().unwrap(), DateTime::UNIX_EPOCH);
        let store = provost_store::SqliteStore::open(folder.path(), now).unwrap();
        let asked = |owner: &str, hash: &str| KeyedRequest {
            owner: owner.to_owned(),
            key: "k".to_owned(),
            request_hash: hash.to_owned(),
        };
        let response = |key: String, owner: &str, status| StoredResponse {
            key,
            owner: owner.to_owned(),
            request_hash: "h".to_owned(),
            status,
            location: None,
            body: Value::Null,
            at: now,
        };
        store.store_response(response("k".to_owned(), "", 202)).await.unwrap();
        let status = async |asked: KeyedRequest| asked.answered(&store, now).await.unwrap().map(|known| known.status);
        assert_eq!(status(asked("key_1", "h")).await, Some(202));
        assert_eq!(status(asked("key_1", "other")).await, None, "it is nobody's");
        store.store_response(response(asked("key_2", "h").stored_key(), "key_2", 200)).await.unwrap();
        assert_eq!(status(asked("key_2", "other")).await, Some(200), "one's own key is answered first");
        assert_eq!(status(asked("key_1", "h")).await, Some(202), "another caller's is not seen");
    }

    #[test]
    fn keys_under_way_are_their_callers() {
        let keys = InFlight::default();
        let asked =
            |owner: &str| KeyedRequest { owner: owner.to_owned(), key: "k".to_owned(), request_hash: String::new() };
        let first = keys.claim(&asked("a"));
        assert!(first.is_some() && keys.claim(&asked("a")).is_none());
        let other = keys.claim(&asked("b"));
        assert_eq!((other.is_some(), keys.of("a"), keys.of("b"), keys.of("c")), (true, 1, 1, 0));
        drop(first);
        assert_eq!(keys.of("a"), 0);
    }
}
