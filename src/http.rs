//! The HTTP facade: the fourteen routes of the contract, further routes, and the pages. It only translates requests to
//! calls of `Handle` and results to answers; decisions are made behind `Handle`.

mod asyncapi;
mod audit;
mod auth;
mod body;
mod card;
mod code;
#[cfg(test)]
mod conformity;
mod connection;
mod connection_limit;
mod data;
mod docs;
mod drift;
mod error_page;
mod errors;
mod evaluations;
mod event_stream;
mod events;
mod example_ids;
mod export;
mod fairness;
mod idempotency;
mod ids;
mod jobs;
mod keys;
mod metrics;
mod mlflow;
mod models;
mod needs;
mod oip;
mod openapi;
mod opening;
mod page;
mod pages;
mod parked;
mod points;
mod predict;
mod prediction_log;
mod probes;
mod problem;
mod schedule;
mod server;
mod shadow;
mod slash;
mod static_files;
mod status;
mod tls;
mod uploads;
pub mod workers;

pub use auth::policy::check as check_address;
pub use openapi::document;
pub use opening::open as opening;
pub use server::{Server, serve};
pub use tls::load as check_tls;

use crate::card::CardTexts;
use crate::settings::{Predict, Settings, Values};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use connection_limit::KeyedLimit;
use predict::SpoolDisk;
use problem::Problem;
use provost_actors::handle::Handle;
use provost_actors::{ByLane, Pool};
use provost_domain::limits;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// The base path of the contract's routes.
pub const BASE: &str = "/api/v1/model-training";

/// Shared by all handlers.
#[derive(Clone)]
pub struct State {
    pub handle: Handle,
    pub max_body_bytes: usize,
    /// How long the body of a request may take to arrive.
    pub body_timeout: Duration,
    /// True once the process begins to stop: readiness is off, event streams end.
    pub closing: watch::Receiver<bool>,
    /// Threads for work of the facade that takes longer than a millisecond: long bodies, long answers, files.
    compute: Pool,
    /// The memory for request bodies, in KiB.
    bodies: ByLane<Arc<Semaphore>>,
    pub predict: Predict,
    /// The memory for bodies of prediction requests, in KiB.
    prediction_bodies: ByLane<Arc<Semaphore>>,
    /// The texts about the system that model cards include.
    card: CardTexts,
    /// Bounds requests for cards, because each reads many records.
    cards: Pool,
    /// Bounds exports while they are made: each may take [`limits::EXPORT_BYTES`] of memory. The file that is sent is a fraction of that.
    exports: Pool,
    /// Open event streams per caller.
    streams: Arc<KeyedLimit<String>>,
    /// The live pages that are open, rendered once for all their streams.
    feeds: Arc<pages::Feeds>,
    /// Disk space for answers of streams that the client has not read yet.
    spools: Arc<SpoolDisk>,
    /// Open streams of predictions per caller.
    predict_streams: Arc<KeyedLimit<String>>,
    keys: Arc<idempotency::InFlight>,
    traffic: Arc<metrics::Traffic>,
    uploads: Arc<uploads::Uploads>,
    /// The last count of open needs.
    needed: Arc<AtomicU64>,
    /// Bounds requests about parked messages: one of each lane at a time may use the parking queue.
    parked: Pool,
    /// Locked while a request uses the parking queue.
    parking: Arc<tokio::sync::Mutex<()>>,
    /// Each setting as it may be shown, with its source.
    settings: Arc<Values>,
}

impl State {
    pub fn new(handle: Handle, settings: &Settings, closing: watch::Receiver<bool>) -> Self {
        let (http, predict) = (&settings.http, settings.predict.clone());
        let (max_body_bytes, body_timeout) = (http.max_body_bytes, http.deadlines.body);
        Self {
            handle,
            max_body_bytes,
            body_timeout,
            closing,
            compute: Pool::new("requests with long work", http.compute_threads, limits::COMPUTE_QUEUE),
            bodies: ByLane::new(|| body::memory(max_body_bytes)),
            prediction_bodies: ByLane::new(|| body::prediction_memory(predict.max_body_bytes)),
            parked: Pool::new("requests about parked messages", 1, limits::PARKED_REQUESTS),
            parking: Arc::default(),
            needed: Arc::default(),
            settings: Arc::new(settings.values.clone()),
            uploads: Arc::new(uploads::Uploads::new(&predict.spool_dir)),
            spools: Arc::new(SpoolDisk::new(predict.spool_dir.clone(), predict.spool_bytes)),
            predict,
            card: settings.card.clone(),
            cards: Pool::new("model cards", 2, limits::AUDITS),
            exports: Pool::new("exports of models", 1, limits::AUDITS),
            streams: KeyedLimit::new(limits::EVENT_STREAMS),
            feeds: Arc::default(),
            predict_streams: KeyedLimit::new(limits::PREDICT_STREAMS),
            keys: Arc::default(),
            traffic: Arc::default(),
        }
    }
}

/// Sends an answer that may be long: the compute threads serialise it.
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
                .configure(export::routes)
                .configure(evaluations::routes)
                .configure(fairness::routes)
                .configure(card::routes)
                .configure(data::routes)
                .configure(points::routes)
                .configure(schedule::routes)
                .configure(needs::routes)
                .configure(drift::routes)
                .configure(audit::routes)
                .configure(keys::routes)
                .configure(parked::routes)
                .configure(status::routes)
                .configure(predict::routes)
                .configure(shadow::routes)
                .configure(prediction_log::routes)
                .default_service(web::to(problem::no_such_route)),
        )
        .configure(status::root_routes)
        .configure(metrics::routes)
        .configure(oip::routes)
        .configure(mlflow::routes)
        .configure(docs::routes)
        .configure(pages::routes)
        .configure(static_files::routes)
        .configure(auth::routes)
        .default_service(web::to(problem::no_such_route));
}

#[cfg(test)]
mod tests;
