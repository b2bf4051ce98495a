//! The HTTP facade: fourteen routes that clients rely on, a few beside them, and the pages. It only translates; what is
//! decided is decided behind `Handle`.

mod asyncapi;
mod audit;
mod body;
mod connection;
mod data;
mod docs;
mod evaluations;
mod events;
mod idempotency;
mod jobs;
mod locks;
mod models;
mod openapi;
mod opening;
mod page;
mod problem;
mod schedule;
mod seats;
mod server;
mod status;
mod tls;

pub use locks::policy::check as check_address;
pub use openapi::document;
pub use opening::open as opening;
pub use server::{Server, serve};
pub use tls::load as check_tls;

use crate::settings::Http;
use actix_web::web;
use provost_actors::handle::Handle;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

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
    keys: Arc<idempotency::InFlight>,
}

impl State {
    pub fn new(handle: Handle, http: &Http, closing: watch::Receiver<bool>) -> Self {
        let (max_body_bytes, body_timeout) = (http.max_body_bytes, http.deadlines.body);
        Self { handle, max_body_bytes, body_timeout, closing, keys: Arc::default() }
    }
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
        .configure(docs::routes)
        .configure(locks::routes)
        .default_service(web::to(problem::no_such_route));
}

#[cfg(test)]
mod tests;
