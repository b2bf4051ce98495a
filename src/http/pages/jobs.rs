//! `/jobs`: all training jobs, filtered, searched and sorted by the query in the address. A failed job's row has the
//! reason.

mod bulk;
mod find;

use super::shell::{Section, Shell};
use super::text::{Mark, Moment, algorithm, metric, reason, short, shown, span, three};
use super::{PageError, State, html};
use crate::http::page::Query;
use crate::http::problem::{only, readable};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, Utc};
use find::{Asked, Choice, Sort};
use provost_domain::TrainingJob;
use provost_domain::job::JobStatus;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/jobs")
            .route(readable().to(page))
            .route(web::post().to(bulk::act))
            .default_service(only("GET, HEAD, POST")),
    );
}

struct Row {
    id: String,
    path: String,
    name: String,
    mark: Mark,
    algorithms: String,
    reason: &'static str,
    /// The error, the step, or the best score.
    outcome: String,
    percent: Option<u32>,
    took: String,
    created: Moment,
    by: String,
}

impl Row {
    fn of(job: &TrainingJob, now: DateTime<Utc>) -> Self {
        let ends =
            job.started_at.map(|start| (job.completed_at.unwrap_or(now) - start).num_milliseconds() as f64 / 1e3);
        let outcome = match (job.status, job.best_score, &job.error_message) {
            (JobStatus::Failed, _, Some(error)) => shown(error.lines().next().unwrap_or_default()),
            (JobStatus::Running, ..) => shown(job.current_step.as_deref().unwrap_or_default()).replace('_', " "),
            (_, Some(best), _) => format!("best {} {}", metric(job.config.target_metric), three(best)),
            _ => String::new(),
        };
        Self {
            id: job.job_id.to_string(),
            path: format!("/jobs/{}", job.job_id),
            name: short(job.job_id.as_str()),
            mark: Mark::of_job(job.status),
            algorithms: job.config.algorithms.iter().map(|a| algorithm(*a)).collect::<Vec<_>>().join(", "),
            reason: job.triggers.first().map_or("by hand", |trigger| reason(trigger.trigger_type)),
            outcome,
            percent: (job.status == JobStatus::Running)
                .then_some(job.progress_percentage.round().clamp(0.0, 100.0) as u32),
            took: ends.map(span).unwrap_or_default(),
            created: Moment::new(job.created_at, now),
            by: job.created_by.as_deref().map(shown).unwrap_or_default(),
        }
    }
}

struct Tab {
    path: String,
    name: String,
    is_current: bool,
}

#[derive(Template)]
#[template(path = "jobs/page.html")]
struct Page {
    shell: Shell,
    tabs: Vec<Tab>,
    algorithms: Vec<Choice>,
    reasons: Vec<Choice>,
    sorts: Vec<Choice>,
    status: String,
    text: String,
    rows: Vec<Row>,
    next: Option<String>,
    is_filtered: bool,
    /// The column by which the rows are sorted.
    sort: Sort,
    /// How many jobs were searched, if the search stopped before the page was full.
    note: String,
}

async fn page(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let mut query = Query::of(&request);
    let (asked, cursor) = (Asked::read(&mut query), query.cursor());
    query.check()?;
    let store = state.handle.store();
    let now = state.handle.options().clock.now();
    let found = asked.find(store, cursor.as_deref()).await?;
    let counts = store.job_counts().await?;
    let total = counts.values().sum::<u64>();
    let tab = |status: Option<JobStatus>, name: String| Tab {
        path: asked.of_status(status).path(None),
        name,
        is_current: asked.status == status,
    };
    let all = tab(None, format!("All {total}"));
    let tabs = JobStatus::ALL.iter().map(|status| {
        tab(Some(*status), format!("{} {}", Mark::of_job(*status).word, counts.get(status).copied().unwrap_or(0)))
    });
    html(&Page {
        shell: Shell::of(&request, Section::Jobs, "Jobs"),
        tabs: std::iter::once(all).chain(tabs).collect(),
        algorithms: asked.algorithms(),
        reasons: asked.reasons(),
        sorts: asked.sorts(),
        status: asked.status.map(|status| status.to_string()).unwrap_or_default(),
        text: asked.text.clone(),
        rows: found.jobs.iter().map(|job| Row::of(job, now)).collect(),
        next: found.next.map(|next| asked.path(Some(&next))),
        is_filtered: asked.is_filtered() || cursor.is_some(),
        sort: asked.sort,
        note: found.note,
    })
}
