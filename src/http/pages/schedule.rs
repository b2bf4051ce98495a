//! `/schedule`: when the service trains by itself, as a form.

use super::curl;
use super::form::{Form, Wrong, fault_of};
use super::shell::{Section, Shell};
use super::text::Mark;
use super::{PageError, State, html, render, respond, see};
use crate::http::problem::{Problem, only, readable};
use crate::http::schedule::checked;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use provost_domain::schedule::ScheduledTrainingConfig;
use serde_json::{Value, json};

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/schedule")
            .route(readable().to(page))
            .route(web::post().to(replace))
            .default_service(only("GET, HEAD, POST")),
    );
}

/// A field of the form with a text or a number.
struct Entry {
    id: &'static str,
    name: &'static str,
    value: String,
    is_number: bool,
    hint: &'static str,
    /// What is wrong with the value.
    fault: Option<String>,
}

#[derive(Template)]
#[template(path = "schedule/page.html")]
struct Page {
    shell: Shell,
    curl: String,
    wrong: Vec<Wrong>,
    entries: Vec<Entry>,
    is_enabled: bool,
    is_activated: bool,
    emails: String,
    emails_fault: Option<String>,
}

/// The value of the form's field `name`, from a schedule as JSON.
fn entered(document: &Value, name: &str) -> String {
    match document.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// The fields' titles.
const NAMED: [(&str, &str); 6] = [
    ("schedule_cron", "When"),
    ("time_zone", "Time zone"),
    ("min_new_samples", "New rows that start a training"),
    ("max_model_age_days", "Age that starts a training, in days"),
    ("improvement_threshold", "How much better a model must be"),
    ("notification_emails", "Mail to"),
];

fn show(request: &HttpRequest, document: &Value, wrong: Vec<Wrong>) -> Page {
    let wrong: Vec<Wrong> = wrong.into_iter().map(|one| one.named(&NAMED)).collect();
    let entry = |id, is_number, hint| Entry {
        id,
        name: NAMED.iter().find(|(name, _)| *name == id).map_or(id, |(_, title)| *title),
        value: entered(document, id),
        is_number,
        hint,
        fault: fault_of(&wrong, id),
    };
    let flag = |name: &str| document.get(name).and_then(Value::as_bool).unwrap_or(false);
    let emails = document.get("notification_emails").and_then(Value::as_array).into_iter().flatten();
    let mark = if wrong.is_empty() { "" } else { Mark::FAILED.shape };
    Page {
        curl: curl::command(request, "PUT", "/schedule", Some(&document.to_string())),
        shell: Shell::of(request, Section::System, format!("{mark} Schedule").trim().to_owned()),
        emails_fault: fault_of(&wrong, "notification_emails"),
        entries: vec![
            entry("schedule_cron", false, "five fields: minute, hour, day of month, month, day of week"),
            entry("time_zone", false, "as in Europe/Berlin; UTC is one, too"),
            entry("min_new_samples", true, "at least 1"),
            entry("max_model_age_days", true, "1 to 36,500"),
            entry("improvement_threshold", true, "0 to 1, in the target metric"),
        ],
        is_enabled: flag("enabled"),
        is_activated: flag("auto_activate_if_better"),
        emails: emails.filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
        wrong,
    }
}

async fn stored(state: &State) -> Result<Value, PageError> {
    let schedule: ScheduledTrainingConfig = state.handle.store().schedule().await?.unwrap_or_default();
    Ok(serde_json::to_value(schedule).map_err(Problem::unwritable)?)
}

async fn page(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    html(&show(&request, &stored(&state).await?, Vec::new()))
}

/// The schedule in force with the form's fields in it. The training configuration stays as it is.
fn document(mut schedule: Value, form: &Form) -> Value {
    for name in ["schedule_cron", "time_zone"] {
        schedule[name] = json!(form.get(name).map(str::trim).unwrap_or_default());
    }
    for name in ["min_new_samples", "max_model_age_days", "improvement_threshold"] {
        schedule[name] = form.number(name);
    }
    for name in ["enabled", "auto_activate_if_better"] {
        schedule[name] = json!(form.get(name).is_some());
    }
    let emails = form.get("notification_emails").unwrap_or_default().split_whitespace();
    schedule["notification_emails"] = emails.collect();
    schedule
}

async fn replace(state: Data<State>, request: HttpRequest, form: Form) -> Result<HttpResponse, PageError> {
    let document = document(stored(&state).await?, &form);
    let asked = document.clone();
    // If an expression names no time, the search for one takes some milliseconds.
    match state.compute.run(move || checked(&asked)).await? {
        Ok(schedule) => {
            state.handle.store().put_schedule(schedule).await?;
            state.handle.options().nudge.notify_one();
            Ok(see("/system?done=scheduled"))
        }
        Err(faults) => {
            let wrong = faults.0.iter().map(Wrong::of).collect();
            let page = show(&request, &document, wrong);
            Ok(respond(StatusCode::UNPROCESSABLE_ENTITY, render(&page)?))
        }
    }
}
