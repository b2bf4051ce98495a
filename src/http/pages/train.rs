//! `/train`: a new training job as a form, with the defaults or with another job's configuration.

use super::curl;
use super::form::{Form, Wrong, fault_of};
use super::shell::{Section, Shell};
use super::text::{algorithm, count, metric, shown};
use super::{PageError, State, html, render, respond, see};
use crate::http::auth;
use crate::http::ids::job_id;
use crate::http::page::Query;
use crate::http::problem::{Problem, only, readable};
use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use provost_actors::{Submission, SubmitError, Submitted};
use provost_domain::config::Tuning;
use provost_domain::{Algorithm, TargetMetric, TrainingConfig, limits, visible};
use serde_json::{Value, json};

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/train")
            .route(readable().to(page))
            .route(web::post().to(submit))
            .default_service(only("GET, HEAD, POST")),
    );
}

/// One of several values to choose from.
struct Choice {
    value: &'static str,
    name: String,
    hint: &'static str,
    is_chosen: bool,
}

/// A number with its range.
struct Number {
    id: &'static str,
    name: &'static str,
    value: String,
    min: &'static str,
    max: &'static str,
    step: &'static str,
    hint: &'static str,
    /// What is wrong with the number.
    fault: Option<String>,
}

#[derive(Template)]
#[template(path = "train/page.html")]
struct Page {
    shell: Shell,
    wrong: Vec<Wrong>,
    /// The whole configuration as JSON, which the form's fields change.
    base: String,
    algorithms: Vec<Choice>,
    tunings: Vec<Choice>,
    metrics: Vec<Choice>,
    numbers: Vec<Number>,
    use_verified_only: bool,
    version_tag: String,
    notes: String,
    points: String,
    curl: String,
}

fn choices<T: Copy + PartialEq>(
    all: &[T],
    is_chosen: impl Fn(T) -> bool,
    value: fn(T) -> &'static str,
    name: impl Fn(T) -> (String, &'static str),
) -> Vec<Choice> {
    all.iter()
        .map(|one| {
            let (name, hint) = name(*one);
            Choice { value: value(*one), name, hint, is_chosen: is_chosen(*one) }
        })
        .collect()
}

fn tuning(tuning: Tuning) -> (String, &'static str) {
    let (name, hint) = match tuning {
        Tuning::None => ("None", "each algorithm's defaults, in seconds"),
        Tuning::RandomSearch => ("Random search", "distinct candidates, drawn"),
        Tuning::Bayesian => ("Bayesian search", "each trial learns from those before"),
        Tuning::GridSearch => ("Whole grid", "every candidate; may take long"),
    };
    (name.to_owned(), hint)
}

fn numbers(c: &TrainingConfig) -> Vec<Number> {
    let number = |id, name, value: String, [min, max, step]: [&'static str; 3], hint| Number {
        id,
        name,
        value,
        min,
        max,
        step,
        hint,
        fault: None,
    };
    vec![
        number(
            "tuning_iterations",
            "Trials of each algorithm",
            c.tuning_iterations.to_string(),
            ["10", "200", "1"],
            "10 to 200",
        ),
        number("cross_validation_folds", "Folds", c.cross_validation_folds.to_string(), ["3", "10", "1"], "3 to 10"),
        number(
            "max_training_time_minutes",
            "Time limit, minutes",
            c.max_training_time_minutes.to_string(),
            ["1", "", "1"],
            "then the best so far is kept",
        ),
        number(
            "min_samples",
            "Rows needed",
            c.min_samples.to_string(),
            ["100", "", "1"],
            "rows with an outcome; at least 100",
        ),
        number(
            "test_size",
            "Test part",
            c.test_size.to_string(),
            ["0.1", "0.3", "0.01"],
            "0.1 to 0.3; never trained on",
        ),
        number(
            "random_state",
            "Seed",
            c.random_state.to_string(),
            ["0", "", "1"],
            "the same seed, data and configuration give the same model",
        ),
    ]
}

async fn show(
    state: &State,
    request: &HttpRequest,
    config: &TrainingConfig,
    wrong: Vec<Wrong>,
) -> Result<Page, PageError> {
    let points = state.handle.store().point_totals().await?;
    let document = serde_json::to_string(config).map_err(Problem::unwritable)?;
    let curl = curl::command(request, "POST", "/train", Some(&document));
    let document = visible::json(&document).into_owned();
    Ok(Page {
        shell: Shell::of(request, Section::Jobs, "New training"),
        wrong,
        base: document,
        algorithms: choices(
            &Algorithm::ALL,
            |a| config.algorithms.contains(&a),
            Algorithm::as_str,
            |a| (algorithm(a).to_owned(), ""),
        ),
        tunings: choices(Tuning::ALL, |t| t == config.hyperparameter_tuning, Tuning::as_str, tuning),
        metrics: choices(
            &TargetMetric::ALL,
            |m| m == config.target_metric,
            TargetMetric::as_str,
            |m| (metric(m).to_owned(), ""),
        ),
        numbers: numbers(config),
        use_verified_only: config.use_verified_only,
        version_tag: config.version_tag.clone().unwrap_or_default(),
        notes: config.notes.clone().unwrap_or_default(),
        points: count(points.total),
        curl,
    })
}

async fn page(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let mut query = Query::of(&request);
    let from = query.read("from", None, |id| {
        if limits::fits(id, limits::ID) { Ok(Some(id.to_owned())) } else { Err("a job's id is allowed".to_owned()) }
    });
    query.check()?;
    let config = match from {
        Some(id) => {
            let id = job_id(&state, &id).await?;
            let record = state.handle.store().job(&id).await?.ok_or_else(|| Problem::not_found("job", id.as_str()))?;
            record.job.config
        }
        None => TrainingConfig::default(),
    };
    html(&show(&state, &request, &config, Vec::new()).await?)
}

/// The configuration that the form was made from, with the form's fields in it.
fn document(form: &Form) -> Value {
    let base: Option<Value> = form.get("base").and_then(|text| serde_json::from_str(text).ok());
    let mut document = base.filter(Value::is_object).unwrap_or_else(|| json!({}));
    // The base comes from the client and may be any object. The whole document is checked afterwards.
    document["algorithms"] = form.all("algorithms").collect();
    for name in ["hyperparameter_tuning", "target_metric"] {
        if let Some(word) = form.get(name) {
            document[name] = json!(word);
        }
    }
    for name in [
        "tuning_iterations",
        "cross_validation_folds",
        "max_training_time_minutes",
        "min_samples",
        "random_state",
        "test_size",
    ] {
        if form.get(name).is_some() {
            document[name] = form.number(name);
        }
    }
    document["use_verified_only"] = json!(form.get("use_verified_only").is_some());
    for name in ["version_tag", "notes"] {
        document[name] = json!(form.get(name));
    }
    document
}

async fn submit(state: Data<State>, request: HttpRequest, form: Form) -> Result<HttpResponse, PageError> {
    let config = match TrainingConfig::from_json(&document(&form)) {
        Ok(config) => config,
        Err(faults) => return again(&state, &request, &form, faults.0.iter().map(Wrong::of).collect()).await,
    };
    let now = state.handle.options().clock.now();
    let submission = Submission::manual(config, auth::by(&request), "asked for on the page", now);
    match state.handle.submit(submission).await {
        Ok(Submitted::New(accepted)) => Ok(see(&format!("/jobs/{}?done=queued", accepted.job.job_id))),
        Ok(Submitted::Repeated(_)) => Ok(see("/jobs")),
        Err(SubmitError::Quality(report)) => {
            let issues = report.quality_issues.iter().filter(|issue| !issue.starts_with("advice: "));
            let wrong = issues.map(|issue| Wrong { field: "min_samples".to_owned(), message: shown(issue) }).collect();
            again(&state, &request, &form, wrong).await
        }
        Err(error) => Err(error.into()),
    }
}

/// The fields' titles.
const NAMED: [(&str, &str); 11] = [
    ("algorithms", "Algorithms"),
    ("hyperparameter_tuning", "Search"),
    ("target_metric", "Target"),
    ("tuning_iterations", "Trials of each algorithm"),
    ("cross_validation_folds", "Folds"),
    ("max_training_time_minutes", "Time limit, minutes"),
    ("min_samples", "Rows needed"),
    ("test_size", "Test part"),
    ("random_state", "Seed"),
    ("version_tag", "Tag"),
    ("notes", "Notes"),
];

/// The form again, with what was entered.
async fn again(
    state: &State,
    request: &HttpRequest,
    form: &Form,
    wrong: Vec<Wrong>,
) -> Result<HttpResponse, PageError> {
    let mut entered = document(form);
    for fault in &wrong {
        if let Some(fields) = entered.as_object_mut().filter(|_| !fault.field.is_empty()) {
            fields.shift_remove(&fault.field);
        }
    }
    let config = TrainingConfig::from_json(&entered).unwrap_or_default();
    let wrong = wrong.into_iter().map(|one| one.named(&NAMED)).collect();
    let mut page = show(state, request, &config, wrong).await?;
    for number in &mut page.numbers {
        if let Some(text) = form.get(number.id) {
            number.value = text.to_owned();
        }
        number.fault = fault_of(&page.wrong, number.id);
    }
    for (id, field) in [("version_tag", &mut page.version_tag), ("notes", &mut page.notes)] {
        form.get(id).unwrap_or_default().clone_into(field);
    }
    page.shell.title = format!("{} to correct · New training", page.wrong.len());
    Ok(respond(StatusCode::UNPROCESSABLE_ENTITY, render(&page)?))
}
