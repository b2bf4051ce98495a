//! The retraining schedule, and the triggers so far.

use super::body::Body;
use super::page::{Query, cursor_fault, respond};
use super::problem::{Problem, only, readable};
use super::{State, body};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use provost_actors::error::SubmitError;
use provost_actors::{BadCron, Cron};
use provost_domain::schedule::{ScheduledTrainingConfig, TrainingTrigger};
use provost_domain::{Fault, Faults, JobId};
use provost_store::{Page, TriggerRecord};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/triggers").route(readable().to(triggers)).default_service(only("GET, HEAD")))
        .service(
            web::resource("/schedule")
                .route(readable().to(read))
                .route(web::put().to(replace))
                .default_service(only("GET, HEAD, PUT")),
        );
}

/// A trigger and its outcome.
#[derive(Serialize, ToSchema)]
pub struct Trigger {
    pub id: String,
    #[serde(flatten)]
    pub trigger: TrainingTrigger,
    /// The job that the trigger started or joined.
    pub job_id: Option<JobId>,
    /// Why the trigger started no job.
    pub outcome: Option<String>,
}

impl From<TriggerRecord> for Trigger {
    fn from(record: TriggerRecord) -> Self {
        Self { id: record.id, trigger: record.trigger, job_id: record.job_id, outcome: record.outcome }
    }
}

/// Triggers, newest first.
///
/// The reasons for training (a person, the schedule or an event), and the result of each trigger: a job, or why there
/// is none.
#[utoipa::path(get, path = "/triggers", operation_id = "list_triggers", tag = "schedule",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "From the `Link` header of the page before")),
    responses(
        (status = 200, description = "A page", body = Vec<Trigger>),
        (status = 422, description = "Bad parameters", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn triggers(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let limit = query.limit();
    let cursor = query.cursor();
    query.check()?;
    let page = state.handle.store().list_triggers(cursor.as_deref(), limit).await.map_err(cursor_fault)?;
    let items: Vec<Trigger> = page.items.into_iter().map(Trigger::from).collect();
    respond(&state, &request, Page { items, next: page.next }).await
}

/// The schedule in force: the stored one, else the defaults.
///
/// When the service trains automatically, with which configuration, and whether a better model is activated
/// automatically.
#[utoipa::path(get, path = "/schedule", operation_id = "get_schedule", tag = "schedule",
    responses((status = 200, description = "The schedule", body = ScheduledTrainingConfig)))]
pub(super) async fn read(state: Data<State>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(state.handle.store().schedule().await?.unwrap_or_default()))
}

/// The domain checks the form; the scheduler checks that the expression names times at all and that the time zone
/// exists.
pub(super) fn checked(document: &Value) -> Result<ScheduledTrainingConfig, Faults> {
    let read = ScheduledTrainingConfig::from_json(document);
    let defaults = ScheduledTrainingConfig::default();
    let text = |name: &str, default: String| document.get(name).and_then(Value::as_str).map_or(default, str::to_owned);
    let expression = text("schedule_cron", defaults.schedule_cron);
    let Err(bad) = Cron::parse(&expression, &text("time_zone", defaults.time_zone)) else { return read };
    let pointer = match bad {
        BadCron::Expression { .. } => "/schedule_cron",
        BadCron::Zone(_) => "/time_zone",
    };
    let mut faults = read.err().map(|f| f.0).unwrap_or_default();
    if !faults.iter().any(|f| f.pointer == pointer) {
        faults.push(Fault { pointer: pointer.to_owned(), message: bad.to_string() });
    }
    Err(Faults(faults))
}

/// The faults of the configuration, with pointers relative to the schedule.
fn within_schedule(error: SubmitError) -> Problem {
    match error {
        SubmitError::Config(Faults(faults)) => {
            let place = |fault: Fault| Fault { pointer: format!("/training_config{}", fault.pointer), ..fault };
            Faults(faults.into_iter().map(place).collect()).into()
        }
        other => other.into(),
    }
}

/// Replaces the schedule.
///
/// A field that is left out gets its default, not its earlier value. The new schedule is in force at once.
#[utoipa::path(put, path = "/schedule", operation_id = "replace_schedule", tag = "schedule", request_body = ScheduledTrainingConfig,
    responses(
        (status = 200, description = "The schedule in force", body = ScheduledTrainingConfig),
        (status = 422, description = "Every bad field is named", body = super::problem::Problem, content_type = "application/problem+json")))]
pub(super) async fn replace(state: Data<State>, body: Body) -> Result<HttpResponse, Problem> {
    // If a cron expression names no time, the search for one takes some milliseconds.
    let schedule = state.compute.run(move || Ok::<_, Problem>(checked(&body::json(&body)?)?)).await??;
    state.handle.check(&schedule.training_config).await.map_err(within_schedule)?;
    state.handle.store().put_schedule(schedule.clone()).await?;
    state.handle.options().nudge.notify_one();
    Ok(HttpResponse::Ok().json(schedule))
}
