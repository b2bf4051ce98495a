//! The facade while the store opens, which takes minutes if documents of the replaced service are converted: `/livez`
//! answers, `/metrics` answers if it is public, and every other request is answered 503.

use super::auth::table::METRICS;
use super::code::Code;
use super::problem::{Problem, readable};
use super::{slash, tls};
use crate::error::{Error, Result};
use crate::settings::{Deadlines, Http};
use actix_http::HttpService;
use actix_rt::net::TcpStream;
use actix_server::{Server as Listening, ServerHandle};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::dev::{AppConfig, Service as _};
use actix_web::{App, HttpResponse, web};
use std::net::{SocketAddr, TcpListener};
use tokio::io::{AsyncRead, AsyncWrite};

/// Seconds after which a client should try again.
const RETRY_AFTER: &str = "5";

/// A facade for the time until the store is open.
pub struct Opening(ServerHandle);

async fn not_yet() -> std::result::Result<HttpResponse, Problem> {
    let problem = Problem::new(Code::Starting, "the store is being opened; the log says how far that is");
    Err(problem.with_header("retry-after", RETRY_AFTER.to_owned()))
}

/// HTTP/1.1 over any `Io`.
fn protocol<Io>(
    deadlines: Deadlines,
    open_metrics: bool,
) -> impl ServiceFactory<(Io, Option<SocketAddr>), Config = (), Response = (), Error = (), InitError = ()>
where
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
{
    // API keys are in the store, so only public routes can answer.
    let metrics = move |config: &mut web::ServiceConfig| {
        if open_metrics {
            config.route(METRICS, readable().to(super::metrics::before_the_store));
        }
    };
    let app = App::new().route("/livez", readable().to(super::status::live)).configure(metrics);
    let app = app.default_service(web::to(not_yet)).wrap_fn(|mut request, service| {
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

/// Starts to answer on `listener`, on a thread of its own.
///
/// # Errors
/// TLS files that cannot be used, and a listener that cannot be watched.
pub fn open(listener: TcpListener, http: &Http) -> Result<Opening> {
    let tls = http.tls.as_ref().map(tls::load).transpose().map_err(|e| Error::Usage(e.to_string()))?;
    let (deadlines, open_metrics) = (http.deadlines, http.open_metrics);
    let builder = Listening::build().workers(1).max_concurrent_connections(100).shutdown_timeout(1).disable_signals();
    let builder = match tls {
        None => builder.listen("opening", listener, move || {
            fn_service(|io: TcpStream| {
                let peer = io.peer_addr().ok();
                std::future::ready(Ok::<_, ()>((io, peer)))
            })
            .and_then(protocol(deadlines, open_metrics))
        })?,
        Some(config) => builder.listen("opening", listener, move || {
            let mut acceptor = Acceptor::new(config.clone());
            acceptor.set_handshake_timeout(deadlines.head);
            fn_service(|io: TcpStream| std::future::ready(Ok::<_, ()>(io)))
                .and_then(acceptor.map_err(|error| tracing::debug!(?error, "no TLS handshake")))
                .map(|io: TlsStream<TcpStream>| {
                    let peer = io.get_ref().0.peer_addr().ok();
                    (io, peer)
                })
                .and_then(protocol(deadlines, open_metrics))
        })?,
    };
    let server = builder.run();
    let handle = server.handle();
    actix_rt::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the HTTP server of the time before the store is open ended");
        }
    });
    Ok(Opening(handle))
}

impl Opening {
    /// Stops answering; the listener stays open for the facade that follows.
    pub async fn close(self) {
        self.0.stop(true).await;
    }
}
