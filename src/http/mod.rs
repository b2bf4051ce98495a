//! The HTTP facade: fourteen routes that clients rely on, a few beside them, and the pages. It only translates; what is
//! decided is decided behind `Handle`.

mod asyncapi;
mod audit;
mod body;
#[cfg(test)]
mod conformity;
mod connection;
mod data;
mod docs;
mod evaluations;
mod events;
mod example_ids;
mod idempotency;
mod jobs;
mod locks;
mod metrics;
mod models;
mod openapi;
mod opening;
mod page;
mod problem;
mod schedule;
mod seats;
mod server;
mod slash;
mod status;
mod tls;

pub use locks::policy::check as check_address;
pub use openapi::document;
pub use opening::open as opening;
pub use server::{Server, serve};
pub use tls::load as check_tls;

use crate::settings::Http;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use problem::Problem;
use provost_actors::Pool;
use provost_actors::handle::Handle;
use provost_domain::limits;
use seats::Counts;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// Below this path lie all routes of the contract.
pub const BASE: &str = "/api/v1/model-training";

/// What every route sees.
#[derive(Clone)]
pub struct State {
    pub handle: Handle,
    pub max_body_bytes: usize,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// Turns true when the process begins to stop: readiness goes off, event streams end.
    pub closing: watch::Receiver<bool>,
    /// What takes longer than a millisecond and is no actor's work: long bodies, long answers, files.
    compute: Pool,
    /// The memory for request bodies, in KiB.
    bodies: Arc<Semaphore>,
    /// Event streams by caller.
    streams: Arc<Counts<String>>,
    keys: Arc<idempotency::InFlight>,
    traffic: Arc<metrics::Traffic>,
}

impl State {
    pub fn new(handle: Handle, http: &Http, closing: watch::Receiver<bool>) -> Self {
        let (max_body_bytes, body_timeout) = (http.max_body_bytes, http.deadlines.body);
        Self {
            handle,
            max_body_bytes,
            body_timeout,
            closing,
            compute: Pool::new("requests with long work", http.compute_threads, limits::COMPUTE_QUEUE),
            bodies: body::memory(max_body_bytes),
            streams: Counts::new(limits::EVENT_STREAMS),
            keys: Arc::default(),
            traffic: Arc::default(),
        }
    }
}

/// An answer that may be long: it is written on the threads for long work.
async fn send<T: Serialize + Send + 'static>(
    state: &State,
    status: StatusCode,
    document: T,
) -> Result<HttpResponse, Problem> {
    let text = state.compute.run(move || serde_json::to_vec(&document)).await?.map_err(Problem::unwritable)?;
    Ok(HttpResponse::build(status).content_type("application/json").body(text))
}

/// All routes; each resource answers 405 with `Allow` to other methods.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::scope(BASE)
                .configure(jobs::routes)
                .configure(models::routes)
                .configure(evaluations::routes)
                .configure(data::routes)
                .configure(schedule::routes)
                .configure(audit::routes)
                .configure(status::routes)
                .default_service(web::to(problem::no_such_route)),
        )
        .configure(status::root_routes)
        .configure(metrics::routes)
        .configure(docs::routes)
        .configure(locks::routes)
        .default_service(web::to(problem::no_such_route));
}

#[cfg(test)]
mod tests;
