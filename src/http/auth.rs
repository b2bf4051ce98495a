//! Authentication, authorisation, rate limits and the audit log. Every request passes `check_request`.

mod address;
mod given;
mod headers;
mod host;
mod keyring;
mod origin;
mod pass;
pub mod policy;
mod rates;
mod record;
mod session;
pub mod table;

pub use address::network_of;
pub use headers::add as add_headers;
pub use host::{LocalAddress, refused as not_ours};
pub use keyring::Keyring;
pub use pass::{EndsItself, ended};
pub use record::note;
pub use session::{COOKIE, cookie_of, routes};

use crate::http::code::Code;
use crate::http::error_page;
use crate::http::problem::{Dialect, LONGEST_PATH, Problem};
use crate::log::limiter::{self, LogLimiter};
use crate::settings::{Http, Network};
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, ResponseError};
use given::Given;
use host::Hosts;
use keyring::Holder;
use origin::Reached;
use pass::Pass;
use provost_actors::clock::Clock;
use provost_actors::{Handle, Lane};
use provost_domain::check::brief;
use provost_domain::key::Role;
use provost_store::{Store, StoreError};
use rates::Buckets;
use record::Recorded;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use table::{Access, Found, METRICS, Row};
use tokio::sync::watch;

/// The detail of the 401 answer to a request without a key.
pub const KEY_NEEDED: &str = "an API key is needed: Authorization: Bearer KEY";

pub struct Auth {
    pub keyring: Arc<Keyring>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    loopback: bool,
    tls: bool,
    open_metrics: bool,
    hosts: Hosts,
    proxies: Option<Vec<Network>>,
    by_key: Buckets<String>,
    by_address: Buckets<IpAddr>,
    failures: Buckets<IpAddr>,
    log_limiter: LogLimiter,
}

/// The identity behind a request.
#[derive(Debug, Clone)]
pub struct Caller {
    holder: Option<Holder>,
    pass: Pass,
    pub address: IpAddr,
}

impl Caller {
    /// For the audit log.
    fn who(&self) -> String {
        self.by().unwrap_or_else(|| format!("anonymous@{}", self.address))
    }

    fn by(&self) -> Option<String> {
        self.holder.as_ref().map(|h| h.label.clone())
    }

    /// The lane for the caller's long work. While no key exists, every caller is an operator; later, a caller without a
    /// key on a public route is a reader.
    fn lane(&self) -> Lane {
        match (&self.holder, &self.pass) {
            (Some(holder), _) if holder.role < Role::Operator => Lane::Readers,
            (None, Pass::Public) => Lane::Readers,
            _ => Lane::Operators,
        }
    }
}

/// Whether the caller may see the addresses of servers: an admin may, and everybody while no key exists.
pub fn may_see_addresses(request: &HttpRequest) -> bool {
    request.extensions().get::<Caller>().is_some_and(|c| c.holder.as_ref().is_none_or(|h| h.role == Role::Admin))
}

/// Whether the request's caller has this role or a higher one; anybody has while the service asks for no key.
pub fn may(request: &HttpRequest, role: Role) -> bool {
    request.extensions().get::<Caller>().is_some_and(|c| c.holder.as_ref().is_none_or(|h| h.role >= role))
}

/// The caller's key as records of jobs and activations name it; `anonymous` without a key.
pub fn by(request: &HttpRequest) -> Option<String> {
    let by = request.extensions().get::<Caller>().and_then(Caller::by);
    Some(by.unwrap_or_else(|| "anonymous".to_owned()))
}

/// The role of the caller's key; None while no key is needed.
pub fn role(request: &HttpRequest) -> Option<Role> {
    request.extensions().get::<Caller>().and_then(|caller| caller.holder.as_ref()).map(|holder| holder.role)
}

/// Whether the request carries a valid session.
pub fn is_signed_in(request: &HttpRequest) -> bool {
    request.extensions().get::<Caller>().is_some_and(|caller| matches!(caller.pass, Pass::Session(_)))
}

/// The caller's name for limits per caller: the key's id. All requests without a key are one caller.
pub fn owner(request: &HttpRequest) -> String {
    let extensions = request.extensions();
    let holder = extensions.get::<Caller>().and_then(|caller| caller.holder.as_ref());
    holder.map_or_else(|| "anonymous".to_owned(), |holder| holder.id.clone())
}

impl Auth {
    pub async fn new(handle: &Handle, http: &Http, listening: SocketAddr) -> Result<Self, StoreError> {
        let (store, clock) = (handle.store().clone(), handle.options().clock.clone());
        Ok(Self {
            keyring: Arc::new(Keyring::open(store.clone(), clock.clone(), http.sessions).await?),
            store,
            clock,
            loopback: listening.ip().to_canonical().is_loopback(),
            tls: http.tls.is_some(),
            open_metrics: http.open_metrics,
            hosts: Hosts::new(&http.hosts, &http.listen, listening.ip(), http.tls.is_some()),
            proxies: http.proxies.clone(),
            by_key: Buckets::per_second(http.rates.per_key),
            by_address: Buckets::per_second(http.rates.per_address),
            failures: Buckets::per_minute(http.rates.failures),
            log_limiter: LogLimiter::default(),
        })
    }

    /// Logs a warning if no key is valid any more.
    pub fn warn(&self) {
        if !self.is_open() && !self.keyring.has_valid() {
            tracing::warn!(
                "no API key is valid: every request is refused until there is one (`provost keys create --role admin`)"
            );
        }
    }

    pub fn tls(&self) -> bool {
        self.tls
    }

    /// Whether no key is needed: none was ever created, and only this machine can connect.
    pub fn is_open(&self) -> bool {
        self.loopback && self.proxies.is_none() && self.keyring.is_empty()
    }

    /// Whether this is a proxy's address.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.as_ref().is_some_and(|proxies| proxies.iter().any(|p| p.contains(address)))
    }

    /// Whether the connection is from a trusted proxy.
    fn is_proxied(&self, peer: Option<SocketAddr>) -> bool {
        peer.is_some_and(|peer| self.trusts(peer.ip().to_canonical()))
    }

    /// Whether the client connects over https, to this process or to a trusted proxy.
    fn secure(&self, request: &HttpRequest) -> bool {
        let peer = request.peer_addr().map(|a| a.ip());
        self.tls || address::forwarded_https(peer, request.headers(), self.proxies.as_deref())
    }

    /// The scheme and the host by which the client calls this service. What was forwarded counts from a trusted proxy only.
    fn called(&self, request: &HttpRequest) -> (&'static str, Option<String>) {
        let scheme = if self.secure(request) { "https" } else { "http" };
        let proxied = self.is_proxied(request.peer_addr());
        (scheme, host::named(request.headers(), proxied).map(str::to_owned))
    }

    /// Refuses requests that a page of another site may have sent: under a foreign host name, or from a foreign origin.
    fn is_ours(&self, request: &ServiceRequest) -> Result<(), Problem> {
        let proxied = self.is_proxied(request.peer_addr());
        let local = request.request().conn_data::<LocalAddress>().map(|local| local.0);
        self.hosts.check(request.uri(), request.headers(), local, proxied)?;
        self.is_our_page(request, proxied)
    }

    fn is_our_page(&self, request: &ServiceRequest, proxied: bool) -> Result<(), Problem> {
        let https = match (self.secure(request.request()), proxied) {
            (true, _) => Some(true),
            (false, true) => None,
            (false, false) => Some(false),
        };
        origin::check(request.method(), request.headers(), Reached { https, proxied })
    }

    /// Counts a request with this key.
    fn count(&self, holder: &Holder) -> Result<(), Problem> {
        let taken = self.by_key.take(holder.id.clone(), self.clock.monotonic());
        taken.map_err(|wait| too_many("too many requests with this key", wait))
    }

    /// Counts a wrong key.
    fn failed(&self, address: IpAddr) -> Result<(), Problem> {
        let now = self.clock.monotonic();
        if self.log_limiter.admits("a wrong key", Some(address), now) {
            tracing::warn!(%address, "a wrong key");
        }
        let taken = self.failures.take(address::network_of(address), now);
        taken.map_err(|wait| too_many("too many wrong keys from this address", wait))
    }

    /// Logs how many repeated lines about anonymous clients were left out, until the facade closes.
    pub async fn report_left_out(self: Arc<Self>, mut closing: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = self.clock.sleep(limiter::PERIOD) => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
            let of_crates = limiter::left_out_of_crates();
            let left_out = self.log_limiter.left_out(self.clock.monotonic()).into_iter().chain(of_crates);
            for limiter::LeftOut { kind, times, addresses, mostly } in left_out {
                let mostly = mostly.map(|address| address.to_string()).unwrap_or_default();
                tracing::warn!(times, addresses, mostly, "{kind}: so many more times since the last such line");
            }
        }
    }

    /// Whether a route needs no key.
    fn is_public(&self, row: &Row) -> bool {
        row.access == Access::Public || (self.open_metrics && row.path == METRICS)
    }

    async fn admit(&self, request: &ServiceRequest) -> Result<(Caller, Option<&'static Row>), Problem> {
        let peer = request.peer_addr().map(|a| a.ip());
        let address = address::of(peer, request.headers(), self.proxies.as_deref());
        let found = table::find(request.method().as_str(), request.path());
        let probe = matches!(request.path(), "/livez" | "/readyz");
        if self.is_open() {
            if !probe {
                self.is_ours(request)?;
            }
            let row = match found {
                Found::Row(row) => Some(row),
                // The resource itself answers 405.
                Found::Methods { .. } => None,
                // A route that is missing in the table is not run.
                Found::Nothing => return Err(Problem::no_route(request.path())),
            };
            return Ok((Caller { holder: None, pass: Pass::Unlocked, address }, row));
        }
        if !probe {
            let taken = self.by_address.take(address::network_of(address), self.clock.monotonic());
            taken.map_err(|wait| too_many("too many requests from this address", wait))?;
        }
        let given = Given::by(request.headers(), self.secure(request.request()));
        match &found {
            Found::Row(row) if self.is_public(row) => {
                let reads = matches!(*request.method(), Method::GET | Method::HEAD);
                if !probe && (matches!(given, Given::Session(_)) || !reads) {
                    self.is_ours(request)?;
                }
                return Ok((Caller { holder: None, pass: Pass::Public, address }, Some(row)));
            }
            Found::Methods { allow, public: true } => return Err(not_allowed(request, allow)),
            _ => {}
        }
        let (holder, pass) = self.holder(request, given, address).await?;
        self.count(&holder)?;
        let row = match found {
            Found::Row(row) => row,
            Found::Methods { allow, .. } => return Err(not_allowed(request, &allow)),
            Found::Nothing => return Err(Problem::no_route(request.path())),
        };
        if let Access::Role(needed) = row.access
            && holder.role < needed
        {
            if self.log_limiter.admits("refused: too low a role", Some(address), self.clock.monotonic()) {
                tracing::warn!(key = holder.label, role = %holder.role, %needed, "refused: too low a role");
            }
            return Err(forbidden(&holder.id, holder.role, needed));
        }
        Ok((Caller { holder: Some(holder), pass, address }, Some(row)))
    }

    async fn holder(
        &self,
        request: &ServiceRequest,
        given: Given<'_>,
        address: IpAddr,
    ) -> Result<(Holder, Pass), Problem> {
        match given {
            Given::Nothing => Err(unauthorized(Code::KeyMissing, KEY_NEEDED)),
            Given::Key(text) => match self.keyring.holder(text).await {
                Some(holder) => {
                    let pass = Pass::Key(holder.id.clone());
                    Ok((holder, pass))
                }
                None => {
                    self.failed(address)?;
                    Err(unauthorized(Code::KeyInvalid, "this is no valid API key"))
                }
            },
            Given::Session(token) => {
                self.is_ours(request)?;
                // Not counted as a wrong key: sessions end regularly, and guessing 256 bits is hopeless.
                let found = self.keyring.holder_of_session(token).await;
                let (holder, name) = found
                    .ok_or_else(|| unauthorized(Code::SessionEnded, "this session has ended; sign in again at /"))?;
                Ok((holder, Pass::Session(name)))
            }
        }
    }
}

pub fn unauthorized(code: Code, detail: &str) -> Problem {
    Problem::new(code, detail).with_header("www-authenticate", "Bearer".to_owned())
}

fn not_allowed(request: &ServiceRequest, allow: &str) -> Problem {
    let (method, path) = (brief(request.method().as_str(), LONGEST_PATH), brief(request.path(), LONGEST_PATH));
    let detail = format!("{method} is not allowed at {path}; allowed: {allow}");
    Problem::new(Code::MethodNotAllowed, detail).with_header("allow", allow.to_owned())
}

pub fn forbidden(key: &str, role: Role, needed: Role) -> Problem {
    let detail = format!("key {key} has the role {role}; this needs {needed}");
    Problem::new(Code::RoleTooLow, detail)
}

pub fn too_many(detail: &str, wait: Duration) -> Problem {
    let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
    Problem::new(Code::TooManyRequests, detail).with_header("retry-after", seconds.to_string())
}

fn has_body(request: &ServiceRequest) -> bool {
    let headers = request.headers();
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

/// Authenticates and authorises a request, and records its effects in the audit log.
pub async fn check_request(
    auth: Data<Auth>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let (caller, row) = match auth.admit(&request).await {
        Ok(admitted) => admitted,
        Err(problem) => {
            let mut response = if problem.status == 401 && session::wants_page(&request) {
                session::ask("This page needs an API key.")
            } else if problem.code == Code::RouteNotFound && session::wants_page(&request) {
                error_page::of(&problem)
            } else {
                problem.in_dialect(Dialect::of(request.path()), problem.code.status())
            };
            if has_body(&request) {
                // The body will not be read, so the connection cannot be used again.
                response.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
            }
            return Ok(request.into_response(response));
        }
    };
    let (keyed, pass) = (caller.holder.is_some(), caller.pass.clone());
    let recorded = if row.is_some_and(|row| row.audited) {
        let path = request.uri().path_and_query().map_or("", |p| p.as_str());
        let (store, clock) = (auth.store.clone(), auth.clock.clone());
        match Recorded::begin(store, clock, &caller, request.method().as_str(), path).await {
            Ok(recorded) => Some(recorded),
            Err(problem) => return Ok(request.into_response(problem.error_response())),
        }
    } else {
        None
    };
    let lane = caller.lane();
    request.extensions_mut().insert(caller);
    let mut response = lane.scope(next.call(request)).await?;
    if let Some(recorded) = recorded {
        recorded.end(response.response()).await;
    }
    if keyed && !response.headers().contains_key(header::CACHE_CONTROL) {
        response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    }
    if response.response().extensions().contains::<EndsItself>() {
        return Ok(response);
    }
    Ok(response.map_body(|_, body| pass.bound(body, &auth)))
}

/// The scheme and the host by which the client calls this service.
pub fn called(request: &HttpRequest) -> (&'static str, Option<String>) {
    match request.app_data::<Data<Auth>>() {
        Some(auth) => auth.called(request),
        None => ("http", host::named(request.headers(), false).map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_operate_takes_no_operators_place() {
        let address = IpAddr::from([127, 0, 0, 1]);
        let of_key = |role| {
            let holder = Holder { id: "k".to_owned(), label: "k".to_owned(), role };
            Caller { holder: Some(holder), pass: Pass::Key("k".to_owned()), address }.lane()
        };
        assert_eq!([Role::Client, Role::Viewer].map(of_key), [Lane::Readers; 2]);
        assert_eq!([Role::Operator, Role::Admin].map(of_key), [Lane::Operators; 2]);
        let without = |pass| Caller { holder: None, pass, address }.lane();
        assert_eq!(without(Pass::Unlocked), Lane::Operators, "everybody may operate while there is no key");
        assert_eq!(without(Pass::Public), Lane::Readers);
    }
}
