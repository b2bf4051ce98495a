//! Training jobs: submit, read, list, cancel.

use super::body::Body;
use super::ids::job_id;
use super::page::{Query, cursor_fault, respond};
use super::problem::{PROBLEM, Problem, only, readable};
use super::{BASE, State, auth, body, events, idempotency};
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use provost_actors::{Accepted, KeyedSubmission, Submission, SubmitError, Submitted, WrittenResponse};
use provost_domain::job::JobStatus;
use provost_domain::queue::Waiting;
use provost_domain::{Algorithm, JobId, TrainingConfig, TrainingJob};
use provost_store::Page;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/train").route(web::post().to(train)).default_service(only("POST")))
        .service(web::resource("/jobs").route(readable().to(list)).default_service(only("GET, HEAD")))
        .service(
            web::resource("/jobs/{job_id}")
                .route(readable().to(read))
                .route(web::delete().to(cancel))
                .default_service(only("GET, HEAD, DELETE")),
        )
        .service(
            web::resource("/jobs/{job_id}/events").route(web::get().to(events::stream)).default_service(only("GET")),
        );
}

/// Answer to an accepted training request.
#[derive(Serialize, ToSchema)]
pub struct TrainAccepted {
    pub success: bool,
    pub message: String,
    pub job_id: JobId,
    /// `queued`
    pub status: String,
    /// Minutes until the job ends, estimated from past jobs and from the jobs before it.
    pub estimated_time_minutes: f64,
    /// Position in the queue; 1 is the next job to begin.
    pub queue_position: Option<u64>,
    /// The job right before it in the queue.
    pub waits_for: Option<JobId>,
    /// Time until the job begins; null if the duration of a job before it is unknown.
    pub estimated_wait_minutes: Option<f64>,
}

/// The answer to an accepted job. With an idempotency key it is stored with the job.
fn accepted(accepted: &Accepted) -> WrittenResponse {
    let id = &accepted.job.job_id;
    let body = TrainAccepted {
        success: true,
        message: format!("Training job {id} is queued"),
        job_id: id.clone(),
        status: "queued".to_owned(),
        estimated_time_minutes: accepted.estimated_minutes,
        queue_position: accepted.waiting.queue_position,
        waits_for: accepted.waiting.waits_for.clone(),
        estimated_wait_minutes: accepted.estimated_wait_minutes,
    };
    WrittenResponse {
        status: StatusCode::ACCEPTED.as_u16(),
        location: Some(format!("{BASE}/jobs/{id}")),
        // A plain struct of texts and numbers: it always serialises.
        body: serde_json::to_value(body).unwrap_or_default(),
    }
}

/// A job with its place in the queue and its current step.
#[derive(Serialize, ToSchema)]
pub struct JobAnswer {
    #[serde(flatten)]
    pub job: TrainingJob,
    #[serde(flatten)]
    pub waiting: Waiting,
    /// The algorithm that a running job is training.
    pub current_algorithm: Option<Algorithm>,
}

impl JobAnswer {
    fn new(mut job: TrainingJob, waiting: Option<&Waiting>) -> Self {
        let waiting = waiting.filter(|_| !job.status.is_final()).cloned().unwrap_or_default();
        if job.estimated_time_remaining_seconds.is_none() {
            job.estimated_time_remaining_seconds = waiting.left_seconds.map(f64::round);
        }
        // The last word of the step, such as `training xgboost`.
        let step = job.current_step.as_deref().filter(|_| job.status == JobStatus::Running);
        let current_algorithm = step.and_then(|step| Algorithm::parse(step.rsplit(' ').next()?));
        Self { job, waiting, current_algorithm }
    }

    /// Adds the place in the queue to each job that has not ended.
    async fn of(state: &State, jobs: Vec<TrainingJob>) -> Result<Vec<Self>, Problem> {
        let waiting =
            if jobs.iter().all(|job| job.status.is_final()) { BTreeMap::new() } else { state.handle.waiting().await? };
        Ok(jobs
            .into_iter()
            .map(|job| {
                let waits = waiting.get(&job.job_id);
                Self::new(job, waits)
            })
            .collect())
    }
}

#[derive(Serialize, ToSchema)]
pub struct CancelAccepted {
    pub success: bool,
    pub message: String,
    pub job_id: JobId,
}

impl CancelAccepted {
    /// The answer for a job that has not ended.
    pub fn wish(id: &JobId, keep_best: bool) -> Self {
        let kept = if keep_best { "; its best finished trial is kept" } else { "" };
        Self { success: true, message: format!("Training job {id} is being cancelled{kept}"), job_id: id.clone() }
    }

    pub fn done(id: &JobId) -> Self {
        Self { success: true, message: format!("Training job {id} is cancelled"), job_id: id.clone() }
    }
}

/// The training configuration in a body.
pub(super) fn configuration(bytes: &[u8]) -> Result<TrainingConfig, Problem> {
    Ok(TrainingConfig::from_json(&body::json(bytes)?)?)
}

/// Starts a training job.
///
/// The job waits in the queue. `Location` is its address; `GET` on this address, or on its event stream, follows the
/// job. Every field of the body has a default, so `{}` is a complete body. A request with the same `Idempotency-Key`
/// and body gets the stored response instead of a second job.
#[utoipa::path(post, path = "/train", operation_id = "train", tag = "jobs", request_body = TrainingConfig,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body answer the stored response")),
    responses(
        (status = 202, description = "Queued", body = TrainAccepted, headers(("Location" = String, description = "The job"))),
        (status = 400, description = "The data fails its quality check: `error`, `issues`, `recommendations`, `report`",
            body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 413, description = "Body over the limit", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "Every bad field is named in `errors`",
            body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 503, description = "The queue is full; `Retry-After` says when to try again",
            body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn train(state: Data<State>, request: HttpRequest, body: Body) -> Result<HttpResponse, Problem> {
    let (config, idempotency) = idempotency::document(&state, &request, body, configuration).await?;
    if let Some(asked) = &idempotency {
        idempotency::admit_training(&state, asked).await?;
    }
    let now = state.handle.options().clock.now();
    let idempotency = idempotency.map(|request| KeyedSubmission { request, respond: accepted });
    let submission =
        Submission { idempotency, ..Submission::manual(config, auth::by(&request), "asked for over HTTP", now) };
    match state.handle.submit(submission).await {
        Ok(Submitted::Repeated(stored)) => Ok(idempotency::repeat(&stored)),
        Ok(Submitted::New(job)) => Ok(idempotency::answer(&accepted(&job))),
        // The report names every university, so writing it takes long.
        Err(error @ SubmitError::Quality(_)) => {
            let text = state.compute.run(move || Problem::from(error).body()).await?;
            Ok(HttpResponse::BadRequest().content_type(PROBLEM).body(text))
        }
        Err(error) => Err(error.into()),
    }
}

/// One training job.
///
/// Includes its progress, its current step or place in the queue, the models trained so far, and the error of a failed
/// job. Ids of the replaced service are accepted.
#[utoipa::path(get, path = "/jobs/{job_id}", operation_id = "get_job", tag = "jobs", params(("job_id" = String, Path)),
    responses(
        (status = 200, description = "The job", body = JobAnswer),
        (status = 404, description = "No such job", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn read(state: Data<State>, path: Path<String>) -> Result<HttpResponse, Problem> {
    let id = job_id(&state, &path).await?;
    match state.handle.store().job(&id).await? {
        Some(record) => Ok(HttpResponse::Ok().json(JobAnswer::of(&state, vec![record.job]).await?.pop())),
        None => Err(Problem::not_found("job", id.as_str())),
    }
}

/// Training jobs, newest first.
///
/// A page has `limit` jobs at most; the `Link` header leads to the next one.
#[utoipa::path(get, path = "/jobs", operation_id = "list_jobs", tag = "jobs",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200),
        ("status" = Option<JobStatus>, Query, description = "Only jobs in this status"),
        ("cursor" = Option<String>, Query, description = "From the `Link` header of the page before")),
    responses(
        (status = 200, description = "A page", body = Vec<JobAnswer>,
            headers(("Link" = Option<String>, description = "The next page, rel=\"next\""))),
        (status = 422, description = "Bad parameters", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn list(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let limit = query.limit();
    let status = query.read("status", None, |s| {
        let words = || JobStatus::ALL.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", ");
        JobStatus::parse(s).map(Some).ok_or_else(|| format!("allowed: {}", words()))
    });
    let cursor = query.cursor();
    query.check()?;
    let Page { items, next } =
        state.handle.store().list_jobs(status, cursor.as_deref(), limit).await.map_err(cursor_fault)?;
    let items = JobAnswer::of(&state, items).await?;
    respond(&state, &request, Page { items, next }).await
}

/// Cancels a job.
///
/// The cancel request is recorded and the fit is told to stop; the job is `cancelled` once the fit has stopped. With `keep_best` the
/// job's best finished trial is fitted and registered first.
#[utoipa::path(delete, path = "/jobs/{job_id}", operation_id = "cancel_job", tag = "jobs",
    params(("job_id" = String, Path), ("keep_best" = Option<bool>, Query, description = "Register the best finished trial")),
    responses(
        (status = 200, description = "The wish is recorded; the job is `cancelled` once its fit has stopped", body = CancelAccepted),
        (status = 400, description = "The job has ended already", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such job", body = super::problem::Problem, content_type = "application/problem+json"),
        (status = 422, description = "Bad parameters", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn cancel(
    state: Data<State>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = job_id(&state, &path).await?;
    let mut query = Query::of(&request);
    let keep_best = query.flag("keep_best", false);
    query.check()?;
    let job = state.handle.cancel(&id, auth::by(&request), keep_best).await?;
    let accepted = match job.status {
        JobStatus::Cancelled => CancelAccepted::done(&id),
        _ => CancelAccepted::wish(&id, keep_best),
    };
    Ok(HttpResponse::Ok().json(accepted))
}
