//! Several jobs at once: cancelled, or run again with their configurations. Each has its result.

use super::super::form::Form;
use super::super::shell::{Section, Shell};
use super::super::text::{Mark, counted, short, shown};
use super::super::{PageError, State, html};
use crate::http::auth;
use crate::http::ids::job_id;
use crate::http::problem::Problem;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use provost_actors::{Submission, Submitted};
use provost_domain::check::brief;
use provost_domain::limits;
use std::collections::BTreeSet;

/// The result for one job.
struct Outcome {
    path: String,
    name: String,
    mark: Mark,
    text: String,
    /// The address and name of the new job that runs the same configuration.
    again: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "jobs/bulk.html")]
struct Page {
    shell: Shell,
    heading: String,
    results: Vec<Outcome>,
}

pub async fn act(state: Data<State>, request: HttpRequest, form: Form) -> Result<HttpResponse, PageError> {
    // A repeated id is one job.
    let mut seen = BTreeSet::new();
    let ids: Vec<&str> = form.all("ids").filter(|id| seen.insert(*id)).take(limits::PAGE).collect();
    let is_again = form.get("act") == Some("again");
    if ids.is_empty() {
        return Err(Problem::invalid("/ids", "tick the jobs that you mean").into());
    }
    let mut results = Vec::with_capacity(ids.len());
    let (mut acted_on, mut queued) = (Vec::new(), Vec::new());
    for id in &ids {
        let done = match limits::fits(id, limits::ID) {
            false => Err(Problem::invalid("/ids", format!("an id has at most {} characters", limits::ID))),
            true if is_again => again(&state, &request, id).await,
            true => cancel(&state, &request, id).await,
        };
        let (mark, text, job) = match done {
            Ok((text, job)) => (Mark::DONE, text, job),
            Err(problem) => (Mark::FAILED, shown(&problem.detail), None),
        };
        if mark == Mark::DONE {
            acted_on.push(*id);
            queued.extend(job.clone());
        }
        let id = &*brief(id, limits::ID);
        results.push(Outcome {
            path: format!("/jobs/{}", crate::http::page::encode(id)),
            name: shown(&short(id)),
            mark,
            text,
            again: job.map(|job| (format!("/jobs/{job}"), short(&job))),
        });
    }
    let done = results.iter().filter(|result| result.mark == Mark::DONE).count();
    let what = if is_again { "queued again" } else { "being cancelled" };
    let heading = format!("{done} of {} {what}", counted(results.len() as u64, "job"));
    let shell = Shell::of(&request, Section::Jobs, heading.clone());
    let mut response = html(&Page { shell, heading, results })?;
    auth::note(&mut response, if is_again { "run_again" } else { "cancelled" }, &acted_on.join(" "));
    if !queued.is_empty() {
        auth::note(&mut response, "queued", &queued.join(" "));
    }
    Ok(response)
}

type Done = (String, Option<String>);

async fn cancel(state: &State, request: &HttpRequest, id: &str) -> Result<Done, Problem> {
    let id = job_id(state, id).await?;
    state.handle.cancel(&id, auth::by(request), false).await?;
    Ok(("is being cancelled".to_owned(), None))
}

async fn again(state: &State, request: &HttpRequest, id: &str) -> Result<Done, Problem> {
    let id = job_id(state, id).await?;
    let record = state.handle.store().job(&id).await?.ok_or_else(|| Problem::not_found("job", id.as_str()))?;
    let now = state.handle.options().clock.now();
    let why = format!("run again: {id}");
    let submission = Submission::manual(record.job.config, auth::by(request), &why, now);
    match state.handle.submit(submission).await? {
        Submitted::New(accepted) => Ok(("is queued again as".to_owned(), Some(accepted.job.job_id.to_string()))),
        // Only a request with an idempotency key can be repeated, and this request has none.
        Submitted::Repeated(_) => Ok(("is queued already".to_owned(), None)),
    }
}
