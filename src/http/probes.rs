//! A small facade without keys, on a thread of its own: `/livez` and few other routes. It answers while the store is being
//! opened, and for a process of workers.

use super::problem::readable;
use super::{slash, tls};
use crate::error::{Error, Result};
use crate::settings::{Deadlines, Http};
use actix_http::HttpService;
use actix_rt::net::TcpStream;
use actix_server::{Server as Listening, ServerHandle};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::App;
use actix_web::dev::{AppConfig, Service as _};
use actix_web::web::ServiceConfig;
use std::net::{SocketAddr, TcpListener};
use tokio::io::{AsyncRead, AsyncWrite};

/// A small facade that answers.
pub struct Probes(ServerHandle);

/// HTTP/1.1 over whatever `Io` is.
fn protocol<Io>(
    deadlines: Deadlines,
    routes: impl FnOnce(&mut ServiceConfig),
) -> impl ServiceFactory<(Io, Option<SocketAddr>), Config = (), Response = (), Error = (), InitError = ()>
where
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let app = App::new().route("/livez", readable().to(super::status::live)).configure(routes);
    let app = app.wrap_fn(|mut request, service| {
        slash::trim(&mut request);
        service.call(request)
    });
    let app = app.into_factory().map_err(|error: actix_web::Error| error.error_response());
    HttpService::build()
        .keep_alive(deadlines.keep_alive)
        .client_request_timeout(deadlines.head)
        .h1(map_config(app, |()| AppConfig::default()))
        .map_err(|error| tracing::debug!(%error, "a connection ended"))
}

/// Starts to answer on `listener`, on a thread of its own. `routes` adds the routes beside `/livez`, and the answer to
/// all other paths.
///
/// # Errors
/// TLS files that cannot be used, and a listener that cannot be watched.
pub fn open(
    listener: TcpListener,
    http: &Http,
    routes: impl FnOnce(&mut ServiceConfig) + Clone + Send + 'static,
) -> Result<Probes> {
    let tls = http.tls.as_ref().map(tls::load).transpose().map_err(|e| Error::Usage(e.to_string()))?;
    let deadlines = http.deadlines;
    let builder = Listening::build().workers(1).max_concurrent_connections(100).shutdown_timeout(1).disable_signals();
    let builder = match tls {
        None => builder.listen("probes", listener, move || {
            fn_service(|io: TcpStream| {
                let peer = io.peer_addr().ok();
                std::future::ready(Ok::<_, ()>((io, peer)))
            })
            .and_then(protocol(deadlines, routes.clone()))
        })?,
        Some(config) => builder.listen("probes", listener, move || {
            let mut acceptor = Acceptor::new(config.clone());
            acceptor.set_handshake_timeout(deadlines.head);
            fn_service(|io: TcpStream| std::future::ready(Ok::<_, ()>(io)))
                .and_then(acceptor.map_err(|error| tracing::debug!(?error, "no TLS handshake")))
                .map(|io: TlsStream<TcpStream>| {
                    let peer = io.get_ref().0.peer_addr().ok();
                    (io, peer)
                })
                .and_then(protocol(deadlines, routes.clone()))
        })?,
    };
    let server = builder.run();
    let handle = server.handle();
    actix_rt::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the small HTTP server ended");
        }
    });
    Ok(Probes(handle))
}

impl Probes {
    /// Stops answering; a listener that was cloned before stays open.
    pub async fn close(self) {
        self.0.stop(true).await;
    }
}
