//! The server: takes a listener, gives back a handle to stop it.

use super::{State, routes};
use actix_web::dev::{ServerHandle, Service};
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use provost_actors::handle::Handle;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A running facade.
pub struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    closing: watch::Sender<bool>,
}

/// Starts to answer on `listener`, on threads of its own.
pub fn serve(listener: TcpListener, handle: Handle, workers: usize, max_body_bytes: usize) -> std::io::Result<Server> {
    let address = listener.local_addr()?;
    let (closing, closed) = watch::channel(false);
    let state = Data::new(State::new(handle, max_body_bytes, closed));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .wrap_fn(|request, service| {
                let (started, method, path) = (Instant::now(), request.method().clone(), request.path().to_owned());
                let answered = service.call(request);
                async move {
                    let mut response = answered.await?;
                    let headers = response.headers_mut();
                    headers.insert(
                        actix_web::http::header::X_CONTENT_TYPE_OPTIONS,
                        actix_web::http::header::HeaderValue::from_static("nosniff"),
                    );
                    tracing::debug!(%method, path, status = response.status().as_u16(), ms = started.elapsed().as_millis() as u64, "answered");
                    Ok(response)
                }
            })
            .configure(routes)
    })
    .workers(workers)
    .client_request_timeout(Duration::from_secs(10))
    .shutdown_timeout(5)
    // Signals are the process's: it stops in order, the facade first.
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    actix_rt::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the HTTP server ended");
        }
    });
    Ok(Server { address, handle, closing })
}

impl Server {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Readiness goes off and event streams end at once; requests go on until `stop`.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Lets the requests in flight finish, then stops.
    pub async fn stop(&self) {
        self.close();
        self.handle.stop(true).await;
    }
}
