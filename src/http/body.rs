//! Request bodies: bounded while they arrive, then one JSON document.

use super::State;
use super::code::Code;
use super::problem::Problem;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue};
use actix_web::web::{Bytes, BytesMut, Data, Payload};
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use provost_domain::check::brief;
use provost_domain::json::{ReadError, value_from_slice};
use provost_domain::limits;
use serde_json::Value;
use std::fmt::Display;
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit in which the memory for bodies is counted, in bytes.
const UNIT: usize = 1024;

/// The memory for the bodies of all requests of a lane: room for at least eight bodies of the largest allowed size.
pub fn memory(max_body_bytes: usize) -> Arc<Semaphore> {
    memory_of(max_body_bytes.saturating_mul(8).max(limits::BODIES))
}

/// The memory for the bodies of a lane's prediction requests. It is small, because the parsed rows take up to five
/// times a body's size, and a request keeps its part until it is answered.
pub fn prediction_memory(max_body_bytes: usize) -> Arc<Semaphore> {
    memory_of(max_body_bytes.saturating_add(max_body_bytes / 4))
}

fn memory_of(bytes: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS)))
}

/// A whole body, with its part of the memory for bodies.
pub struct Body {
    bytes: Bytes,
    _part: Option<OwnedSemaphorePermit>,
}

impl Deref for Body {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Body {
    /// The result of `read` for this body. A long body is parsed on the compute threads.
    pub async fn document<T: Send + 'static>(
        self,
        state: &State,
        read: impl FnOnce(&[u8]) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        if self.len() <= limits::SMALL_BODY { read(&self) } else { state.compute.run(move || read(&self)).await? }
    }
}

/// The whole body, up to the length that the service allows for requests other than predictions and forms.
///
/// # Errors
/// As [`read`].
impl FromRequest for Body {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        extract(request, payload, usize::MAX)
    }
}

/// The whole body, up to `longest` bytes and up to the length that the service allows. For extractors.
///
/// # Errors
/// As [`read`].
pub fn extract(
    request: &HttpRequest,
    payload: &mut dev::Payload,
    longest: usize,
) -> LocalBoxFuture<'static, Result<Body, Problem>> {
    let (request, payload) = (request.clone(), Payload::from_request(request, payload));
    Box::pin(async move {
        let payload = payload.await.map_err(broken_off)?;
        let allowed = request.app_data::<Data<State>>().map_or(limits::SMALL_BODY, |state| state.max_body_bytes);
        read(&request, payload, longest.min(allowed)).await
    })
}

fn broken_off(error: impl Display) -> Problem {
    Problem::new(Code::BodyIncomplete, format!("the body broke off: {error}"))
}

/// The whole body.
///
/// # Errors
/// 415 for a compressed body, 413 as soon as the body is known to be too large, 408 when it takes too long, 503 if the
/// memory for bodies is used up.
pub async fn read(request: &HttpRequest, payload: Payload, limit: usize) -> Result<Body, Problem> {
    let memory = request.app_data::<Data<State>>().map(|state| state.bodies.current().clone());
    read_within(request, payload, limit, memory).await
}

/// The part of the memory for bodies that a request holds until it is answered.
struct HeldPart(#[allow(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// The whole body of a prediction request, which may be longer than other bodies. These bodies have a memory of their
/// own; the request keeps its part until it is answered.
///
/// # Errors
/// As [`read`].
pub async fn read_large(request: &HttpRequest, payload: Payload, state: &State) -> Result<Body, Problem> {
    let memory = state.prediction_bodies.current().clone();
    let mut body = read_within(request, payload, state.predict.max_body_bytes, Some(memory)).await?;
    if let Some(part) = body._part.take() {
        request.extensions_mut().insert(HeldPart(part));
    }
    Ok(body)
}

/// Refuses a body with a `Content-Encoding`.
///
/// # Errors
/// 415 for such a body.
pub fn refuse_packed(request: &HttpRequest) -> Result<(), Problem> {
    let packed = |value: &&HeaderValue| {
        let value = value.as_bytes().trim_ascii();
        !value.is_empty() && !value.eq_ignore_ascii_case(b"identity")
    };
    let Some(encoding) = request.headers().get_all(CONTENT_ENCODING).find(packed) else { return Ok(()) };
    let encoding = String::from_utf8_lossy(encoding.as_bytes());
    let detail = format!("Content-Encoding {} is not supported; a body is sent as it is", brief(&encoding, 40));
    Err(Problem::new(Code::UnsupportedMediaType, detail).with_header("connection", "close".to_owned()))
}

async fn read_within(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
    memory: Option<Arc<Semaphore>>,
) -> Result<Body, Problem> {
    refuse_packed(request)?;
    let too_large = || {
        Problem::new(Code::BodyTooLarge, format!("the body is larger than the {limit} bytes allowed"))
            .with_header("connection", "close".to_owned())
    };
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|n| n > limit as u64) {
        return Err(too_large());
    }
    let whole = collect(payload, limit, too_large, memory.as_ref());
    let Some(state) = request.app_data::<Data<State>>() else { return whole.await };
    tokio::select! {
        body = whole => body,
        () = state.handle.options().clock.sleep(state.body_timeout) => {
            let detail = format!("the body did not arrive within {:?}", state.body_timeout);
            Err(Problem::new(Code::BodyTimeout, detail).with_header("connection", "close".to_owned()))
        }
    }
}

async fn collect(
    mut payload: Payload,
    limit: usize,
    too_large: impl Fn() -> Problem,
    memory: Option<&Arc<Semaphore>>,
) -> Result<Body, Problem> {
    let mut body = BytesMut::new();
    let mut part: Option<OwnedSemaphorePermit> = None;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(broken_off)?;
        let length = body.len() + chunk.len();
        if length > limit {
            return Err(too_large());
        }
        // Small bodies always have room: there are no more of them than connections.
        let needed = length.saturating_sub(limits::SMALL_BODY).div_ceil(UNIT);
        let held = part.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if let (Some(memory), true) = (memory, needed > held) {
            let more = u32::try_from(needed - held).unwrap_or(u32::MAX);
            let more = memory.clone().try_acquire_many_owned(more).map_err(|_| {
                Problem::unavailable(Code::Busy, "the memory for request bodies is used up; try again", 1)
                    .with_header("connection", "close".to_owned())
            })?;
            match &mut part {
                Some(part) => part.merge(more),
                None => part = Some(more),
            }
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Body { bytes: body.freeze(), _part: part })
}

/// Parses a body; what is no JSON, or has too many values, is a fault of the document itself (pointer "").
pub fn json(body: &[u8]) -> Result<Value, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::invalid("", "the body is empty; a JSON object is needed"));
    }
    value_from_slice(body, limits::JSON_VALUES).map_err(|error| match error {
        ReadError::Json(error) => Problem::invalid("", format!("the body is not JSON: {error}")),
        ReadError::TooMany(most) => {
            let what = "values (texts, numbers, lists, objects and the like)";
            Problem::invalid("", format!("the body has more than {most} {what}; at most {most} are allowed"))
        }
        ReadError::TooManyLists(most) => {
            Problem::invalid("", format!("the body has more than {most} lists and objects; at most {most} are allowed"))
        }
    })
}

/// As [`json`], for a body that may be left out: None for an empty body and for `null`.
pub fn optional_json(body: &[u8]) -> Result<Option<Value>, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    Ok(Some(json(body)?).filter(|document| !document.is_null()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use actix_web::test::TestRequest;
    use provost_domain::limits::JSON_DEPTH;

    #[test]
    fn a_deep_document_is_refused() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(json(nested(JSON_DEPTH).as_bytes()).is_ok());
        let refused = json(nested(JSON_DEPTH + 1).as_bytes());
        assert!(refused.is_err_and(|problem| problem.status == 422));
        assert!(json("[".repeat(1 << 20).as_bytes()).is_err());
    }

    #[test]
    fn a_document_of_too_many_values_is_refused() {
        let list = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
        assert!(json(list(limits::JSON_VALUES).as_bytes()).is_ok());
        let refused = json(list(limits::JSON_VALUES + 1).as_bytes()).err().unwrap();
        assert_eq!(refused.status, 422);
        assert!(refused.errors[0].message.contains("at most 200000 are allowed"), "{}", refused.errors[0].message);
    }

    #[actix_web::test]
    async fn a_packed_body_is_refused() {
        let send = async |encoding: &'static str| {
            let request = TestRequest::post().insert_header((CONTENT_ENCODING, encoding)).set_payload("{}");
            let (request, mut payload) = request.to_http_parts();
            let payload = Payload::from_request(&request, &mut payload).await.unwrap();
            read(&request, payload, 100).await
        };
        assert!(send("identity").await.is_ok());
        let refused = send("gzip").await.err().unwrap();
        assert_eq!(refused.status, 415);
        assert!(refused.detail.contains("Content-Encoding gzip"), "{}", refused.detail);
    }

    #[test]
    fn one_of_the_largest_bodies_of_predictions_has_room() {
        let most = 32 << 20;
        let units = prediction_memory(most).available_permits() * UNIT;
        assert!(units >= most && units < 2 * most, "{units}");
    }

    #[actix_web::test]
    async fn the_bodies_of_all_requests_have_a_bounded_memory() {
        let memory = Arc::new(Semaphore::new(100));
        let send = async |bytes: usize| {
            let (request, mut payload) = TestRequest::post().set_payload(vec![b' '; bytes]).to_http_parts();
            let payload = Payload::from_request(&request, &mut payload).await.unwrap();
            let too_large = || Problem::new(Code::BodyTooLarge, "");
            collect(payload, 1 << 20, too_large, Some(&memory)).await
        };
        let first = send(limits::SMALL_BODY + 90 * UNIT).await.unwrap();
        assert_eq!((first.len(), memory.available_permits()), (limits::SMALL_BODY + 90 * UNIT, 10));
        let refused = send(limits::SMALL_BODY + 11 * UNIT).await.err().unwrap();
        assert_eq!(refused.status, 503);
        assert!(refused.headers.iter().any(|(name, _)| *name == "retry-after"));
        send(limits::SMALL_BODY).await.unwrap();
        drop(first);
        assert_eq!(memory.available_permits(), 100);
        assert_eq!(send((1 << 20) + 1).await.err().unwrap().status, 413);
    }
}
