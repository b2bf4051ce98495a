//! Activates and rolls back models, each with a reason. Nothing is changed if another model was activated since the
//! form was shown.

use super::curl::{self, WITH_REASON};
use super::form::Form;
use super::needs::name_of;
use super::shell::{Section, Shell};
use super::text::{Mark, Moment, Score, activated_by, algorithm, shown};
use super::{PageError, State, again, html, see};
use crate::http::auth;
use crate::http::code::Code;
use crate::http::models::record;
use crate::http::problem::{Problem, only, readable};
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use provost_domain::ModelId;
use provost_domain::model::{Activation, ModelRecord};

/// The first words of the reason that the history keeps for a roll back.
const ROLLED_BACK: &str = "rolled back from ";

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/models/{model_id}/activate")
                .route(readable().to(ask))
                .route(web::post().to(activate))
                .default_service(only("GET, HEAD, POST")),
        )
        .service(
            web::resource("/rollback")
                .route(readable().to(ask_rollback))
                .route(web::post().to(roll_back))
                .default_service(only("GET, HEAD, POST")),
        );
}

/// One of the two models.
struct Side {
    role: &'static str,
    path: String,
    name: String,
    auc: Score,
    f1: Score,
    trained: Moment,
}

#[derive(Template)]
#[template(path = "activation/page.html")]
struct Page {
    shell: Shell,
    curl: String,
    heading: String,
    action: String,
    button: &'static str,
    sides: Vec<Side>,
    /// Whether the serving model was activated by a roll back, so that another roll back returns to the model that was
    /// left.
    is_return: bool,
    compare: Option<String>,
    /// The serving model; empty if there is none.
    serving: String,
    /// Who activated which model since the form was shown.
    conflict: Option<String>,
    /// Whether the form was sent without a reason.
    lacks_reason: bool,
    reason: String,
}

fn side(role: &'static str, record: &ModelRecord, now: chrono::DateTime<chrono::Utc>) -> Side {
    let (version, metrics) = (&record.version, &record.version.metrics);
    let ends = |name: &str| metrics.intervals_95.get(name).copied();
    Side {
        role,
        path: format!("/models/{}", version.model_id),
        name: format!("{} {}", algorithm(version.algorithm), version.version),
        auc: Score::new(metrics.auc_roc, ends("auc_roc")),
        f1: Score::new(metrics.f1_score, ends("f1_score")),
        trained: Moment::new(version.training_date, now),
    }
}

async fn latest(state: &State) -> Result<Option<Activation>, PageError> {
    Ok(state.handle.store().activations(None, 1).await?.items.into_iter().next())
}

/// Whether an activation was a roll back.
fn came_by_rollback(activation: &Activation) -> bool {
    activation.reason.as_deref().is_some_and(|reason| reason.starts_with(ROLLED_BACK))
}

/// The form for making `id` the serving model.
async fn show(
    state: &State,
    request: &HttpRequest,
    id: &ModelId,
    is_rollback: bool,
    form: Option<&Form>,
) -> Result<Page, PageError> {
    let now = state.handle.options().clock.now();
    let candidate = record(state, id.as_str()).await?;
    let latest = latest(state).await?;
    let serving = match &latest {
        Some(activation) => state.handle.store().model(&activation.model_id).await?,
        None => None,
    };
    let name = name_of(id.as_str());
    let heading = if is_rollback { format!("Roll back to {name}") } else { format!("Activate {name}") };
    let seen = form.map(|form| form.get("serving").unwrap_or_default());
    let active = latest.as_ref().map_or("", |activation| activation.model_id.as_str());
    let conflict = latest.as_ref().filter(|_| seen.is_some_and(|seen| seen != active)).map(|activation| {
        let by = activated_by(activation.activated_by.as_deref());
        let at = Moment::new(activation.activated_at, now);
        let why = activation.reason.as_deref().map(|why| format!(": {}", shown(why))).unwrap_or_default();
        format!("{} was activated by {by} {}{why}", name_of(activation.model_id.as_str()), at.relative)
    });
    let mut sides = vec![side("Candidate", &candidate, now)];
    sides.extend(serving.as_ref().map(|record| side("Serves now", record, now)));
    let curl = match is_rollback {
        true => curl::command(request, "POST", "/rollback", Some(WITH_REASON)),
        false => curl::command(request, "POST", &format!("/activate/{id}"), Some(WITH_REASON)),
    };
    Ok(Page {
        curl,
        shell: Shell::of(request, Section::Models, format!("{} {heading}", Mark::TO_DO.shape)),
        heading,
        action: if is_rollback { "/rollback".to_owned() } else { format!("/models/{id}/activate") },
        button: if is_rollback { "Roll back" } else { "Activate" },
        is_return: is_rollback && latest.as_ref().is_some_and(came_by_rollback),
        compare: serving
            .filter(|s| s.version.model_id != *id)
            .map(|s| format!("/compare?ids={}&ids={id}", s.version.model_id)),
        sides,
        serving: active.to_owned(),
        conflict,
        lacks_reason: form.is_some_and(|form| form.reason().is_err()),
        reason: form.and_then(|form| form.get("reason")).unwrap_or_default().to_owned(),
    })
}

async fn ask(state: Data<State>, request: HttpRequest, path: Path<String>) -> Result<HttpResponse, PageError> {
    let id = record(&state, &path).await?.version.model_id;
    html(&show(&state, &request, &id, false, None).await?)
}

async fn activate(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let id = record(&state, &path).await?.version.model_id;
    let page = show(&state, &request, &id, false, Some(&form)).await?;
    if let Some(page) = again(&page, page.conflict.is_some(), page.lacks_reason)? {
        return Ok(page);
    }
    // Another model can still be activated between the check and this call; the history then has both activations.
    state.handle.activate(&id, auth::by(&request), Some(form.reason()?)).await?;
    Ok(see(&format!("/models/{id}?done=activated")))
}

/// The model that served before the current one.
async fn before(state: &State) -> Result<ModelId, PageError> {
    let previous = latest(state).await?.and_then(|activation| activation.previous_model_id);
    previous.ok_or_else(|| Problem::new(Code::NoPreviousModel, "there is no model to go back to").into())
}

async fn ask_rollback(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let before = before(&state).await?;
    html(&show(&state, &request, &before, true, None).await?)
}

async fn roll_back(state: Data<State>, request: HttpRequest, form: Form) -> Result<HttpResponse, PageError> {
    let before = before(&state).await?;
    let page = show(&state, &request, &before, true, Some(&form)).await?;
    if let Some(page) = again(&page, page.conflict.is_some(), page.lacks_reason)? {
        return Ok(page);
    }
    let version = state.handle.rollback(auth::by(&request), Some(form.reason()?)).await?;
    Ok(see(&format!("/models/{}?done=rolled-back", version.model_id)))
}
