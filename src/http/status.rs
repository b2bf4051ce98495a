//! The state of the service: `/status` for operators, `/livez` and `/readyz` for machines.

use super::problem::{only, readable};
use super::{State, auth};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use provost_actors::Handle;
use provost_actors::panics::Panic;
use provost_domain::job::JobStatus;
use provost_domain::status::{ComponentStatus, Health};
use provost_domain::{Algorithm, ModelId};
use provost_store::{Store, StoreError};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/status").route(readable().to(status)).default_service(only("GET, HEAD")));
}

pub fn root_routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/livez").route(readable().to(live)).default_service(only("GET, HEAD")))
        .service(web::resource("/readyz").route(readable().to(ready)).default_service(only("GET, HEAD")));
}

/// Null where the store does not answer in time.
#[derive(Default, Serialize, ToSchema)]
pub struct ModelCounts {
    pub total: Option<u64>,
    /// 1 if a model is active, else 0.
    pub active: Option<u64>,
    pub active_model_id: Option<ModelId>,
}

/// Null where the store does not answer in time.
#[derive(Default, Serialize, ToSchema)]
pub struct JobCounts {
    pub running: Option<u64>,
    pub pending: Option<u64>,
    pub completed: Option<u64>,
    pub failed: Option<u64>,
    pub cancelled: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub struct LatestModel {
    pub model_id: ModelId,
    pub algorithm: Algorithm,
    pub training_date: DateTime<Utc>,
    pub f1_score: f64,
}

/// A panic of this process.
#[derive(Serialize, ToSchema)]
pub struct PanicSeen {
    pub at: DateTime<Utc>,
    /// The component in which the panic happened; null if the thread belongs to none.
    pub component: Option<String>,
    pub text: String,
    /// File, line and column.
    pub place: String,
}

/// Faults of this process since it started. Without faults all counts are 0.
#[derive(Serialize, ToSchema)]
pub struct Faults {
    /// Panics, wherever they were caught.
    pub panics: u64,
    /// Rebuilds of actors.
    pub restarts: u64,
    /// Log lines at level error.
    pub error_lines: u64,
    /// Log lines at level warn.
    pub warning_lines: u64,
    /// The newest first, at most forty.
    pub latest_panics: Vec<PanicSeen>,
}

#[derive(Serialize, ToSchema)]
pub struct ServiceStatus {
    /// `operational` or `degraded`
    pub status: String,
    pub models: ModelCounts,
    pub jobs: JobCounts,
    pub latest_model: Option<LatestModel>,
    /// Each dependency's and actor's state.
    pub components: BTreeMap<String, ComponentStatus>,
    pub faults: Faults,
}

fn faults(handle: &Handle) -> Faults {
    let (error_lines, warning_lines) = crate::log::faults();
    let seen = |p: Panic| PanicSeen { at: p.at, component: p.component, text: p.text, place: p.place };
    Faults {
        panics: handle.panics().total(),
        restarts: handle.restarts(),
        error_lines,
        warning_lines,
        latest_panics: handle.panics().latest().into_iter().map(seen).collect(),
    }
}

/// Members of components' states that hold a server's address.
const ADDRESSES: [&str; 2] = ["server", "from"];

fn healthy(components: &BTreeMap<String, ComponentStatus>) -> bool {
    components.values().all(|c| matches!(c.health, Health::Up | Health::Disabled))
}

/// The status is answered within this time; figures that the store has not returned by then are null.
const ANSWER_WITHIN: Duration = Duration::from_millis(900);

/// Counts of models and jobs from the store.
#[derive(Default)]
struct Known {
    models: ModelCounts,
    jobs: JobCounts,
    latest_model: Option<LatestModel>,
}

impl Known {
    async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let latest = store.list_models(false, None, 1);
        let (counts, total, active, latest) =
            tokio::try_join!(store.job_counts(), store.model_count(), store.active_model(), latest)?;
        let count = |status| Some(counts.get(&status).copied().unwrap_or(0));
        Ok(Self {
            models: ModelCounts {
                total: Some(total),
                active: Some(u64::from(active.is_some())),
                active_model_id: active,
            },
            jobs: JobCounts {
                running: count(JobStatus::Running),
                pending: count(JobStatus::Pending),
                completed: count(JobStatus::Completed),
                failed: count(JobStatus::Failed),
                cancelled: count(JobStatus::Cancelled),
            },
            latest_model: latest.items.into_iter().next().map(|m| LatestModel {
                model_id: m.model_id,
                algorithm: m.algorithm,
                training_date: m.training_date,
                f1_score: m.metrics.f1_score,
            }),
        })
    }
}

/// Models, jobs, and the state of each dependency and actor.
///
/// Answered within a second even if a dependency is away; figures that the store has not returned by then are null.
#[utoipa::path(get, path = "/status", operation_id = "get_status", tag = "service",
    responses((status = 200, description = "The status", body = ServiceStatus)))]
pub(super) async fn status(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let began = Instant::now(); // real time: the client's
    let (mut components, store_answers) = state.handle.components_and_store().await;
    if !auth::may_see_addresses(&request) {
        for state in components.values_mut().filter_map(|c| c.state.as_object_mut()) {
            ADDRESSES.iter().for_each(|name| drop(state.remove(*name)));
        }
    }
    let mut known = Known::default();
    // If the store does not answer, no further queries are sent.
    if let Some(store) = components.get_mut("store").filter(|_| store_answers) {
        let left = ANSWER_WITHIN.saturating_sub(began.elapsed());
        let error = match tokio::time::timeout(left, Known::read(&**state.handle.store())).await {
            Ok(Ok(read)) => {
                known = read;
                None
            }
            Ok(Err(e)) => Some(e.for_callers()),
            Err(_) => Some("it did not count models and jobs in time".to_owned()),
        };
        if error.is_some() {
            store.health = Health::Degraded;
            store.last_error = error;
        }
    }
    let Known { models, jobs, latest_model } = known;
    let status = if healthy(&components) { "operational" } else { "degraded" }.to_owned();
    let faults = faults(&state.handle);
    HttpResponse::Ok().json(ServiceStatus { status, models, jobs, latest_model, components, faults })
}

/// What `/livez` answers.
#[derive(Serialize, ToSchema)]
pub struct Alive {
    /// `alive`
    pub status: String,
}

impl Default for Alive {
    fn default() -> Self {
        Self { status: "alive".to_owned() }
    }
}

/// What `/readyz` answers.
#[derive(Serialize, ToSchema)]
pub struct Readiness {
    /// `ready`; `degraded`: requests are answered, but a dependency is away; `unavailable` and `stopping`: requests are
    /// not answered.
    pub status: String,
    pub store: Option<Health>,
    /// State of the connection to RabbitMQ.
    pub bus: Option<Health>,
}

impl Readiness {
    pub fn of(status: &str, store: Option<Health>, bus: Option<Health>) -> Self {
        Self { status: status.to_owned(), store, bus }
    }
}

/// Says that the process answers.
///
/// For a watchdog of the process: neither the store nor an actor is involved, and it answers while the store is being
/// opened.
#[utoipa::path(get, path = "/livez", operation_id = "live", tag = "service",
    responses((status = 200, description = "Alive", body = Alive)))]
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Alive::default())
}

/// Says whether the service takes requests.
///
/// For load balancers. The service is ready when the store answers and the queue takes jobs. 503 also once the service
/// begins to stop.
#[utoipa::path(get, path = "/readyz", operation_id = "ready", tag = "service",
    responses(
        (status = 200, description = "Ready, perhaps degraded", body = Readiness),
        (status = 503, description = "Not ready; `Retry-After` says when to ask again", body = Readiness)))]
pub(super) async fn ready(state: Data<State>) -> HttpResponse {
    let (components, up) = state.handle.readiness().await;
    let stopping = *state.closing.borrow();
    let word = match (stopping, up, healthy(&components)) {
        (true, _, _) => "stopping",
        (_, false, _) => "unavailable",
        (_, _, false) => "degraded",
        _ => "ready",
    };
    let store = components.get("store").map(|c| c.health);
    let bus = components.get("bridge").map(|c| c.health);
    let answer = Readiness::of(word, store, bus);
    if matches!(word, "ready" | "degraded") {
        HttpResponse::Ok().json(answer)
    } else {
        HttpResponse::ServiceUnavailable().insert_header(("retry-after", "5")).json(answer)
    }
}
