//! `/models`: the leaderboard.

use super::shell::{Section, Shell};
use super::text::{Moment, Score, algorithm, count, short, shown};
use super::{PageError, State, html};
use crate::http::page::{Query, cursor_fault, encode};
use crate::http::problem::{only, readable};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, Utc};
use provost_domain::ModelVersion;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/models").route(readable().to(page)).default_service(only("GET, HEAD")));
}

/// Models of one page; within it they are ordered by AUC.
const PAGE: u32 = 100;

struct Row {
    id: String,
    path: String,
    name: &'static str,
    short: String,
    tag: String,
    auc: Score,
    f1: Score,
    accuracy: Score,
    cv: Score,
    samples: String,
    trained: Moment,
    is_serving: bool,
    /// Whether the AUC's interval and that of the serving model do not overlap.
    is_apart: bool,
}

fn row(version: &ModelVersion, serving: Option<[f64; 2]>, now: DateTime<Utc>) -> Row {
    let metrics = &version.metrics;
    let ends = |name: &str| metrics.intervals_95.get(name).copied();
    let auc = ends("auc_roc");
    let is_apart = auc.zip(serving).is_some_and(|(own, other)| own[0] > other[1] || own[1] < other[0]);
    Row {
        id: version.model_id.to_string(),
        path: format!("/models/{}", version.model_id),
        name: algorithm(version.algorithm),
        short: short(version.model_id.as_str()),
        tag: version.version_tag.as_deref().map(shown).unwrap_or_default(),
        auc: Score::new(metrics.auc_roc, auc),
        f1: Score::new(metrics.f1_score, ends("f1_score")),
        accuracy: Score::share(metrics.accuracy, ends("accuracy")),
        cv: Score {
            value: super::text::three(metrics.cv_mean),
            interval: Some(format!("± {}", super::text::three(metrics.cv_std))),
        },
        samples: count(version.training_samples),
        trained: Moment::new(version.training_date, now),
        is_serving: version.is_active,
        is_apart: is_apart && !version.is_active,
    }
}

#[derive(Template)]
#[template(path = "models/page.html")]
struct Page {
    shell: Shell,
    total: u64,
    rows: Vec<Row>,
    next: Option<String>,
}

async fn page(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let mut query = Query::of(&request);
    let cursor = query.cursor();
    query.check()?;
    let store = state.handle.store();
    let now = state.handle.options().clock.now();
    let active = store.list_models(true, None, 1).await?.items.into_iter().next();
    let serving = active.as_ref().and_then(|model| model.metrics.intervals_95.get("auc_roc").copied());
    let found = store.list_models(false, cursor.as_deref(), PAGE).await.map_err(cursor_fault)?;
    let mut models = found.items;
    models.sort_by(|a, b| b.metrics.auc_roc.total_cmp(&a.metrics.auc_roc));
    html(&Page {
        shell: Shell::of(&request, Section::Models, "Models"),
        total: store.model_count().await?,
        rows: models.iter().map(|model| row(model, serving, now)).collect(),
        next: found.next.map(|next| format!("/models?cursor={}", encode(&next))),
    })
}
