//! `/system/messages`: messages that could not be processed. They are shown without being removed, and returned to
//! their queues or dropped with a reason.

use super::form::{Form, Wrong};
use super::shell::{Section, Shell};
use super::text::{Mark, Moment, count, counted, shown};
use super::{PageError, State, html, render, respond};
use crate::http::auth;
use crate::http::code::Code;
use crate::http::page::encode;
use crate::http::parked::{Act, deal, on_queue, whole};
use crate::http::problem::{Problem, only, readable};
use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, Utc};
use provost_actors::bridge::parked::{Outcome, Parked};
use provost_domain::limits;
use serde_json::Value;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/system/messages")
                .route(readable().to(page))
                .route(web::post().to(act))
                .default_service(only("GET, HEAD, POST")),
        )
        .service(web::resource("/system/messages/one").route(readable().to(one)).default_service(only("GET, HEAD")));
}

/// Messages that the page lists.
const SHOWN: u32 = 50;

struct Row {
    id: String,
    path: String,
    at: Option<Moment>,
    queue: String,
    reason: String,
    detail: String,
    bytes: String,
}

impl Row {
    fn of(message: Parked, now: DateTime<Utc>) -> Self {
        let at = message.at.as_deref().and_then(|at| DateTime::parse_from_rfc3339(at).ok());
        Self {
            path: format!("/system/messages/one?id={}", encode(&message.id)),
            at: at.map(|at| Moment::new(at.with_timezone(&Utc), now)),
            queue: shown(&message.queue),
            reason: shown(&message.reason).replace('_', " "),
            detail: shown(&message.detail),
            bytes: count(message.bytes as u64),
            id: message.id,
        }
    }
}

/// The result for one message.
struct Done {
    id: String,
    mark: Mark,
    text: String,
}

#[derive(Template)]
#[template(path = "messages/page.html")]
struct Page {
    shell: Shell,
    heading: String,
    /// Why no messages can be listed.
    away: Option<String>,
    rows: Vec<Row>,
    more: u32,
    done: Vec<Done>,
    wrong: Vec<Wrong>,
    reason: String,
}

async fn show(
    state: &State,
    request: &HttpRequest,
    done: Vec<Done>,
    wrong: Vec<Wrong>,
    reason: String,
) -> Result<Page, PageError> {
    let now = state.handle.options().clock.now();
    let (messages, total, away) = match on_queue(state, async |queue| queue.list(SHOWN).await).await {
        Ok((messages, total)) => (messages, total, None),
        Err(problem) if matches!(problem.code, Code::NoBus | Code::BusUnavailable) => {
            (Vec::new(), 0, Some(shown(&problem.detail)))
        }
        Err(problem) => return Err(problem.into()),
    };
    let heading = match (&away, total) {
        (Some(_), _) => "Messages set aside".to_owned(),
        (None, 0) => "No message is set aside".to_owned(),
        (None, n) => format!("{} set aside", counted(u64::from(n), "message")),
    };
    let mark = if total > 0 { Mark::ASIDE.shape } else { Mark::DONE.shape };
    Ok(Page {
        shell: Shell::of(request, Section::System, format!("{mark} {heading}")),
        heading,
        away,
        more: total.saturating_sub(messages.len() as u32),
        rows: messages.into_iter().map(|message| Row::of(message, now)).collect(),
        done,
        wrong,
        reason,
    })
}

async fn page(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    html(&show(&state, &request, Vec::new(), Vec::new(), String::new()).await?)
}

fn done(outcome: Outcome, act: Act) -> Vec<Done> {
    let word = if act == Act::Return { "returned to its queue" } else { "dropped" };
    let dealt = outcome.done.into_iter().map(|id| (id, Mark::DONE, word.to_owned()));
    let stayed = outcome.stayed.into_iter().map(|(id, why)| (id, Mark::FAILED, format!("stays: {}", shown(&why))));
    let missing = outcome.missing.into_iter().map(|id| (id, Mark::FAILED, "is not there any more".to_owned()));
    dealt.chain(stayed).chain(missing).map(|(id, mark, text)| Done { id: shown(&id), mark, text }).collect()
}

async fn act(state: Data<State>, request: HttpRequest, form: Form) -> Result<HttpResponse, PageError> {
    let ids: Vec<String> = form.all("ids").take(limits::PARKED_IDS).map(str::to_owned).collect();
    let act = if form.get("act") == Some("drop") { Act::Drop } else { Act::Return };
    let mut wrong = Vec::new();
    if ids.is_empty() {
        wrong.push(Wrong { field: "messages".to_owned(), message: "Tick the messages that you mean.".to_owned() });
    }
    let reason = form.reason();
    if reason.is_err() {
        let message = "A reason is needed, of at most 1,000 characters: the audit log keeps it.".to_owned();
        wrong.push(Wrong { field: "reason".to_owned(), message });
    }
    let (Ok(reason), true) = (reason, wrong.is_empty()) else {
        let entered = form.get("reason").unwrap_or_default().to_owned();
        let page = show(&state, &request, Vec::new(), wrong, entered).await?;
        return Ok(respond(StatusCode::UNPROCESSABLE_ENTITY, render(&page)?));
    };
    let outcome = deal(&state, &ids, act).await?;
    let dealt = outcome.done.join(" ");
    let page = show(&state, &request, done(outcome, act), Vec::new(), String::new()).await?;
    let mut response = html(&page)?;
    auth::note(&mut response, "reason", &reason);
    auth::note(&mut response, "messages", &dealt);
    Ok(response)
}

#[derive(Template)]
#[template(path = "messages/one.html")]
struct One {
    shell: Shell,
    id: String,
    facts: Vec<(&'static str, String)>,
    headers: Vec<(String, String)>,
    body: String,
}

async fn one(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let whole = whole(&state, &request).await?;
    let message = &whole.message;
    let body = match &whole.body {
        Value::String(text) => text.clone(),
        json => serde_json::to_string_pretty(json).map_err(Problem::unwritable)?,
    };
    let some = |text: &Option<String>| text.as_deref().map(shown).unwrap_or_default();
    html(&One {
        shell: Shell::of(&request, Section::System, format!("{} Message", Mark::ASIDE.shape)),
        id: shown(&message.id),
        facts: vec![
            ("Reason", shown(&message.reason).replace('_', " ")),
            ("Detail", shown(&message.detail)),
            ("Queue", shown(&message.queue)),
            ("Routing key", some(&message.routing_key)),
            ("Exchange", some(&message.exchange)),
            ("Set aside at", some(&message.at)),
            ("Attempts", message.attempts.map(|n| n.to_string()).unwrap_or_default()),
            ("Bytes", count(message.bytes as u64)),
            ("Content type", some(&whole.content_type)),
        ],
        headers: whole.headers.iter().map(|(name, value)| (shown(name), shown(value))).collect(),
        body: body.lines().map(shown).collect::<Vec<_>>().join("\n"),
    })
}
