//! `/needs`: what needs a person, and what was dealt with. The overview shows the open needs.

use super::form::Form;
use super::shell::{Section, Shell, is_own};
use super::text::{Mark, Moment, algorithm, counted, said, short, shown};
use super::{PageError, State, html, see};
use crate::http::needs::{record_acknowledgement, record_snooze, state_of};
use crate::http::page::{Query, cursor_fault, encode};
use crate::http::problem::{Problem, only, readable};
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, Utc};
use provost_domain::limits;
use provost_domain::need::{Need, NeedKind, NeedState};
use provost_domain::status::ComponentStatus;
use std::collections::BTreeMap;

/// Needs that the overview shows.
const SHOWN: u32 = 8;
const PAGE: u32 = 40;
/// For how many hours a need is hidden if the form names no number.
const SNOOZE: u32 = 24;

pub fn routes(config: &mut web::ServiceConfig) {
    let post = |path: &str| web::resource(path.to_owned()).default_service(only("POST"));
    config
        .service(web::resource("/needs").route(readable().to(page)).default_service(only("GET, HEAD")))
        .service(post("/needs/{need_id}/acknowledge").route(web::post().to(acknowledge)))
        .service(post("/needs/{need_id}/snooze").route(web::post().to(snooze)));
}

pub struct NeedRow {
    pub id: String,
    pub mark: Mark,
    pub fact: String,
    pub detail: String,
    pub since: Moment,
    /// The page on which the need is dealt with.
    pub path: String,
    pub action: &'static str,
    /// Whether the need only has to be acknowledged.
    pub is_note: bool,
    /// What was done about the need; empty while it is open.
    pub outcome: String,
}

impl NeedRow {
    fn of(need: &Need, now: DateTime<Utc>) -> Self {
        let subject = encode(&need.subject);
        let (mark, path, action, is_note) = match need.kind {
            NeedKind::JobFailed => (Mark::FAILED, format!("/jobs/{subject}"), "See why", true),
            NeedKind::ApprovalAwaited => (Mark::NEEDS, format!("/decisions/{subject}"), "Decide", false),
            NeedKind::NoServingModel => (Mark::NEEDS, "/models".to_owned(), "Choose one", false),
            NeedKind::MessagesSetAside => (Mark::ASIDE, "/system/messages".to_owned(), "See them", false),
            NeedKind::ComponentUnwell => (Mark::NEEDS, format!("/system#{subject}"), "Look", false),
            NeedKind::DriftAlarm => (Mark::NEEDS, "/watch".to_owned(), "See how", true),
        };
        Self {
            id: need.need_id.clone(),
            mark,
            fact: shown(&need.fact),
            detail: said(&need.detail),
            since: Moment::new(need.since, now),
            path,
            action,
            is_note,
            outcome: outcome(need, now),
        }
    }
}

fn outcome(need: &Need, now: DateTime<Utc>) -> String {
    let by = |by: &Option<String>| by.as_deref().map(|by| format!(" by {}", shown(by))).unwrap_or_default();
    let why = |why: &Option<String>| why.as_deref().map(|why| format!(": {}", shown(why))).unwrap_or_default();
    match need.state(now) {
        NeedState::Open => String::new(),
        NeedState::Snoozed => {
            let until = need.snoozed_until.map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
            let who = need.snoozed.as_ref().map(|dealing| by(&dealing.by)).unwrap_or_default();
            format!("snoozed{who} until {until}")
        }
        NeedState::Acknowledged => need.acknowledged.as_ref().map_or_else(String::new, |dealing| {
            format!("acknowledged{} {}{}", by(&dealing.by), Moment::new(dealing.at, now).relative, why(&dealing.reason))
        }),
        NeedState::Withdrawn => {
            let at = need.withdrawn_at.map(|at| Moment::new(at, now).relative).unwrap_or_default();
            format!("gone {at}")
        }
    }
}

/// The newest open needs, and how many there are in all.
pub struct Open {
    pub rows: Vec<NeedRow>,
    pub count: u64,
}

pub async fn open(state: &State, now: DateTime<Utc>) -> Result<Open, PageError> {
    let store = state.handle.store();
    let (found, count) = tokio::try_join!(store.needs(Some(NeedState::Open), now, None, SHOWN), store.open_needs(now))?;
    Ok(Open { rows: found.items.iter().map(|need| NeedRow::of(need, now)).collect(), count })
}

/// `2 things need you`
pub fn sentence(needs: u64, running: usize) -> String {
    match needs {
        0 if running == 0 => "All is well. Nothing needs you.".to_owned(),
        0 => format!("All is well. {} at work; nothing needs you.", counted(running as u64, "job")),
        1 => "1 thing needs you.".to_owned(),
        n => format!("{n} things need you."),
    }
}

struct Tab {
    path: String,
    name: &'static str,
    is_current: bool,
}

#[derive(Template)]
#[template(path = "needs/page.html")]
struct Page {
    shell: Shell,
    sentence: String,
    tabs: Vec<Tab>,
    rows: Vec<NeedRow>,
    is_open: bool,
    next: Option<String>,
}

async fn page(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let mut query = Query::of(&request);
    let (cursor, wanted) = (query.cursor(), state_of(&mut query));
    query.check()?;
    let (store, now) = (state.handle.store(), state.handle.options().clock.now());
    let found = store.needs(Some(wanted), now, cursor.as_deref(), PAGE).await.map_err(cursor_fault)?;
    let count = store.open_needs(now).await?;
    let tabs = [
        (NeedState::Open, "Open"),
        (NeedState::Snoozed, "Snoozed"),
        (NeedState::Acknowledged, "Acknowledged"),
        (NeedState::Withdrawn, "Gone by themselves"),
    ];
    let title = if count == 0 { "Needs you".to_owned() } else { format!("▲ {count} · Needs you") };
    let mut shell = Shell::of(&request, Section::Overview, title);
    (shell.is_needed, shell.needed) = (count > 0, count);
    html(&Page {
        shell,
        sentence: match count {
            0 => "Nothing needs you.".to_owned(),
            count => sentence(count, 0),
        },
        tabs: tabs
            .map(|(one, name)| Tab { path: format!("/needs?state={one}"), name, is_current: one == wanted })
            .into(),
        rows: found.items.iter().map(|need| NeedRow::of(need, now)).collect(),
        is_open: matches!(wanted, NeedState::Open | NeedState::Snoozed),
        next: found.next.map(|next| format!("/needs?state={wanted}&cursor={}", encode(&next))),
    })
}

/// The reason, if one was given.
fn reason(form: &Form) -> Result<Option<String>, PageError> {
    let reason = form.get("reason").map(str::trim).map(str::to_owned);
    match reason.as_deref().is_none_or(|reason| limits::fits(reason, limits::REASON)) {
        true => Ok(reason),
        false => {
            let message = format!("the reason has more than {} characters", limits::REASON);
            Err(Problem::invalid("/reason", message).into())
        }
    }
}

/// For how many hours the need is hidden.
fn hours(form: &Form) -> Result<u32, PageError> {
    let Some(text) = form.get("hours") else { return Ok(SNOOZE) };
    let most = limits::SNOOZE_HOURS;
    let hours = text.trim().parse().ok().filter(|hours| (1..=most as u32).contains(hours));
    hours.ok_or_else(|| Problem::invalid("/hours", format!("hours: a whole number from 1 to {most} is allowed")).into())
}

/// Redirects to the page that had the form.
fn back(form: &Form, done: &str) -> HttpResponse {
    let path = form.get("back").filter(|path| is_own(path)).unwrap_or("/needs");
    let path = path.split(['?', '#']).next().unwrap_or("/needs");
    see(&format!("{path}?done={done}"))
}

async fn acknowledge(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    record_acknowledgement(&state, &request, &path, reason(&form)?).await?;
    Ok(back(&form, "acknowledged"))
}

async fn snooze(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    record_snooze(&state, &request, &path, hours(&form)?, reason(&form)?).await?;
    Ok(back(&form, "snoozed"))
}

pub type Components = BTreeMap<String, ComponentStatus>;

/// A number in an actor's state; 0 if there is none.
pub fn told(components: &Components, name: &str, pointer: &str) -> u64 {
    components.get(name).and_then(|component| component.state.pointer(pointer)?.as_u64()).unwrap_or(0)
}

/// A model's algorithm and the end of its id.
pub fn name_of(id: &str) -> String {
    let name = id.strip_prefix("model_").and_then(|rest| rest.rsplit_once('_')).map_or("", |(name, _)| name);
    let name = provost_domain::Algorithm::parse(name).map_or("Model", algorithm);
    format!("{name} {}", short(id))
}
