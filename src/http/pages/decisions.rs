//! `/decisions`: what the gate decided, with its evidence; a candidate that awaits approval is approved or declined here, with
//! a reason.

use super::curl::{self, WITH_REASON};
use super::form::Form;
use super::needs::name_of;
use super::shell::{Section, Shell};
use super::text::{Mark, Moment, activated_by, count, metric, said, short, shown, signed, three};
use super::{PageError, State, again, html, see};
use crate::http::auth;
use crate::http::code::Code;
use crate::http::ids::job_id;
use crate::http::needs::record_acknowledgement;
use crate::http::page::{Query, cursor_fault, encode};
use crate::http::problem::{Problem, only, readable};
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, Utc};
use provost_actors::needs::approval;
use provost_domain::gate::{GateDecision, GateEvidence, GateOutcome};
use provost_domain::need::Need;

pub fn routes(config: &mut web::ServiceConfig) {
    let post = |path: &str| web::resource(path.to_owned()).default_service(only("POST"));
    config
        .service(web::resource("/decisions").route(readable().to(list)).default_service(only("GET, HEAD")))
        .service(web::resource("/decisions/{job_id}").route(readable().to(page)).default_service(only("GET, HEAD")))
        .service(post("/decisions/{job_id}/approve").route(web::post().to(approve)))
        .service(post("/decisions/{job_id}/decline").route(web::post().to(decline)));
}

const PAGE: u32 = 40;

struct Row {
    path: String,
    candidate: String,
    mark: Mark,
    reason: String,
    at: Moment,
}

#[derive(Template)]
#[template(path = "decisions/list.html")]
struct List {
    shell: Shell,
    rows: Vec<Row>,
    next: Option<String>,
}

async fn list(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let mut query = Query::of(&request);
    let cursor = query.cursor();
    query.check()?;
    let now = state.handle.options().clock.now();
    let found = state.handle.store().decisions(None, cursor.as_deref(), PAGE).await.map_err(cursor_fault)?;
    let row = |decision: &GateDecision| Row {
        path: format!("/decisions/{}", decision.job_id),
        candidate: name_of(decision.challenger_id.as_str()),
        mark: Mark::of_decision(decision.outcome),
        reason: said(&decision.reason),
        at: Moment::new(decision.decided_at, now),
    };
    html(&List {
        shell: Shell::of(&request, Section::Models, "Decisions"),
        rows: found.items.iter().map(row).collect(),
        next: found.next.map(|next| format!("/decisions?cursor={}", encode(&next))),
    })
}

/// The gate's evidence as names and values for people.
fn evidence(evidence: &GateEvidence, threshold: f64) -> Vec<(&'static str, String)> {
    let interval = |ends: [f64; 2]| format!("{} to {}", signed(ends[0]), signed(ends[1]));
    let mut facts = vec![
        ("Metric", metric(evidence.metric).to_owned()),
        ("Rows that neither has seen", count(evidence.rows)),
        ("Universities and programs among them", count(evidence.clusters)),
        ("Candidate", three(evidence.challenger_score)),
        ("Serving model then", evidence.champion_score.map_or_else(|| "none".to_owned(), three)),
        ("Improvement", signed(evidence.improvement)),
        ("Lower bound of the improvement", signed(evidence.lower_bound)),
        ("Improvement asked for", signed(threshold)),
        ("Chance of a wrong yes that it may spend", format!("{:.4}", evidence.alpha)),
        ("Decision of the quarter", evidence.look.to_string()),
    ];
    if let Some(delong) = &evidence.delong {
        facts.push(("Difference of the AUCs, 95 % interval", interval(delong.interval_95)));
        facts.push(("DeLong's test, p", format!("{:.3}", delong.p_value)));
    }
    if let Some(mcnemar) = &evidence.mcnemar {
        facts.push(("McNemar's test, p", format!("{:.3}", mcnemar.p_value)));
    }
    facts
}

#[derive(Template)]
#[template(path = "decisions/page.html")]
struct Page {
    shell: Shell,
    curl: String,
    id: String,
    job: (String, String),
    candidate: (String, String),
    champion: Option<(String, String)>,
    mark: Mark,
    reason: String,
    at: Moment,
    facts: Vec<(&'static str, String)>,
    compare: Option<String>,
    /// What happened to a candidate that awaited approval.
    outcome: Option<String>,
    /// Whether the candidate still waits for a person's decision.
    is_open: bool,
    /// Whether the form was sent without a reason.
    lacks_reason: bool,
    /// Whether another model serves now than when the gate decided.
    has_changed: bool,
}

async fn found(state: &State, path: &str) -> Result<GateDecision, PageError> {
    let id = job_id(state, path).await?;
    let decision = state.handle.store().decision(&id).await?;
    let missing = || Problem::new(Code::NotFound, format!("there is no automatic decision on job {id}"));
    Ok(decision.ok_or_else(missing)?)
}

/// What happened to a candidate that awaited approval; None while the candidate waits.
async fn outcome(state: &State, decision: &GateDecision, now: DateTime<Utc>) -> Result<Option<String>, PageError> {
    let store = state.handle.store();
    let id = approval(decision).need_id;
    let (need, activations) = tokio::try_join!(store.need(&id), store.activations(None, 50))?;
    let by = |by: &Option<String>| by.as_deref().map(|by| format!(" by {}", shown(by))).unwrap_or_default();
    let why = |why: &Option<String>| why.as_deref().map(|why| format!(": {}", shown(why))).unwrap_or_default();
    let later = activations.items.iter().rev().find(|activation| activation.activated_at >= decision.decided_at);
    if let Some(activation) = later {
        let at = Moment::new(activation.activated_at, now).relative;
        let what = match activation.model_id == decision.challenger_id {
            true => "Approved: it was activated".to_owned(),
            false => format!("No longer open: {} was activated", name_of(activation.model_id.as_str())),
        };
        let by = activated_by(activation.activated_by.as_deref());
        return Ok(Some(format!("{what} by {by} {at}{}", why(&activation.reason))));
    }
    Ok(need.as_ref().and_then(|need: &Need| need.acknowledged.as_ref()).map(|dealing| {
        let at = Moment::new(dealing.at, now).relative;
        format!("Dealt with{} {at}{}", by(&dealing.by), why(&dealing.reason))
    }))
}

async fn show(state: &State, request: &HttpRequest, path: &str, form: Option<&Form>) -> Result<Page, PageError> {
    let decision = found(state, path).await?;
    let now = state.handle.options().clock.now();
    let waited = decision.outcome == GateOutcome::AwaitsApproval;
    let outcome = if waited { outcome(state, &decision, now).await? } else { None };
    let is_open = waited && outcome.is_none();
    let serving = state.handle.store().active_model().await?;
    let link = |id: &provost_domain::ModelId| (format!("/models/{id}"), name_of(id.as_str()));
    let mark = if waited && !is_open { Mark::DONE } else { Mark::of_decision(decision.outcome) };
    let candidate = link(&decision.challenger_id);
    Ok(Page {
        shell: Shell::of(request, Section::Models, format!("{} {} {}", mark.shape, candidate.1, mark.word)),
        curl: curl::command(request, "POST", &format!("/activate/{}", decision.challenger_id), Some(WITH_REASON)),
        id: decision.job_id.to_string(),
        job: (format!("/jobs/{}", decision.job_id), short(decision.job_id.as_str())),
        candidate,
        champion: decision.champion_id.as_ref().map(link),
        mark,
        reason: said(&decision.reason),
        at: Moment::new(decision.decided_at, now),
        facts: decision.evidence.as_ref().map(|e| evidence(e, decision.improvement_threshold)).unwrap_or_default(),
        compare: serving
            .as_ref()
            .filter(|serving| **serving != decision.challenger_id)
            .map(|serving| format!("/compare?ids={serving}&ids={}", decision.challenger_id)),
        outcome,
        is_open,
        lacks_reason: form.is_some_and(|form| form.reason().is_err()),
        has_changed: is_open && serving != decision.champion_id,
    })
}

async fn page(state: Data<State>, request: HttpRequest, path: Path<String>) -> Result<HttpResponse, PageError> {
    html(&show(&state, &request, &path, None).await?)
}

/// The decision that a form approves or declines. If the reason is missing or the decision is no longer open, the page
/// with its form again.
async fn decided(
    state: &State,
    request: &HttpRequest,
    path: &str,
    form: &Form,
) -> Result<Result<GateDecision, HttpResponse>, PageError> {
    let page = show(state, request, path, Some(form)).await?;
    match again(&page, !page.is_open, page.lacks_reason)? {
        Some(response) => Ok(Err(response)),
        None => Ok(Ok(found(state, path).await?)),
    }
}

async fn approve(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let decision = match decided(&state, &request, &path, &form).await? {
        Ok(decision) => decision,
        Err(page) => return Ok(page),
    };
    state.handle.activate(&decision.challenger_id, auth::by(&request), Some(form.reason()?)).await?;
    Ok(see(&format!("/decisions/{}?done=approved", decision.job_id)))
}

async fn decline(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let decision = match decided(&state, &request, &path, &form).await? {
        Ok(decision) => decision,
        Err(page) => return Ok(page),
    };
    let need = approval(&decision);
    let id = need.need_id.clone();
    // The gate may have decided so recently that the need was not raised yet.
    state.handle.store().raise_need(need).await?;
    record_acknowledgement(&state, &request, &id, Some(format!("declined: {}", form.reason()?))).await?;
    Ok(see(&format!("/decisions/{}?done=declined", decision.job_id)))
}
