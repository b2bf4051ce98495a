//! What all streams of server-sent events share: the limit per caller, resumption, and the response.

use super::code::Code;
use super::connection_limit::LimitSlot;
use super::problem::Problem;
use super::{State, auth};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{Stream, StreamExt};
use provost_domain::limits;
use std::convert::Infallible;

/// Counts one more stream of this caller, until the slot is dropped.
///
/// # Errors
/// 429 if the caller has as many streams open as are allowed.
pub fn slot(state: &State, request: &HttpRequest) -> Result<LimitSlot<String>, Problem> {
    state.streams.take_slot(auth::owner(request)).ok_or_else(|| {
        let detail = format!("this caller has {} event streams open, the most that are allowed", limits::EVENT_STREAMS);
        Problem::new(Code::TooManyStreams, detail).with_header("retry-after", "10".to_owned())
    })
}

/// The number of the last event that the client has received; 0 for a new stream.
pub fn last_event(request: &HttpRequest) -> u64 {
    request.headers().get("last-event-id").and_then(|v| v.to_str().ok()?.trim().parse().ok()).unwrap_or(0)
}

/// Answers with the events as they come. Proxies must not buffer them.
pub fn respond(events: impl Stream<Item = Bytes> + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(events.map(Ok::<_, Infallible>))
}
