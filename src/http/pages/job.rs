//! `/jobs/{id}`: one job as it goes, and how it ended.

mod stop;
mod trials;

use super::chart::{self, Figure};
use super::facts::{Facts, facts};
use super::live::{self, FeedKey, Regions, Source};
use super::needs::name_of;
use super::shell::{Section, Shell};
use super::text::{Mark, Moment, algorithm, left, metric, reason, said, short, shown, span, three};
use super::{PageError, State, html, render};
use crate::http::ids::job_id;
use crate::http::problem::{Problem, only, readable};
use crate::http::{auth, event_stream};
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, Utc};
use provost_domain::config::Tuning;
use provost_domain::gate::GateDecision;
use provost_domain::job::{JobRecord, JobStatus};
use provost_domain::key::Role;
use provost_domain::{Algorithm, JobId, TrainingConfig, visible};
use std::collections::BTreeMap;
use tokio::sync::watch;
use trials::Trials;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/jobs/{job_id}").route(readable().to(page)).default_service(only("GET, HEAD")))
        .service(web::resource("/jobs/{job_id}/live").route(web::get().to(stream)).default_service(only("GET")))
        .service(web::resource("/jobs/{job_id}/stop").route(web::post().to(stop::stop)).default_service(only("POST")));
}

/// One algorithm of a job.
struct Stage {
    name: &'static str,
    mark: Mark,
    series: String,
    trials: String,
    best: String,
    took: String,
    model: Option<(String, String)>,
    error: String,
}

/// What is shown instead of the stop button once the job has ended.
struct Verdict {
    mark: Mark,
    text: String,
    links: Vec<(String, String)>,
}

struct View {
    may_operate: bool,
    id: String,
    name: String,
    mark: Mark,
    is_final: bool,
    percent: u32,
    step: String,
    left: Option<String>,
    started: Option<String>,
    took: Option<String>,
    cpu: Option<String>,
    memory: Option<String>,
    waits: Option<String>,
    line: String,
    best_trial: Option<u64>,
    is_stopping: bool,
    stages: Vec<Stage>,
    figure: Option<Figure>,
    verdict: Option<Verdict>,
    warnings: Vec<String>,
    logs: String,
    /// The kind, the reason and the evidence of each trigger.
    reasons: Vec<(String, String, Facts)>,
    config: Vec<(&'static str, String)>,
    created: Moment,
    by: String,
}

macro_rules! region {
    ($name:ident, $path:literal) => {
        #[derive(Template)]
        #[template(path = $path)]
        struct $name<'a> {
            view: &'a View,
        }
    };
}
region!(HeadRegion, "job/head.html");
region!(StagesRegion, "job/stages.html");
region!(TrialsRegion, "job/trials.html");
region!(ActRegion, "job/act.html");
region!(LogRegion, "job/log.html");

#[derive(Template)]
#[template(path = "job/page.html")]
struct Page<'a> {
    shell: Shell,
    view: &'a View,
    /// The configuration as JSON.
    document: String,
    live: Option<String>,
    regions: BTreeMap<&'static str, String>,
}

impl View {
    async fn read(state: &State, id: &JobId, trials: &mut Trials, may_operate: bool) -> Result<Self, PageError> {
        Ok(Self::with_config(state, id, trials, may_operate).await?.0)
    }

    /// The view together with the job's configuration, which may have long lists.
    async fn with_config(
        state: &State,
        id: &JobId,
        trials: &mut Trials,
        may_operate: bool,
    ) -> Result<(Self, TrainingConfig), PageError> {
        let store = state.handle.store();
        let now = state.handle.options().clock.now();
        let record = store.job(id).await?.ok_or_else(|| Problem::not_found("job", id.as_str()))?;
        trials.read(&**store, &record).await?;
        let decision = if record.job.status.is_final() { store.decision(id).await? } else { None };
        let waiting = if record.job.status.is_final() { None } else { state.handle.waiting().await?.remove(id) };
        let waits = waiting.and_then(|w| {
            let position = w.queue_position?;
            let wait = w.estimated_wait_seconds.map(|s| format!(", begins in about {}", span(s))).unwrap_or_default();
            Some(format!("number {position} in the queue{wait}"))
        });
        let view = Self { may_operate, ..Self::of(&record, trials, decision.as_ref(), waits, now) };
        Ok((view, record.job.config))
    }

    fn of(
        record: &JobRecord,
        trials: &Trials,
        decision: Option<&GateDecision>,
        waits: Option<String>,
        now: DateTime<Utc>,
    ) -> Self {
        let job = &record.job;
        let is_running = job.status == JobStatus::Running;
        let target = metric(job.config.target_metric);
        let took =
            job.started_at.map(|start| (job.completed_at.unwrap_or(now) - start).num_milliseconds() as f64 / 1e3);
        let best = trials.best();
        Self {
            may_operate: false,
            id: job.job_id.to_string(),
            name: short(job.job_id.as_str()),
            mark: Mark::of_job(job.status),
            is_final: job.status.is_final(),
            percent: job.progress_percentage.round().clamp(0.0, 100.0) as u32,
            step: shown(job.current_step.as_deref().unwrap_or_default()).replace('_', " "),
            left: job.estimated_time_remaining_seconds.filter(|_| is_running).map(left),
            started: job.started_at.filter(|_| is_running).map(|at| at.to_rfc3339()),
            took: took.map(span),
            cpu: job.cpu_usage_percent.filter(|_| is_running).map(|cpu| format!("{cpu:.0} %")),
            memory: job.memory_usage_mb.filter(|_| is_running).map(|mb| format!("{mb:.0} MB")),
            waits,
            line: line(record, trials, target),
            best_trial: best.map(|(number, _)| number),
            is_stopping: record.cancel.is_some(),
            stages: stages(record, trials),
            figure: (!trials.dots.is_empty()).then(|| chart::history(&trials.dots, target)),
            verdict: job.status.is_final().then(|| verdict(record, decision)),
            warnings: job.warnings.iter().map(|text| shown(text)).collect(),
            logs: job.logs.iter().map(|line| shown(line)).collect::<Vec<_>>().join("\n"),
            reasons: job
                .triggers
                .iter()
                .map(|trigger| {
                    let why = trigger.reason.as_deref().map(said).unwrap_or_default();
                    let evidence = trigger.evidence.as_ref().map(facts).unwrap_or_default();
                    (reason(trigger.trigger_type).to_owned(), why, evidence)
                })
                .collect(),
            config: config(record),
            created: Moment::new(job.created_at, now),
            by: job.created_by.as_deref().map(shown).unwrap_or_default(),
        }
    }

    fn title(&self) -> String {
        if self.is_final || self.percent == 0 {
            format!("{} {} · job {}", self.mark.shape, self.mark.word, self.name)
        } else {
            format!("{} {} % · job {}", self.mark.shape, self.percent, self.name)
        }
    }

    fn regions(&self) -> Result<BTreeMap<&'static str, String>, PageError> {
        Ok(BTreeMap::from([
            ("job-head", render(&HeadRegion { view: self })?),
            ("job-stages", render(&StagesRegion { view: self })?),
            ("job-trials", render(&TrialsRegion { view: self })?),
            ("job-act", render(&ActRegion { view: self })?),
            ("job-log", render(&LogRegion { view: self })?),
        ]))
    }
}

/// `Trial 31 of 50 · best 0.781 (trial 27)`
fn line(record: &JobRecord, trials: &Trials, target: &str) -> String {
    let config = &record.job.config;
    let Some(last) = trials.dots.last() else {
        return match config.hyperparameter_tuning {
            Tuning::None => "No search: each algorithm is fitted with its defaults.".to_owned(),
            _ => "No trial has finished yet.".to_owned(),
        };
    };
    let planned = match config.hyperparameter_tuning {
        Tuning::RandomSearch | Tuning::Bayesian => {
            format!(" of up to {}", u64::from(config.tuning_iterations) * searched(record).len() as u64)
        }
        _ => String::new(),
    };
    let best = trials.best().map(|(number, score)| format!(" · best {target} {} (trial {number})", three(score)));
    let best = best.unwrap_or_default();
    if record.job.status.is_final() {
        return format!("{}{best}", super::text::counted(last.number, "trial"));
    }
    format!("Trial {}{planned}{best}", last.number)
}

/// The algorithms that are fitted. A job of the ensemble alone fits the other algorithms as its members.
fn searched(record: &JobRecord) -> Vec<Algorithm> {
    let wanted = &record.job.config.algorithms;
    let lone = wanted.as_slice() == [Algorithm::Ensemble];
    let mut fitted = if lone { Algorithm::ALL.to_vec() } else { wanted.clone() };
    fitted.retain(|algorithm| *algorithm != Algorithm::Ensemble);
    fitted
}

fn stages(record: &JobRecord, trials: &Trials) -> Vec<Stage> {
    let job = &record.job;
    let at = job.current_step.as_deref().filter(|_| job.status == JobStatus::Running).unwrap_or_default();
    let mut all = searched(record);
    if job.config.algorithms.contains(&Algorithm::Ensemble) {
        all.push(Algorithm::Ensemble);
    }
    all.iter()
        .map(|one| {
            let unit = record.units.get(one).cloned().unwrap_or_default();
            let mark = match (&unit.error, unit.done) {
                (Some(_), _) => Mark::FAILED,
                (None, true) => Mark::DONE,
                (None, false) if at.ends_with(one.as_str()) => Mark::of_job(JobStatus::Running),
                (None, false) if job.status.is_final() => Mark::of_job(JobStatus::Cancelled),
                (None, false) => Mark::of_job(JobStatus::Pending),
            };
            let summary = trials.of(*one);
            Stage {
                name: algorithm(*one),
                mark,
                series: if summary.trials > 0 { chart::key(summary.series) } else { String::new() },
                trials: if summary.trials > 0 { super::text::counted(summary.trials, "trial") } else { String::new() },
                best: summary.best.map(three).unwrap_or_default(),
                took: if summary.seconds > 0.0 { span(summary.seconds) } else { String::new() },
                model: unit.model_id.as_ref().map(|id| (format!("/models/{id}"), short(id.as_str()))),
                error: unit.error.as_deref().map(shown).unwrap_or_default(),
            }
        })
        .collect()
}

fn verdict(record: &JobRecord, decision: Option<&GateDecision>) -> Verdict {
    let job = &record.job;
    let mut links = Vec::new();
    if let Some(best) = &job.best_model_id {
        links.push((format!("/models/{best}"), name_of(best.as_str())));
    }
    if job.trained_models.len() > 1 {
        let ids: Vec<String> = job.trained_models.iter().map(|id| format!("ids={id}")).collect();
        links.push((format!("/compare?{}", ids.join("&")), "Compare its models".to_owned()));
    }
    if decision.is_some() {
        links.push((format!("/decisions/{}", job.job_id), "The decision with its evidence".to_owned()));
    }
    let (mark, text) = match (job.status, decision) {
        (JobStatus::Completed, Some(decision)) => (Mark::of_decision(decision.outcome), said(&decision.reason)),
        (JobStatus::Completed, None) => {
            let score =
                job.best_score.map(|s| format!(", {} {} cross-validated", metric(job.config.target_metric), three(s)));
            let name = job.best_model_id.as_ref().map(|id| name_of(id.as_str()));
            let text = name.map_or_else(
                || "No model came of it.".to_owned(),
                |name| {
                    format!("Best: {name}{}. It does not serve until somebody activates it.", score.unwrap_or_default())
                },
            );
            (Mark::DONE, text)
        }
        (JobStatus::Failed, _) => {
            (Mark::FAILED, job.error_message.as_deref().map_or_else(|| "It failed.".to_owned(), shown))
        }
        _ if job.trained_models.is_empty() => {
            (Mark::of_job(job.status), "It was cancelled; nothing was kept.".to_owned())
        }
        _ => (Mark::of_job(job.status), "It was cancelled; what was finished was kept.".to_owned()),
    };
    Verdict { mark, text, links }
}

fn config(record: &JobRecord) -> Vec<(&'static str, String)> {
    let c = &record.job.config;
    let tuning = match c.hyperparameter_tuning {
        Tuning::None => "none".to_owned(),
        Tuning::GridSearch => "the whole grid".to_owned(),
        Tuning::RandomSearch => format!("random search, {} trials each", c.tuning_iterations),
        Tuning::Bayesian => format!("Bayesian search, {} trials each", c.tuning_iterations),
    };
    vec![
        ("Algorithms", c.algorithms.iter().map(|a| algorithm(*a)).collect::<Vec<_>>().join(", ")),
        ("Search", tuning),
        ("Target", metric(c.target_metric).to_owned()),
        ("Folds", c.cross_validation_folds.to_string()),
        ("Test part", super::text::percent(c.test_size)),
        ("Time limit", format!("{} min", c.max_training_time_minutes)),
        ("Notes", c.notes.as_deref().map(shown).unwrap_or_default()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .collect()
}

async fn page(state: Data<State>, request: HttpRequest, path: Path<String>) -> Result<HttpResponse, PageError> {
    let id = job_id(&state, &path).await?;
    let mut shell = Shell::of(&request, Section::Jobs, "Job");
    let (view, config) = View::with_config(&state, &id, &mut Trials::default(), shell.may_operate).await?;
    let document = state.compute.run(move || serde_json::to_string_pretty(&config)).await?;
    let document = visible::json(&document.map_err(Problem::unwritable)?).into_owned();
    shell.title = view.title();
    let regions = view.regions()?;
    let live = (!view.is_final).then(|| format!("/jobs/{id}/live"));
    html(&Page { shell, view: &view, document, live, regions })
}

struct Job {
    state: Data<State>,
    id: JobId,
    may_operate: bool,
    grown: watch::Receiver<u64>,
    trials: Trials,
}

impl Source for Job {
    async fn read(&mut self) -> Result<Regions, PageError> {
        self.grown.borrow_and_update();
        let view = View::read(&self.state, &self.id, &mut self.trials, self.may_operate).await?;
        Ok(Regions { title: view.title(), regions: view.regions()?, is_final: view.is_final })
    }

    async fn changed(&mut self) {
        if self.grown.changed().await.is_err() {
            self.grown = self.state.handle.watch(&self.id);
        }
    }
}

async fn stream(state: Data<State>, request: HttpRequest, path: Path<String>) -> Result<HttpResponse, PageError> {
    let slot = event_stream::slot(&state, &request)?;
    let id = job_id(&state, &path).await?;
    let grown = state.handle.watch(&id);
    if state.handle.store().job(&id).await?.is_none() {
        return Err(Problem::not_found("job", id.as_str()).into());
    }
    let may_operate = auth::may(&request, Role::Operator);
    let key = FeedKey { page: format!("/jobs/{id}"), may_operate };
    let source = Job { state: state.clone(), id, may_operate, grown, trials: Trials::default() };
    Ok(live::stream(&state, &request, slot, key, source))
}
