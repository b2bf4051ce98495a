//! The consumer of requests for predictions: each is answered on an exchange of its own, and acknowledged once the broker has
//! the answer. No request waits for a job, and an answer that nobody listens to is dropped by the broker.

mod request;

use super::amqp::{Intake, Link, Message, Published, Received, Result};
use super::dead_letter;
use super::env::BridgeEnv;
use super::topology::{PREDICT, PREDICTIONS};
use crate::clock::SystemClock;
use crate::failures::Kind;
use crate::pool::Lane;
use crate::retry::{Backoff, Ended, retry};
use crate::serving::{PredictAnswer, PredictionError};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use provost_domain::event::outbound::envelope;
use provost_domain::event::{Refusal, RefusalCode, STRUCTURED};
use provost_store::StoredResponse;
use request::{PredictionRequest, Unreadable};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Requests that are worked on at a time.
const AT_A_TIME: usize = 8;
/// Routing keys of what is answered; the event's type is the same with `.v1`.
const MADE: &str = "admission.prediction.made";
const REFUSED: &str = "admission.prediction.refused";
/// Waits for room in the prediction pool, or for the publisher.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Under which its failures are told.
const COMPONENT: &str = "bridge";
const STORING: &str = "storing answers to predictions";
const PREDICTING: &str = "answering requests for predictions";

/// Consumes until `stop`. An error is the connection's.
pub async fn run(env: &BridgeEnv, link: &Link, mut stop: watch::Receiver<bool>) -> Result<()> {
    let mut intake = link.intake(PREDICT, AT_A_TIME as u16).await?;
    let ended = consume(env, &mut intake, stop.clone()).await;
    // What is not answered goes back to the queue.
    if *stop.borrow_and_update() {
        intake.release().await?;
    }
    ended
}

async fn consume(env: &BridgeEnv, intake: &mut Intake, mut stop: watch::Receiver<bool>) -> Result<()> {
    let mut working = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            Some(settled) = working.next(), if !working.is_empty() => settled?,
            received = intake.next(), if working.len() < AT_A_TIME => working.push(settle(env, received?)),
        }
    }
}

/// What is published for a request before it is acknowledged.
enum Reply {
    /// It expired before its turn.
    Nothing,
    Made(Message),
    /// The refusal, where the sender can be told, and the parked request.
    Refused(Option<Message>, Refusal),
}

async fn settle(env: &BridgeEnv, received: Received) -> Result<()> {
    let Received { message, acker, .. } = received;
    let now = env.clock.now();
    let messages = match reply(env, &message, now).await {
        Reply::Nothing => {
            env.state.count(|c| c.predictions_expired += 1);
            Vec::new()
        }
        Reply::Made(made) => {
            env.state.count(|c| c.predictions_made += 1);
            vec![made]
        }
        Reply::Refused(told, refusal) => {
            tracing::debug!(code = %refusal.code, detail = %refusal.detail, "a request for predictions is refused");
            env.state.count(|c| c.predictions_refused += 1);
            told.into_iter().chain([dead_letter::parked(message, PREDICT, &refusal, now)]).collect()
        }
    };
    publish(env, messages.into_iter().map(Arc::new).collect()).await;
    if !acker.ack(env.bridge.wait).await? {
        env.state.count(|c| c.unacknowledged += 1);
    }
    Ok(())
}

/// Publishes until the broker has all. Answers without a listener are dropped, as is meant.
async fn publish(env: &BridgeEnv, mut messages: Vec<Arc<Message>>) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    while !messages.is_empty() {
        if let Some(outcomes) = env.publisher.publish(messages.clone(), env.bridge.wait).await {
            let arrived = |message: &Message, outcome: &Published| match outcome {
                Published::Confirmed => true,
                Published::Unroutable(_) => message.exchange() == PREDICTIONS,
                Published::Refused => false,
            };
            let left = messages.iter().zip(&outcomes).filter(|(message, outcome)| !arrived(message, outcome));
            messages = left.map(|(message, _)| message.clone()).collect();
        }
        if !messages.is_empty() {
            tokio::time::sleep(backoff.failed()).await;
        }
    }
}

async fn reply(env: &BridgeEnv, message: &Message, now: DateTime<Utc>) -> Reply {
    let request = match request::read(message, env.inbox.max_bytes) {
        Ok(request) => request,
        Err(Unreadable { refusal, sender }) => {
            let told = sender.map(|sender| sender.message(env, REFUSED, now, &refused_data(&refusal, "bad_request")));
            return Reply::Refused(told, refusal);
        }
    };
    if request.sender.expires.is_some_and(|at| at <= now) {
        return Reply::Nothing;
    }
    match stored(env, &request, now).await {
        Some(Ok(event)) => return Reply::Made(request.sender.reply(MADE, &event)),
        Some(Err(refusal)) => return refused(env, &request, now, refusal, "mismatch"),
        None => {}
    }
    let PredictionRequest { asked, options, sender, .. } = &request;
    let applications = Arc::new(asked.applications.clone());
    // A full pool, a store that is away and a model that is being opened are waited for; a panic is not.
    let policy = Backoff::new(FIRST_WAIT, LONGEST_WAIT).policy(|error: &PredictionError, _| {
        if !matches!(error, PredictionError::Busy(_)) && error.may_pass() {
            env.failures.failed(COMPONENT, PREDICTING, Kind::Outage, &error.to_string());
        }
        error.may_pass()
    });
    let expired = async {
        match sender.expires {
            Some(at) => env.clock.sleep((at - now).to_std().unwrap_or_default()).await,
            None => std::future::pending().await,
        }
    };
    // Who asks over the bus is a client.
    let predict = || Lane::Readers.scope(env.predictions.predict(applications.clone(), options.clone()));
    // Real time: it is the pool's and the store's own.
    let predictions = match retry(&SystemClock::new(), policy, expired, predict).await {
        Ok(made) => {
            env.failures.over(COMPONENT, PREDICTING);
            Ok(made)
        }
        Err(Ended::GaveUp(error)) => Err(error),
        Err(Ended::Stopped) => return Reply::Nothing,
    };
    match predictions {
        Ok(predictions) => {
            let answer = PredictAnswer::new(predictions, &asked.numbers, options.coverage, asked.errors.clone());
            let event = sender.event(env, MADE, now, &answer.to_value());
            store(env, &request, &event, now).await;
            Reply::Made(sender.reply(MADE, &event))
        }
        Err(error) => {
            let refusal = Refusal::new(RefusalCode::InvalidData, error.to_string());
            refused(env, &request, now, refusal, code_of(&error))
        }
    }
}

fn code_of(error: &PredictionError) -> &'static str {
    error.code()
}

fn refused_data(refusal: &Refusal, code: &str) -> Value {
    json!({ "code": code, "message": refusal.detail })
}

fn refused(env: &BridgeEnv, request: &PredictionRequest, now: DateTime<Utc>, refusal: Refusal, code: &str) -> Reply {
    Reply::Refused(Some(request.sender.message(env, REFUSED, now, &refused_data(&refusal, code))), refusal)
}

/// The answer that the same request got before, or why this is another request under its id. A store that is away costs no
/// answer: it is made anew.
async fn stored(
    env: &BridgeEnv,
    request: &PredictionRequest,
    now: DateTime<Utc>,
) -> Option<std::result::Result<Value, Refusal>> {
    let read = env.responses.stored_response(&request.stored_key(), now).await;
    env.failures.note(COMPONENT, STORING, &read, Kind::of);
    let known = read.ok().flatten()?;
    if known.request_hash == request.payload_hash {
        return Some(Ok(known.body));
    }
    let detail = "a request of this source and id was answered before, with other data";
    Some(Err(Refusal::new(RefusalCode::Mismatch, detail)))
}

async fn store(env: &BridgeEnv, request: &PredictionRequest, event: &Value, now: DateTime<Utc>) {
    let owner = format!("event:{}", request.sender.source);
    let bytes = event.to_string().len();
    let admitted = env.kept.admit(&*env.responses, &owner, bytes, now).await;
    if !matches!(admitted, Ok(true)) {
        env.failures.note(COMPONENT, STORING, &admitted, Kind::of);
        return;
    }
    let response = StoredResponse {
        key: request.stored_key(),
        owner,
        request_hash: request.payload_hash.clone(),
        status: 200,
        location: None,
        body: event.clone(),
        at: now,
    };
    let stored = env.responses.store_response(response).await;
    env.failures.note(COMPONENT, STORING, &stored, Kind::of);
}

impl request::Sender {
    /// An event that answers this sender's request.
    fn event(&self, env: &BridgeEnv, topic: &str, now: DateTime<Utc>, data: &Value) -> Value {
        let mut event = envelope(&format!("{topic}:{}", self.short_hash()), &env.source, topic, now, data);
        event["causationid"] = json!(self.id);
        if let Some(correlation) = &self.correlation {
            event["correlationid"] = json!(correlation);
        }
        event
    }

    fn message(&self, env: &BridgeEnv, topic: &str, now: DateTime<Utc>, data: &Value) -> Message {
        self.reply(topic, &self.event(env, topic, now, data))
    }

    /// The event on its way to whoever listens under the reply key.
    fn reply(&self, topic: &str, event: &Value) -> Message {
        let key = match &self.reply_key {
            Some(reply_key) => format!("{topic}.{reply_key}"),
            None => topic.to_owned(),
        };
        let id = event["id"].as_str().unwrap_or_default();
        Message::new(PREDICTIONS, &key, STRUCTURED, id, event.to_string().into_bytes())
    }
}
