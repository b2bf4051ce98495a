//! The facade while the store opens, which takes minutes if documents of the replaced service are converted: `/livez`
//! answers, `/metrics` answers if it is public, and every other request is answered 503.

use super::auth::table::METRICS;
use super::code::Code;
use super::probes::{self, Probes};
use super::problem::{Problem, readable};
use crate::error::Result;
use crate::settings::Http;
use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use std::net::TcpListener;

/// Seconds after which a client should try again.
const RETRY_AFTER: &str = "5";

async fn not_yet() -> std::result::Result<HttpResponse, Problem> {
    let problem = Problem::new(Code::Starting, "the store is being opened; the log says how far that is");
    Err(problem.with_header("retry-after", RETRY_AFTER.to_owned()))
}

/// Starts to answer on `listener`, on a thread of its own.
///
/// # Errors
/// TLS files that cannot be used, and a listener that cannot be watched.
pub fn open(listener: TcpListener, http: &Http) -> Result<Probes> {
    // Keys are in the store, so only public routes can answer.
    let open_metrics = http.open_metrics;
    probes::open(listener, http, move |config: &mut ServiceConfig| {
        if open_metrics {
            config.route(METRICS, readable().to(super::metrics::before_the_store));
        }
        config.default_service(web::to(not_yet));
    })
}
