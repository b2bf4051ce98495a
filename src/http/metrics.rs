//! `/metrics`: the state of the service for Prometheus and other readers of OpenMetrics.

mod text;
mod traffic;

pub use traffic::Traffic;

use super::State;
use super::auth::table::METRICS;
use super::problem::{Problem, only, readable};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use provost_actors::fleet::FleetMetrics;
use provost_actors::metrics::{Family, of_the_process};
use text::Format;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource(METRICS).route(readable().to(metrics)).default_service(only("GET, HEAD")));
}

/// Metrics for Prometheus.
///
/// Written as OpenMetrics if `Accept` asks for `application/openmetrics-text`. With the setting `http.open_metrics` no
/// key is needed.
#[utoipa::path(get, path = "/metrics", operation_id = "scrape_metrics", tag = "service",
    responses((status = 200, description = "All metrics, as docs/MONITORING.md lists them",
        content((String = "text/plain"), (String = "application/openmetrics-text")))))]
pub(super) async fn metrics(request: HttpRequest, state: Data<State>) -> Result<HttpResponse, Problem> {
    let mut families = state.handle.metrics().await;
    families.extend(state.traffic.families());
    families.extend(of_every_process());
    answer(&request, families)
}

/// The metrics that exist before the store is open.
pub async fn before_the_store(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let help = "Whether the store told within a second what it holds";
    let mut families = vec![Family::gauge("provost_store_up", help).of(false)];
    families.extend(of_every_process());
    answer(&request, families)
}

/// The metrics of a process of workers.
pub async fn of_workers(request: HttpRequest, workers: Data<FleetMetrics>) -> Result<HttpResponse, Problem> {
    let mut families = workers.read();
    families.extend(of_every_process());
    answer(&request, families)
}

fn of_every_process() -> Vec<Family> {
    let (errors, warnings) = crate::log::faults();
    let mut families = of_the_process();
    families.extend([
        Family::info("provost_build", "Version of the service", vec![("version", env!("CARGO_PKG_VERSION").into())]),
        Family::counter("provost_log_lines", "Lines of the log, by level")
            .with(vec![("level", "error".into())], errors.into())
            .with(vec![("level", "warn".into())], warnings.into()),
    ]);
    families
}

fn answer(request: &HttpRequest, families: Vec<Family>) -> Result<HttpResponse, Problem> {
    let format = Format::wanted(request.headers());
    let written = format.write(families).map_err(|error| Problem::internal(&error))?;
    Ok(HttpResponse::Ok().content_type(format.content_type()).body(written))
}
