//! Parked messages: messages from the bus that could not be processed, and the ways to deal with them.

use super::body::Body;
use super::code::Code;
use super::page::Query;
use super::problem::{Problem, only, readable};
use super::{State, auth, body};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use provost_actors::bridge::AmqpError;
use provost_actors::bridge::parked::{Outcome, Parked, ParkingQueue, Which, Whole};
use provost_domain::check::brief;
use provost_domain::fields::{Fields, Texts};
use provost_domain::limits;
use provost_domain::need::{Need, NeedKind, SERVICE};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

pub fn routes(config: &mut web::ServiceConfig) {
    let get = |path: &str| web::resource(path.to_owned()).default_service(only("GET, HEAD"));
    let post = |path: &str| web::resource(path.to_owned()).default_service(only("POST"));
    config
        .service(get("/parked").route(readable().to(list)))
        .service(get("/parked/message").route(readable().to(show)))
        .service(post("/parked/return").route(web::post().to(send_again)))
        .service(post("/parked/drop").route(web::post().to(discard)));
}

/// The ids of messages, and the reason.
// It is read field by field, so that every fault is named; here it is for the OpenAPI document.
#[derive(Serialize, ToSchema)]
pub struct ParkedRequest {
    pub ids: Vec<String>,
    pub reason: String,
}

/// A parked message, without its body.
#[derive(Serialize, ToSchema)]
pub struct ParkedMessage {
    /// The message id, or a hash of reason and body if there is none.
    pub id: String,
    /// When the message was parked; null if the broker parked it.
    pub at: Option<String>,
    /// The queue that the message was sent to.
    pub queue: String,
    pub reason: String,
    pub detail: String,
    pub routing_key: Option<String>,
    pub exchange: Option<String>,
    pub attempts: Option<u32>,
    pub bytes: usize,
}

impl From<Parked> for ParkedMessage {
    fn from(found: Parked) -> Self {
        let Parked { id, at, queue, reason, detail, routing_key, exchange, attempts, bytes } = found;
        Self { id, at, queue, reason, detail, routing_key, exchange, attempts, bytes }
    }
}

/// The oldest parked messages, and how many there are.
#[derive(Serialize, ToSchema)]
pub struct ParkedList {
    pub total: u32,
    pub messages: Vec<ParkedMessage>,
}

/// A parked message with its headers and body.
#[derive(Serialize, ToSchema)]
pub struct WholeMessage {
    #[serde(flatten)]
    pub message: ParkedMessage,
    pub content_type: Option<String>,
    pub headers: BTreeMap<String, String>,
    /// The body: as JSON if it is JSON, else as a text.
    #[schema(value_type = Value)]
    pub body: Value,
}

impl From<Whole> for WholeMessage {
    fn from(whole: Whole) -> Self {
        let body = serde_json::from_slice(&whole.body)
            .unwrap_or_else(|_| String::from_utf8_lossy(&whole.body).into_owned().into());
        Self { message: whole.summary.into(), content_type: whole.content_type, headers: whole.headers, body }
    }
}

/// The result for each message.
#[derive(Serialize, ToSchema)]
pub struct ParkedOutcome {
    /// Ids of messages that were returned or dropped.
    pub done: Vec<String>,
    /// Ids of messages that stayed, with the reason.
    pub stayed: BTreeMap<String, String>,
    /// Ids of which no message is parked.
    pub missing: Vec<String>,
}

impl From<Outcome> for ParkedOutcome {
    fn from(Outcome { done, stayed, missing }: Outcome) -> Self {
        Self { done, stayed, missing }
    }
}

/// The action on messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Return,
    Drop,
}

/// The oldest parked messages, with the reason why each could not be processed.
///
/// The messages stay parked. `total` is the number of all parked messages.
#[utoipa::path(get, path = "/parked", operation_id = "list_parked", tag = "service",
    params(("limit" = Option<u32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200)),
    responses(
        (status = 200, description = "The messages", body = ParkedList),
        (status = 409, description = "There is no bus", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "Bad parameters", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn list(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let limit = query.limit();
    query.check()?;
    let (messages, total) = on_queue(&state, async |queue| queue.list(limit).await).await?;
    let messages = messages.into_iter().map(ParkedMessage::from).collect();
    Ok(HttpResponse::Ok().json(ParkedList { total, messages }))
}

/// One parked message with its headers and body.
///
/// The message stays parked.
#[utoipa::path(get, path = "/parked/message", operation_id = "get_parked", tag = "service",
    params(("id" = String, Query, description = "The message's id, as `GET /parked` lists it", max_length = 512)),
    responses(
        (status = 200, description = "The message", body = WholeMessage),
        (status = 404, description = "No such message is parked", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is no bus", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "Bad parameters", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn show(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(whole(&state, &request).await?))
}

/// The message with the id in the query.
///
/// # Errors
/// 404 where it is not parked, 409 where there is no bus, 422 without an id, 503 where the broker does not answer.
pub(super) async fn whole(state: &State, request: &HttpRequest) -> Result<WholeMessage, Problem> {
    let mut query = Query::of(request);
    let id = query.read("id", String::new(), |id| match limits::fits(id, limits::EVENT_KEY) {
        true => Ok(id.to_owned()),
        false => Err(format!("up to {} characters are allowed", limits::EVENT_KEY)),
    });
    query.check()?;
    if id.is_empty() {
        return Err(Problem::invalid("/id", "query parameter id is missing; the id of a parked message is needed"));
    }
    let found = on_queue(state, async |queue| queue.show(&id).await).await?;
    let missing = || Problem::new(Code::MessageNotFound, format!("no message {} is parked", brief(&id, 80)));
    found.map(WholeMessage::from).ok_or_else(missing)
}

/// Sends parked messages to their queues again.
///
/// Each message is removed from the parking queue once its queue has it. A message that cannot be sent stays parked,
/// with the reason; each id has its result.
#[utoipa::path(post, path = "/parked/return", operation_id = "return_parked", tag = "service", request_body = ParkedRequest,
    responses(
        (status = 200, description = "What became of each", body = ParkedOutcome),
        (status = 409, description = "There is no bus", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "Every bad field is named", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn send_again(state: Data<State>, body: Body) -> Result<HttpResponse, Problem> {
    answer(&state, &body, Act::Return).await
}

/// Removes parked messages for good.
///
/// Each id has its result. The audit log records who did it and why.
#[utoipa::path(post, path = "/parked/drop", operation_id = "drop_parked", tag = "service", request_body = ParkedRequest,
    responses(
        (status = 200, description = "What became of each", body = ParkedOutcome),
        (status = 409, description = "There is no bus", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "Every bad field is named", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn discard(state: Data<State>, body: Body) -> Result<HttpResponse, Problem> {
    answer(&state, &body, Act::Drop).await
}

async fn answer(state: &State, body: &Body, act: Act) -> Result<HttpResponse, Problem> {
    let ParkedRequest { ids, reason } = wanted(body)?;
    let outcome = deal(state, &ids, act).await?;
    let done = outcome.done.join(" ");
    let mut response = HttpResponse::Ok().json(ParkedOutcome::from(outcome));
    auth::note(&mut response, "reason", &reason);
    auth::note(&mut response, "messages", &done);
    Ok(response)
}

/// What a body asks for.
pub(super) fn wanted(bytes: &[u8]) -> Result<ParkedRequest, Problem> {
    let document = body::json(bytes)?;
    let mut fields = Fields::new(&document, "a request about parked messages")?;
    let most = Texts { items: limits::PARKED_IDS, characters: limits::EVENT_KEY };
    let ids = fields.texts("ids", Vec::new(), most);
    let reason = fields.text("reason", String::new(), limits::REASON);
    if ids.is_empty() && !fields.is_faulty("ids") {
        fields.fault("ids", "`ids` is missing; ids of parked messages are needed");
    }
    if reason.trim().is_empty() && !fields.is_faulty("reason") {
        fields.fault("reason", "`reason` is missing; who reads the audit log will ask for it");
    }
    Ok(fields.finish(ParkedRequest { ids, reason })?)
}

/// Returns or drops messages. Once no message is parked, the need that they raised is withdrawn.
///
/// # Errors
/// 409 where there is no bus, 503 where the broker does not answer.
pub(super) async fn deal(state: &State, ids: &[String], act: Act) -> Result<Outcome, Problem> {
    let which = Which::Ids(ids.iter().cloned().collect());
    let (outcome, left) = on_queue(state, async |queue| {
        let outcome = match act {
            Act::Return => queue.replay(&which).await?,
            Act::Drop => queue.discard(&which).await?,
        };
        // The outcome is answered and audited even if the messages that are left cannot be counted.
        Ok((outcome, queue.list(0).await.map(|(_, left)| left).ok()))
    })
    .await?;
    if left == Some(0) {
        let need = Need::id_of(NeedKind::MessagesSetAside, SERVICE);
        if let Err(error) = state.handle.store().withdraw_need(&need, state.handle.options().clock.now()).await {
            tracing::warn!(%error, "the need about parked messages stays");
        }
    }
    Ok(outcome)
}

/// Runs `work` on the parking queue, one request at a time: a message that one request holds is invisible to another.
///
/// # Errors
/// 409 where there is no bus, 503 where the broker does not answer or too many wait.
pub(super) async fn on_queue<T>(
    state: &State,
    work: impl AsyncFnOnce(&ParkingQueue) -> Result<T, AmqpError>,
) -> Result<T, Problem> {
    let bus = state.handle.options().bridge.as_ref();
    let bus = bus.ok_or_else(|| Problem::new(Code::NoBus, "there is no bus: the setting bridge.url is empty"))?;
    let _place = state.parked.place().await?;
    let _alone = state.parking.lock().await;
    let away = |error: AmqpError| Problem::unavailable(Code::BusUnavailable, error.to_string(), 5);
    let queue = ParkingQueue::open(bus).await.map_err(away)?;
    let done = work(&queue).await;
    queue.close().await;
    done.map_err(away)
}
