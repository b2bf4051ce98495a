//! `/shadow`: models that also score every prediction of the serving model, and how far they agree with it.

use super::curl;
use super::form::Form;
use super::needs::name_of;
use super::shell::{Section, Shell};
use super::text::{Moment, Score, count, percent, signed, words};
use super::{PageError, State, html, see};
use crate::http::ids::model_id;
use crate::http::problem::{Problem, only, readable};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use provost_actors::ShadowModelReport;
use provost_domain::limits;
use serde_json::json;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/shadow")
            .route(readable().to(page))
            .route(web::post().to(replace))
            .default_service(only("GET, HEAD, POST")),
    );
}

/// Models that can be chosen.
const CHOICES: u32 = 30;

struct Row {
    path: String,
    name: String,
    predictions: String,
    agreement: String,
    difference: String,
    with_outcome: String,
    metrics: Vec<(String, Score)>,
}

impl Row {
    fn of(report: &ShadowModelReport) -> Self {
        let none = || "–".to_owned();
        let metrics = report.metrics.iter().flatten();
        Self {
            path: format!("/models/{}", report.model_id),
            name: name_of(report.model_id.as_str()),
            predictions: count(report.predictions),
            agreement: report.agreement.map_or_else(none, percent),
            difference: report.mean_difference.map_or_else(none, signed),
            with_outcome: count(report.with_outcome),
            metrics: metrics
                .map(|(name, found)| {
                    let ends = found.low.zip(found.high).map(|(low, high)| [low, high]);
                    (words(name), Score::new(found.value, ends))
                })
                .collect(),
        }
    }
}

struct Choice {
    id: String,
    name: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "shadow/page.html")]
struct Page {
    shell: Shell,
    curl: String,
    rows: Vec<Row>,
    since: Option<Moment>,
    dropped: u64,
    choices: Vec<Choice>,
    most: usize,
}

async fn page(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let report = state.handle.shadow().await?;
    let store = state.handle.store();
    let (models, serving) = tokio::try_join!(store.list_models(false, None, CHOICES), store.active_model())?;
    let candidates = models.items.iter().filter(|version| serving.as_ref() != Some(&version.model_id));
    let chosen = json!({"model_ids": report.model_ids}).to_string();
    html(&Page {
        curl: curl::command(&request, "PUT", "/shadow", Some(&chosen)),
        shell: Shell::of(&request, Section::Predict, "Shadow models"),
        rows: report.models.iter().map(Row::of).collect(),
        since: report.since.map(|at| Moment::new(at, state.handle.options().clock.now())),
        dropped: report.dropped,
        choices: candidates
            .map(|version| Choice {
                id: version.model_id.to_string(),
                name: name_of(version.model_id.as_str()),
                is_chosen: report.model_ids.contains(&version.model_id),
            })
            .collect(),
        most: limits::SHADOWS,
    })
}

async fn replace(state: Data<State>, form: Form) -> Result<HttpResponse, PageError> {
    let mut ids = Vec::new();
    for name in form.all("ids").take(limits::SHADOWS + 1) {
        ids.push(model_id(&state, name).await?);
    }
    if ids.len() > limits::SHADOWS {
        let message = format!("more than {} models are ticked", limits::SHADOWS);
        return Err(Problem::invalid("/ids", message).into());
    }
    state.handle.set_shadow(ids).await?;
    Ok(see("/shadow?done=shadowed"))
}
