//! The facade of a process of workers: `/livez` and `/metrics`, without keys.

use super::auth::table::METRICS;
use super::probes::{self, Probes};
use super::problem::{no_such_route, readable};
use crate::error::{Error, Result};
use crate::settings::Http;
use actix_web::web::{self, Data, ServiceConfig};
use provost_actors::fleet::FleetMetrics;
use std::net::{TcpListener, ToSocketAddrs};

/// Binds the address, unless other machines can reach it and the metrics are not to be open to everybody.
///
/// # Errors
/// Such an address, and one that cannot be listened on.
pub fn listen(address: &str, http: &Http) -> Result<TcpListener> {
    let cannot = |e: std::io::Error| {
        let advice = "end the process that listens there, or choose another address (fleet.metrics_listen)";
        Error::failed_with(format!("cannot listen on {address}: {e}"), advice)
    };
    let mut addresses = address.to_socket_addrs().map_err(cannot)?;
    if !http.open_metrics && !addresses.all(|address| address.ip().to_canonical().is_loopback()) {
        let cause =
            format!("fleet.metrics_listen = {address}: other machines can reach this address, and no key is asked for");
        return Err(Error::usage_with(cause, "listen on 127.0.0.1, or set http.open_metrics = true"));
    }
    TcpListener::bind(address).map_err(cannot)
}

/// Starts to answer on `listener`, on a thread of its own.
///
/// # Errors
/// TLS files that cannot be used, and a listener that cannot be watched.
pub fn open(listener: TcpListener, http: &Http, metrics: FleetMetrics) -> Result<Probes> {
    let metrics = Data::new(metrics);
    probes::open(listener, http, move |config: &mut ServiceConfig| {
        config.app_data(metrics).route(METRICS, readable().to(super::metrics::of_workers));
        config.default_service(web::to(no_such_route));
    })
}
