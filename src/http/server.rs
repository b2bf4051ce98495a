//! The server: answers on a listener, and returns a handle to stop it. Connections are wired here, because those of
//! `HttpServer` cannot be guarded.

use super::auth::{self, Auth, LocalAddress};
use super::connection::{Activity, Guarded, Held};
use super::connection_limit::ConnectionLimit;
use super::{State, needs, routes, slash, tls};
use crate::error::{Error, Result};
use crate::settings::{Deadlines, Settings};
use actix_http::HttpService;
use actix_rt::net::TcpStream;
use actix_server::{GracefulShutdownSignal, Server as Listening, ServerHandle};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::App;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Extensions, Service, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use provost_actors::clock::Clock;
use provost_actors::handle::Handle;
use socket2::SockRef;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// How long to wait for the rest of an unread request, so that its answer is not lost.
const LINGER: Duration = Duration::from_secs(5);

/// A running facade.
pub struct Server {
    address: SocketAddr,
    tls: bool,
    handle: ServerHandle,
    closing: watch::Sender<bool>,
}

/// Starts to answer on `listener`, on threads of its own.
pub async fn serve(listener: TcpListener, handle: Handle, settings: &Settings) -> Result<Server> {
    let http = &settings.http;
    let address = listener.local_addr()?;
    let (closing, closed) = watch::channel(false);
    let auth = Data::new(Auth::new(&handle, http, address).await?);
    auth.warn();
    actix_rt::spawn(auth.keyring.clone().stay_fresh(closed.clone()));
    actix_rt::spawn(auth.clone().into_inner().report_left_out(closed.clone()));
    let clock = handle.options().clock.clone();
    let state = Data::new(State::new(handle, settings, closed));
    actix_rt::spawn(needs::keep_count(state.clone()));
    let tls = http.tls.as_ref().map(tls::load).transpose().map_err(|e| Error::Usage(e.to_string()))?;

    let builder = Listening::build()
        .workers(http.workers)
        .max_concurrent_connections(http.max_connections.div_ceil(http.workers))
        .shutdown_timeout(5)
        // The process handles signals itself, because it must stop the facade first.
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let deadlines = http.deadlines;
    let entrance = Entrance {
        clock,
        auth: auth.clone(),
        connection_limit: ConnectionLimit::new(http.max_connections_per_address),
        deadlines,
    };
    let wiring = Wiring { state, auth, stopping, deadlines };
    let secured = tls.is_some();
    let builder = match tls {
        None => builder.listen("facade", listener, move || {
            let entrance = entrance.clone();
            fn_service(move |io: TcpStream| {
                let peer = io.peer_addr().ok();
                std::future::ready(entrance.guard(io).map(|io| (io, peer)))
            })
            .and_then(wiring.clone().protocol(|io: &Guarded<TcpStream>| io))
        })?,
        Some(config) => builder.listen("facade", listener, move || {
            let mut acceptor = Acceptor::new(config.clone());
            acceptor.set_handshake_timeout(deadlines.head);
            let entrance = entrance.clone();
            fn_service(move |io: TcpStream| std::future::ready(entrance.guard(io)))
                .and_then(acceptor.map_err(|error| tracing::debug!(?error, "no TLS handshake")))
                .map(|io: TlsStream<Guarded<TcpStream>>| {
                    let peer = io.get_ref().0.io().peer_addr().ok();
                    (io, peer)
                })
                .and_then(wiring.clone().protocol(|io: &TlsStream<Guarded<TcpStream>>| io.get_ref().0))
        })?,
    };
    let server = builder.run();
    let handle = server.handle();
    actix_rt::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the HTTP server ended");
        }
    });
    Ok(Server { address, tls: secured, handle, closing })
}

/// The bytes of an answer that the kernel holds beyond those on their way to the client. The kernel grows a connection's send buffer to
/// megabytes and reports room once a third of the buffer is free: without this bound a client that reads steadily but slowly would seem
/// to make no progress for longer than the write time-out.
const UNSENT: u32 = 128 * 1024;

/// Accepts connections within the limits per address.
#[derive(Clone)]
struct Entrance {
    clock: Arc<dyn Clock>,
    auth: Data<Auth>,
    connection_limit: Arc<ConnectionLimit>,
    deadlines: Deadlines,
}

impl Entrance {
    /// Fails, and so closes the connection, if the address has reached its limit.
    fn guard(&self, io: TcpStream) -> std::result::Result<Guarded<TcpStream>, ()> {
        let address = io.peer_addr().ok().map(|peer| peer.ip());
        let Some(slot) = self.connection_limit.take(&self.auth, address) else {
            tracing::debug!(?address, "too many connections from this address");
            return Err(());
        };
        // Answers are small and complete, so Nagle's algorithm would only delay them.
        let _ = io.set_nodelay(true);
        let _ = SockRef::from(&io).set_tcp_notsent_lowat(UNSENT);
        let Deadlines { head, keep_alive, write, .. } = self.deadlines;
        Ok(Guarded::new(io, self.clock.clone(), head + keep_alive, write).on(slot))
    }
}

/// What each thread of the server creates its services from.
#[derive(Clone)]
struct Wiring {
    state: Data<State>,
    auth: Data<Auth>,
    stopping: GracefulShutdownSignal,
    deadlines: Deadlines,
}

impl Wiring {
    /// HTTP/1.1 over any `Io`.
    fn protocol<Io>(
        self,
        guarded: fn(&Io) -> &Guarded<TcpStream>,
    ) -> impl ServiceFactory<(Io, Option<SocketAddr>), Config = (), Response = (), Error = (), InitError = ()>
    where
        Io: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let Self { state, auth, stopping, deadlines } = self;
        let app = app(state, auth).into_factory().map_err(|error: actix_web::Error| error.error_response());
        HttpService::build()
            .keep_alive(deadlines.keep_alive)
            .client_request_timeout(deadlines.head)
            .client_disconnect_timeout(LINGER)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(move |io: &Io, data: &mut Extensions| {
                let guarded = guarded(io);
                data.insert(guarded.activity());
                if let Ok(local) = guarded.io().local_addr() {
                    data.insert(LocalAddress(local.ip()));
                }
            })
            .h1(map_config(app, |()| AppConfig::default()))
            .map_err(|error| tracing::debug!(%error, "a connection ended"))
    }
}

/// The application: requests lose a trailing slash and pass the access check, answers get the security headers.
fn app(
    state: Data<State>,
    auth: Data<Auth>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let (tls, traffic) = (auth.tls(), state.traffic.clone());
    App::new().app_data(state).app_data(auth).configure(routes).wrap(from_fn(auth::check_request)).wrap_fn(
        move |mut request, service| {
            slash::trim(&mut request);
            let busy = request.request().conn_data::<Activity>().map(Activity::busy);
            let (started, method, path) = (Instant::now(), request.method().clone(), request.path().to_owned());
            let counted = traffic.begin(method.as_str(), &path);
            let answered = service.call(request);
            async move {
                let mut response = answered.await?;
                counted.answered(response.status().as_u16());
                auth::add_headers(response.headers_mut(), tls);
                tracing::debug!(%method, path, status = response.status().as_u16(), ms = started.elapsed().as_millis() as u64, "answered");
                Ok(response.map_body(|_, body| Held::while_it_streams(body, busy)))
            }
        },
    )
}

impl Server {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    /// Turns readiness off and ends event streams at once; other requests continue until `stop`.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Lets the requests in flight finish, then stops.
    pub async fn stop(&self) {
        self.close();
        self.handle.stop(true).await;
    }
}
