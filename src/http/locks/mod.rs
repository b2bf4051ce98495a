//! Who is let in: keys, roles, rates, and the record of what they change. Every request passes `gate`.

mod address;
mod headers;
mod keyring;
pub mod policy;
mod rates;
mod record;
mod session;
pub mod table;

pub use address::network_of;
pub use headers::add as add_headers;
pub use keyring::Keyring;
pub use record::note;
pub use session::{key_of, routes};

use crate::http::problem::{LONGEST_PATH, Problem};
use crate::settings::{Http, Network};
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, ResponseError};
use keyring::Holder;
use provost_actors::Handle;
use provost_actors::clock::Clock;
use provost_domain::check::brief;
use provost_domain::key::Role;
use provost_store::{Store, StoreError};
use rates::Buckets;
use record::Recorded;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use table::{Access, Found, Row};

pub struct Locks {
    pub keyring: Arc<Keyring>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    loopback: bool,
    tls: bool,
    proxies: Option<Vec<Network>>,
    by_key: Buckets<String>,
    by_address: Buckets<IpAddr>,
    failures: Buckets<IpAddr>,
}

/// Who sent a request, as far as it is known.
#[derive(Debug, Clone)]
pub struct Caller {
    holder: Option<Holder>,
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
}

/// Whether who asks may see where servers are: an admin, or anybody while all is open on this machine.
pub fn may_see_addresses(request: &HttpRequest) -> bool {
    request.extensions().get::<Caller>().is_some_and(|c| c.holder.as_ref().is_none_or(|h| h.role == Role::Admin))
}

/// The key that a request came with, as records of jobs and activations name it.
pub fn by(request: &HttpRequest) -> Option<String> {
    request.extensions().get::<Caller>().and_then(Caller::by)
}

impl Locks {
    pub async fn new(handle: &Handle, http: &Http, listening: SocketAddr) -> Result<Self, StoreError> {
        let (store, clock) = (handle.store().clone(), handle.options().clock.clone());
        Ok(Self {
            keyring: Arc::new(Keyring::open(store.clone(), clock.clone()).await?),
            store,
            clock,
            loopback: listening.ip().to_canonical().is_loopback(),
            tls: http.tls.is_some(),
            proxies: http.proxies.clone(),
            by_key: Buckets::per_second(http.rates.per_key),
            by_address: Buckets::per_second(http.rates.per_address),
            failures: Buckets::per_minute(http.rates.failures),
        })
    }

    /// Says what whoever starts the service may not have meant.
    pub fn warn(&self) {
        if !self.is_open() && !self.keyring.has_valid() {
            tracing::warn!(
                "no API key is valid: nobody is let in until there is one (`provost keys create --role admin`)"
            );
        }
    }

    pub fn tls(&self) -> bool {
        self.tls
    }

    /// Nobody needs a key: none was ever made, and only this machine can ask.
    pub fn is_open(&self) -> bool {
        self.loopback && self.proxies.is_none() && self.keyring.is_empty()
    }

    /// Whether this is a proxy's address.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.as_ref().is_some_and(|proxies| proxies.iter().any(|p| p.contains(address)))
    }

    /// Whether the client sees https.
    fn secure(&self, request: &HttpRequest) -> bool {
        let peer = request.peer_addr().map(|a| a.ip());
        self.tls || address::forwarded_https(peer, request.headers(), self.proxies.as_deref())
    }

    /// Counts a wrong key.
    fn failed(&self, address: IpAddr) -> Result<(), Problem> {
        tracing::warn!(%address, "a wrong key");
        let taken = self.failures.take(address::network_of(address), self.clock.monotonic());
        taken.map_err(|wait| too_many("too many wrong keys from this address", wait))
    }

    async fn admit(&self, request: &ServiceRequest) -> Result<(Caller, Option<&'static Row>), Problem> {
        let peer = request.peer_addr().map(|a| a.ip());
        let address = address::of(peer, request.headers(), self.proxies.as_deref());
        let mut caller = Caller { holder: None, address };
        let found = table::find(request.method().as_str(), request.path());
        if self.is_open() {
            same_site(request, true)?;
            // What is not in the table answers for itself: 404 or 405.
            let row = if let Found::Row(row) = found { Some(row) } else { None };
            return Ok((caller, row));
        }
        let probe = matches!(request.path(), "/livez" | "/readyz");
        if !probe {
            let taken = self.by_address.take(address::network_of(address), self.clock.monotonic());
            taken.map_err(|wait| too_many("too many requests from this address", wait))?;
        }
        match &found {
            Found::Row(row) if row.access == Access::Public => {
                same_site(request, false)?;
                return Ok((caller, Some(row)));
            }
            Found::Methods { allow, public: true } => return Err(not_allowed(request, allow)),
            _ => {}
        }
        let (given, by_cookie) = credentials(request.headers());
        let Some(given) = given else { return Err(unauthorized("an API key is needed: Authorization: Bearer KEY")) };
        let Some(holder) = self.keyring.holder(given).await else {
            self.failed(address)?;
            return Err(unauthorized("this is no valid API key"));
        };
        let taken = self.by_key.take(holder.id.clone(), self.clock.monotonic());
        taken.map_err(|wait| too_many("too many requests with this key", wait))?;
        if by_cookie {
            same_site(request, false)?;
        }
        let row = match found {
            Found::Row(row) => row,
            Found::Methods { allow, .. } => return Err(not_allowed(request, &allow)),
            Found::Nothing => {
                let path = brief(request.path(), LONGEST_PATH);
                let detail = format!("there is nothing at {path}; /docs lists the routes");
                return Err(Problem::new(StatusCode::NOT_FOUND, detail));
            }
        };
        if let Access::Role(needed) = row.access
            && holder.role < needed
        {
            return Err(forbidden(&holder, needed));
        }
        caller.holder = Some(holder);
        Ok((caller, Some(row)))
    }
}

/// The key in `Authorization`, else the one that the browser keeps; and whether it is the latter.
fn credentials(headers: &HeaderMap) -> (Option<&str>, bool) {
    match headers.get(header::AUTHORIZATION) {
        Some(value) => {
            let value = value.to_str().unwrap_or_default();
            let (scheme, key) = value.split_once(' ').unwrap_or((value, ""));
            // Another scheme is a wrong key, not none.
            (Some(if scheme.eq_ignore_ascii_case("bearer") { key.trim() } else { "" }), false)
        }
        None => (session::key_of(headers), true),
    }
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail).with_header("www-authenticate", "Bearer".to_owned())
}

fn not_allowed(request: &ServiceRequest, allow: &str) -> Problem {
    let (method, path) = (brief(request.method().as_str(), LONGEST_PATH), brief(request.path(), LONGEST_PATH));
    let detail = format!("{method} is not allowed at {path}; allowed: {allow}");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).with_header("allow", allow.to_owned())
}

fn forbidden(holder: &Holder, needed: Role) -> Problem {
    let detail = format!("key {} has the role {}; this needs {needed}", holder.id, holder.role);
    tracing::warn!(key = holder.label, role = %holder.role, %needed, "refused: too low a role");
    Problem::new(StatusCode::FORBIDDEN, detail)
}

fn too_many(detail: &str, wait: Duration) -> Problem {
    let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
    Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).with_header("retry-after", seconds.to_string())
}

/// A page of another site can make a browser send what needs no key, or has it in a cookie; but the browser says so. `open`:
/// besides, the page must come from this machine by name, since a name can be made to point to it.
fn same_site(request: &ServiceRequest, open: bool) -> Result<(), Problem> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(());
    }
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok());
    let refused = |detail: &str| Err(Problem::new(StatusCode::FORBIDDEN, detail));
    let site = header("sec-fetch-site");
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return refused("this request comes from a page of another site");
    }
    let Some(origin) = header("origin") else { return Ok(()) };
    let authority = origin.split_once("://").map_or("", |(_, rest)| rest);
    let host = header("host").unwrap_or_default();
    if site.is_none() && !authority.eq_ignore_ascii_case(host) {
        return refused("this request comes from a page of another site");
    }
    if open && !is_this_machine(authority) {
        return refused("without an API key only pages of localhost may change something");
    }
    Ok(())
}

/// `localhost`, `127.0.0.1` and the like, with or without a port.
fn is_this_machine(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn has_body(request: &ServiceRequest) -> bool {
    let headers = request.headers();
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

/// Lets a request in or not, and records what it changes.
pub async fn gate(
    locks: Data<Locks>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let (caller, row) = match locks.admit(&request).await {
        Ok(admitted) => admitted,
        Err(problem) => {
            let mut response = if problem.status == 401 && session::wants_page(&request) {
                session::ask("This page needs an API key.")
            } else {
                problem.error_response()
            };
            if has_body(&request) {
                // Nobody will read it.
                response.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
            }
            return Ok(request.into_response(response));
        }
    };
    let keyed = caller.holder.is_some();
    let recorded = if row.is_some_and(|row| row.audited) {
        let path = request.uri().path_and_query().map_or("", |p| p.as_str());
        let (store, clock) = (locks.store.clone(), locks.clock.clone());
        match Recorded::begin(store, clock, &caller, request.method().as_str(), path).await {
            Ok(recorded) => Some(recorded),
            Err(problem) => return Ok(request.into_response(problem.error_response())),
        }
    } else {
        None
    };
    request.extensions_mut().insert(caller);
    let mut response = next.call(request).await?;
    if let Some(recorded) = recorded {
        recorded.end(response.response()).await;
    }
    if keyed && !response.headers().contains_key(header::CACHE_CONTROL) {
        response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn allowed(headers: &[(&str, &str)], open: bool) -> bool {
        let mut request = TestRequest::post().insert_header(("host", "127.0.0.1:8000"));
        for header in headers {
            request = request.insert_header(*header);
        }
        same_site(&request.to_srv_request(), open).is_ok()
    }

    #[test]
    fn pages_of_other_sites_change_nothing() {
        for (headers, expected) in [
            (&[][..], true),
            (&[("origin", "http://127.0.0.1:8000")], true),
            (&[("origin", "http://127.0.0.1:9000")], false),
            (&[("origin", "null")], false),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "http://127.0.0.1:8000"), ("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
        ] {
            assert_eq!(allowed(headers, true), expected, "{headers:?}");
        }
        // A name that somebody made to point to this machine.
        let rebound = [("host", "evil.example"), ("origin", "http://evil.example")];
        assert!(!allowed(&rebound, true));
        // Behind a proxy the host may be another one; the browser's own word counts.
        assert!(allowed(&[("origin", "https://provost.example"), ("sec-fetch-site", "same-origin")], false));
    }

    #[test]
    fn a_key_is_taken_from_the_header_before_the_cookie() {
        let given = |headers: &[(&str, &str)]| {
            let mut request = TestRequest::default();
            for header in headers {
                request = request.insert_header(*header);
            }
            let request = request.to_http_request();
            let (key, by_cookie) = credentials(request.headers());
            (key.map(str::to_owned), by_cookie)
        };
        assert_eq!(given(&[]), (None, true));
        assert_eq!(given(&[("authorization", "bearer  x")]), (Some("x".to_owned()), false));
        assert_eq!(given(&[("authorization", "Basic x")]), (Some(String::new()), false));
        assert_eq!(given(&[("cookie", "provost_key=y")]), (Some("y".to_owned()), true));
        assert_eq!(given(&[("cookie", "provost_key=y"), ("authorization", "Bearer x")]).0, Some("x".to_owned()));
    }
}
