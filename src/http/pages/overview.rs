//! `/`: whether all is well, what needs a person, which model serves, and what runs.

mod changes;
mod steps;
mod traffic;
mod visit;

use super::live::{FeedKey, Regions, Source};
use super::needs::{self, Components, sentence};
use super::shell::{Section, Shell};
use super::text::{Mark, Moment, Score, activated_by, algorithm, counted, left, reason, said, short, shown};
use super::{PageError, State, html, live, render};
use crate::http::problem::{only, readable};
use crate::http::{auth, event_stream};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use changes::{Change, changes};
use chrono::{DateTime, Utc};
use provost_domain::TrainingJob;
use provost_domain::job::JobStatus;
use provost_domain::status::{Health, component_title};
use std::collections::BTreeMap;
use std::time::Duration;
use steps::{Step, steps};
use tokio::sync::watch;
use traffic::Traffic;
use visit::Visit;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/").route(readable().to(page)).default_service(only("GET, HEAD")))
        .service(web::resource("/live").route(web::get().to(stream)).default_service(only("GET")));
}

/// A job that runs or waits.
pub struct Work {
    pub path: String,
    pub name: String,
    pub mark: Mark,
    pub step: String,
    pub percent: u32,
    pub left: Option<String>,
    pub reason: String,
    pub since: Moment,
}

impl Work {
    pub fn of(job: &TrainingJob, now: DateTime<Utc>) -> Self {
        let is_running = job.status == JobStatus::Running;
        Self {
            path: format!("/jobs/{}", job.job_id),
            name: short(job.job_id.as_str()),
            mark: Mark::of_job(job.status),
            step: shown(job.current_step.as_deref().unwrap_or("in the queue")).replace('_', " "),
            percent: job.progress_percentage.round().clamp(0.0, 100.0) as u32,
            left: job.estimated_time_remaining_seconds.filter(|_| is_running).map(left),
            reason: job.triggers.first().map_or("by hand", |t| reason(t.trigger_type)).to_owned(),
            since: Moment::new(job.started_at.unwrap_or(job.created_at), now),
        }
    }
}

/// The model that serves.
struct Serving {
    path: String,
    name: &'static str,
    version: String,
    auc: Score,
    f1: Score,
    trained: Moment,
    since: Option<Moment>,
    by: String,
    why: String,
    traffic: Option<Traffic>,
    may_roll_back: bool,
}

/// One of the three dependencies (store, bus, mail), or all actors together.
struct HealthRow {
    name: String,
    mark: Mark,
    detail: String,
}

struct View {
    may_operate: bool,
    needs: needs::Open,
    sentence: String,
    serving: Option<Serving>,
    models: u64,
    work: Vec<Work>,
    health: Vec<HealthRow>,
    changes: Vec<Change>,
    /// What changed since the last visit, and when that visit was; None on the first visit.
    since: Option<(String, Moment)>,
    /// The first steps of a service without a model; empty otherwise.
    steps: Vec<Step>,
}

#[derive(Template)]
#[template(path = "overview/page.html")]
struct Page<'a> {
    shell: Shell,
    view: &'a View,
    regions: BTreeMap<&'static str, String>,
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
region!(NeedsRegion, "overview/needs.html");
region!(ServingRegion, "overview/serving.html");
region!(WorkRegion, "overview/work.html");
region!(HealthRegion, "overview/health.html");
region!(ChangesRegion, "overview/changes.html");

impl View {
    async fn read(state: &State, may_operate: bool, visited: Option<DateTime<Utc>>) -> Result<Self, PageError> {
        let now = state.handle.options().clock.now();
        let store = state.handle.store();
        let components = state.handle.components().await;
        let needs = needs::open(state, now);
        let running = async { Ok(store.list_jobs(Some(JobStatus::Running), None, 10).await?) };
        let pending = async { Ok(store.list_jobs(Some(JobStatus::Pending), None, 10).await?) };
        let rest = async {
            Ok::<_, PageError>(tokio::try_join!(store.model_count(), store.job_counts(), store.point_totals())?)
        };
        let (needs, running, pending, (models, jobs, points), serving, changes) =
            tokio::try_join!(needs, running, pending, rest, Self::serving(state, now), changes(state, now, visited))?;
        let work: Vec<Work> =
            running.items.iter().chain(pending.items.iter().rev()).map(|job| Work::of(job, now)).collect();
        let steps = if models == 0 { steps(points.total > 0, jobs.values().sum::<u64>() > 0) } else { Vec::new() };
        let sentence = if models == 0 && needs.count == 0 {
            "Nothing is trained yet. These are the first steps.".to_owned()
        } else {
            sentence(needs.count, running.items.len())
        };
        let since = visited.map(|visited| {
            let news = changes.iter().filter(|change| change.is_new).count();
            let news = if news == 0 { "Nothing".to_owned() } else { counted(news as u64, "change") };
            (news, Moment::new(visited, now))
        });
        let health = health(&components);
        Ok(Self { may_operate, needs, sentence, serving, models, work, health, changes, since, steps })
    }

    async fn serving(state: &State, now: DateTime<Utc>) -> Result<Option<Serving>, PageError> {
        let store = state.handle.store();
        let Some(id) = store.active_model().await? else { return Ok(None) };
        let Some(record) = store.model(&id).await? else { return Ok(None) };
        let latest = store.activations(None, 1).await?.items.into_iter().next();
        let traffic = Traffic::read(state, &id, latest.as_ref().map(|a| a.activated_at), now).await?;
        let (version, metrics) = (&record.version, &record.version.metrics);
        let ends = |name: &str| metrics.intervals_95.get(name).copied();
        Ok(Some(Serving {
            path: format!("/models/{id}"),
            name: algorithm(version.algorithm),
            version: version.version.clone(),
            auc: Score::new(metrics.auc_roc, ends("auc_roc")),
            f1: Score::new(metrics.f1_score, ends("f1_score")),
            trained: Moment::new(version.training_date, now),
            since: latest.as_ref().map(|a| Moment::new(a.activated_at, now)),
            by: activated_by(latest.as_ref().and_then(|a| a.activated_by.as_deref())),
            why: latest.as_ref().and_then(|a| a.reason.as_deref()).map(said).unwrap_or_default(),
            traffic,
            may_roll_back: latest.is_some_and(|a| a.previous_model_id.is_some()),
        }))
    }

    fn regions(&self) -> Result<BTreeMap<&'static str, String>, PageError> {
        Ok(BTreeMap::from([
            ("sentence", self.sentence.clone()),
            ("needs", render(&NeedsRegion { view: self })?),
            ("serving", render(&ServingRegion { view: self })?),
            ("work", render(&WorkRegion { view: self })?),
            ("health", render(&HealthRegion { view: self })?),
            ("changes", render(&ChangesRegion { view: self })?),
        ]))
    }

    fn title(&self) -> String {
        match self.needs.count {
            0 => "Overview".to_owned(),
            n => format!("▲ {n} · Overview"),
        }
    }
}

/// Store, bus, mail, and all actors as one row.
fn health(components: &Components) -> Vec<HealthRow> {
    const OWN: [&str; 3] = ["store", "bridge", "notifier"];
    let mut rows: Vec<HealthRow> = OWN
        .iter()
        .filter_map(|name| {
            let found = components.get(*name)?;
            let detail = found.last_error.as_deref().map(shown).unwrap_or_default();
            Some(HealthRow { name: component_title(name), mark: Mark::of_health(found.health), detail })
        })
        .collect();
    let actors: Vec<_> = components.iter().filter(|(name, _)| !OWN.contains(&name.as_str())).collect();
    let unwell: Vec<_> = actors.iter().filter(|(_, c)| matches!(c.health, Health::Degraded | Health::Down)).collect();
    let detail = match unwell.first() {
        Some((name, found)) => {
            format!("{}: {}", component_title(name), found.last_error.as_deref().map(shown).unwrap_or_default())
        }
        None => format!("{} run, {} restarts", actors.len(), actors.iter().map(|(_, c)| c.restarts).sum::<u64>()),
    };
    let worst = if unwell.iter().any(|(_, c)| c.health == Health::Down) {
        Health::Down
    } else if unwell.is_empty() {
        Health::Up
    } else {
        Health::Degraded
    };
    rows.push(HealthRow { name: "Actors".to_owned(), mark: Mark::of_health(worst), detail });
    rows
}

async fn page(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let mut shell = Shell::of(&request, Section::Overview, "Overview");
    let visit = Visit::of(request.headers(), state.handle.options().clock.now());
    let view = View::read(&state, shell.may_operate, visit.before()).await?;
    shell.title = view.title();
    (shell.is_needed, shell.needed) = (view.needs.count > 0, view.needs.count);
    let regions = view.regions()?;
    let mut response = html(&Page { shell, view: &view, regions })?;
    visit.keep(response.headers_mut());
    Ok(response)
}

/// How often the overview is rendered without news of a running job.
const LOOK_EVERY: Duration = Duration::from_secs(4);

/// The source of the overview's live regions: they may change with each event of a running job, and every few seconds.
struct Overview {
    state: Data<State>,
    may_operate: bool,
    visited: Option<DateTime<Utc>>,
    running: Option<watch::Receiver<u64>>,
}

impl Source for Overview {
    async fn read(&mut self) -> Result<Regions, PageError> {
        let running = self.state.handle.store().list_jobs(Some(JobStatus::Running), None, 1).await?;
        self.running = running.items.first().map(|job| self.state.handle.watch(&job.job_id));
        let view = View::read(&self.state, self.may_operate, self.visited).await?;
        Ok(Regions { title: view.title(), regions: view.regions()?, is_final: false })
    }

    async fn changed(&mut self) {
        let news = async {
            match &mut self.running {
                Some(running) => drop(running.changed().await),
                None => std::future::pending().await,
            }
            // Events within half a second are shown together.
            tokio::time::sleep(Duration::from_millis(500)).await;
        };
        tokio::select! {
            () = news => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn stream(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let slot = event_stream::slot(&state, &request)?;
    let may_operate = auth::may(&request, provost_domain::key::Role::Operator);
    let visited = Visit::of(request.headers(), state.handle.options().clock.now()).before();
    // Changes since the last visit are marked, so only browsers with the same last visit share renderings.
    let since = visited.map_or_else(String::new, |at| at.to_rfc3339());
    let key = FeedKey { page: format!("/ {since}"), may_operate };
    let source = Overview { state: state.clone(), may_operate, visited, running: None };
    Ok(live::stream(&state, &request, slot, key, source))
}
