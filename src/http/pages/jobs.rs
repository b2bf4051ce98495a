//! `/jobs`: all training jobs, by state, with a failure's reason in its row.

use super::shell::{Section, Shell};
use super::text::{Mark, Moment, algorithm, metric, reason, short, shown, span, three};
use super::{PageError, State, html};
use crate::http::page::{Query, cursor_fault, encode};
use crate::http::problem::{only, readable};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, Utc};
use provost_domain::TrainingJob;
use provost_domain::job::JobStatus;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/jobs").route(readable().to(page)).default_service(only("GET, HEAD")));
}

const PAGE: u32 = 40;

struct Row {
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
    rows: Vec<Row>,
    next: Option<String>,
    is_filtered: bool,
}

async fn page(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let mut query = Query::of(&request);
    let status = query.read("status", None, |word| {
        JobStatus::parse(word).map(Some).ok_or_else(|| "a job's state is allowed".to_owned())
    });
    let cursor = query.cursor();
    query.check()?;
    let store = state.handle.store();
    let now = state.handle.options().clock.now();
    let found = store.list_jobs(status, cursor.as_deref(), PAGE).await.map_err(cursor_fault)?;
    let counts = store.job_counts().await?;
    let total = counts.values().sum::<u64>();
    let all = Tab { path: "/jobs".to_owned(), name: format!("All {total}"), is_current: status.is_none() };
    let tabs = JobStatus::ALL.iter().map(|state| Tab {
        path: format!("/jobs?status={state}"),
        name: format!("{} {}", Mark::of_job(*state).word, counts.get(state).copied().unwrap_or(0)),
        is_current: status == Some(*state),
    });
    let kept = status.map(|status| format!("status={status}&")).unwrap_or_default();
    html(&Page {
        shell: Shell::of(&request, Section::Jobs, "Jobs"),
        tabs: std::iter::once(all).chain(tabs).collect(),
        rows: found.items.iter().map(|job| Row::of(job, now)).collect(),
        next: found.next.map(|next| format!("/jobs?{kept}cursor={}", encode(&next))),
        is_filtered: status.is_some() || cursor.is_some(),
    })
}
