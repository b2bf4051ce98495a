//! Which addresses the facade may listen on: beyond this machine only with TLS or behind a proxy, and with a key.

use crate::error::{Error, Result};
use crate::settings::Http;
use chrono::{DateTime, Utc};
use provost_store::Store;
use std::net::ToSocketAddrs;

/// An address beyond loopback requires keys and TLS, or a proxy in front that terminates TLS. With a proxy and without
/// a key the service runs, and refuses every request.
pub async fn check(http: &Http, store: &dyn Store, now: DateTime<Utc>) -> Result<()> {
    // An address that cannot be resolved cannot be bound either; binding reports that.
    let mut addresses = http.listen.to_socket_addrs().into_iter().flatten();
    if http.proxies.is_some() || addresses.all(|address| address.ip().to_canonical().is_loopback()) {
        return Ok(());
    }
    let mut missing = Vec::new();
    if http.tls.is_none() {
        missing.push("a certificate (http.tls_cert and http.tls_key)");
    }
    if !store.keys().await?.iter().any(|key| key.is_valid(now)) {
        missing.push("an API key (`provost keys create --role admin`)");
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "http.listen = {}: other machines can reach it, so it needs {}; or a proxy that does TLS in front of it \
         (http.behind_proxy = true); or listen on 127.0.0.1",
        http.listen,
        missing.join(" and ")
    )))
}
