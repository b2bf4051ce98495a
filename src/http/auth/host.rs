//! Checks the host name of requests. A foreign page can make its own name resolve to this machine (DNS rebinding) and
//! then send and read as if it were one of our pages; but its requests still carry its name.

use super::address;
use crate::http::code::Code;
use crate::http::problem::Problem;
use crate::settings::{HostName, HostPort};
use actix_web::http::Uri;
use actix_web::http::header::{self, HeaderMap};
use provost_domain::check::brief;
use std::net::IpAddr;

/// The local address of the connection.
#[derive(Debug, Clone, Copy)]
pub struct LocalAddress(pub IpAddr);

/// The names of this service.
pub struct Hosts {
    /// The names in `http.hosts`.
    listed: Vec<HostPort>,
    /// The host in `http.listen`, and the address that the host resolved to.
    listening: Vec<HostName>,
    tls: bool,
}

impl Hosts {
    /// `listen` is the setting, `bound` the address that the facade listens on.
    pub fn new(listed: &[HostPort], listen: &str, bound: IpAddr, tls: bool) -> Self {
        let named = HostPort::parse(listen).map(|listen| listen.host);
        let mut listening: Vec<HostName> = named.into_iter().chain([HostName::Address(bound.to_canonical())]).collect();
        // The unspecified address (0.0.0.0) stands for all addresses and is not a name of the service.
        listening.retain(|host| !matches!(host, HostName::Address(address) if address.is_unspecified()));
        Self { listed: listed.to_vec(), listening, tls }
    }

    /// Refuses (421) a request that calls the service by a foreign name. Every name in the request must be the
    /// service's own: the one in an absolute request target, `Host` and, from a proxy (`proxied`), `X-Forwarded-Host`.
    /// `local` is the address that the connection was made to.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap, local: Option<IpAddr>, proxied: bool) -> Result<(), Problem> {
        let mut hosts = headers.get_all(header::HOST);
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(refused("the request has no Host header, or more than one"));
        };
        let mut names = vec![host.to_str().ok()];
        names.extend(uri.authority().map(|authority| Some(authority.as_str())));
        if proxied {
            let forwarded = headers.get_all("x-forwarded-host").map(|value| value.to_str().ok());
            names.extend(forwarded.flat_map(|value| match value {
                Some(list) => list.split(',').map(|name| Some(name.trim())).collect::<Vec<_>>(),
                None => vec![None],
            }));
        }
        for name in names {
            let own = name.and_then(HostPort::parse).is_some_and(|host| self.is_own(&host, local));
            if !own {
                let shown =
                    name.map_or_else(|| "that is not ASCII".to_owned(), |name| format!("`{}`", brief(name, 80)));
                return Err(refused(&format!("the request calls this service by the name {shown}")));
            }
        }
        Ok(())
    }

    /// This machine's names, the address that the connection reached and the host in `http.listen` match with every
    /// port: a port forwarder (`ssh -L`, a container's published port) keeps the name and the port that the client
    /// used.
    fn is_own(&self, given: &HostPort, local: Option<IpAddr>) -> bool {
        let loopback = match &given.host {
            HostName::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            HostName::Address(address) => address.is_loopback() || local.map(|l| l.to_canonical()) == Some(*address),
        };
        let usual = if self.tls { 443 } else { 80 };
        let port = |host: &HostPort| host.port.unwrap_or(usual);
        let listed = |own: &HostPort| own.host == given.host && (own.port.is_none() || port(own) == port(given));
        loopback || self.listening.contains(&given.host) || self.listed.iter().any(listed)
    }
}

/// The host that the client named: the first forwarded one where the request comes from a proxy, else `Host`.
pub fn named(headers: &HeaderMap, proxied: bool) -> Option<&str> {
    let forwarded = address::forwarded(headers, "x-forwarded-host").filter(|_| proxied);
    forwarded.or_else(|| headers.get(header::HOST)?.to_str().ok())
}

pub fn refused(why: &str) -> Problem {
    Problem::new(
        Code::HostUnknown,
        format!(
            "{why}; without an API key it can be called localhost, by the address that it listens on, and by the names in \
             its setting http.hosts"
        ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn hosts(listed: &str, listen: &str, bound: &str, tls: bool) -> Hosts {
        Hosts::new(&HostPort::list(listed).unwrap(), listen, bound.parse().unwrap(), tls)
    }

    fn headers(pairs: &[(&str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    /// Whether a request over a connection to `local` may name the service `host`.
    fn own(hosts: &Hosts, host: &str, local: &str) -> bool {
        let headers = headers(&[("host", host.as_bytes())]);
        let checked = hosts.check(&Uri::from_static("/"), &headers, Some(local.parse().unwrap()), false);
        if let Err(problem) = &checked {
            assert_eq!(problem.status, 421);
            assert!(problem.detail.contains("http.hosts"), "{}", problem.detail);
        }
        checked.is_ok()
    }

    #[test]
    fn on_loopback_names_of_this_machine_count() {
        let hosts = hosts("", "127.0.0.1:8000", "127.0.0.1", false);
        for host in [
            "localhost",
            "LocalHost:8000",
            "localhost.:8000",
            "app.localhost:8000",
            "127.0.0.1:8000",
            "127.0.0.1:9999",
            "127.8.9.1",
            "[::1]:8000",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(own(&hosts, host, "127.0.0.1"), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8000",
            "localhost.evil.example",
            "evil-localhost",
            "xlocalhost",
            "127.0.0.1.evil.example",
            "127.0.0.1.nip.io",
            "localhost@evil.example",
            "evil.example@localhost",
            "localhost/",
            "localhost:x",
            "127.1",
            "0x7f.1",
            "2130706433",
            "0.0.0.0:8000",
            "[::]:8000",
            "::1",
            "[::1%25lo]",
            "192.0.2.1",
            "localhost..",
            "localhost, evil.example",
        ] {
            assert!(!own(&hosts, host, "127.0.0.1"), "{host}");
        }
    }

    #[test]
    fn on_all_addresses_the_one_that_was_reached_counts() {
        let hosts = hosts("", "0.0.0.0:8000", "0.0.0.0", false);
        for (host, local, expected) in [
            ("192.0.2.1:8000", "192.0.2.1", true),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.2:8000", "192.0.2.1", false),
            ("0.0.0.0:8000", "192.0.2.1", false),
            ("[2001:db8::1]:8000", "2001:db8::1", true),
            ("[::]:8000", "2001:db8::1", false),
            ("localhost:8000", "192.0.2.1", true),
        ] {
            assert_eq!(own(&hosts, host, local), expected, "{host} at {local}");
        }
    }

    #[test]
    fn the_name_that_it_listens_on_and_listed_names_count() {
        let listed = "provost.example, other.example:8443, plain.example:80, 10.0.0.9";
        let hosts_in_the_clear = hosts(listed, "my-machine:8000", "192.0.2.1", false);
        for (host, expected) in [
            ("my-machine:8000", true),
            ("192.0.2.1:8000", true),
            ("provost.example", true),
            ("PROVOST.example.:1", true),
            ("other.example:8443", true),
            ("other.example", false),
            ("other.example:443", false),
            ("plain.example", true),
            ("plain.example:80", true),
            ("10.0.0.9:7", true),
            ("sub.provost.example", false),
        ] {
            assert_eq!(own(&hosts_in_the_clear, host, "192.0.2.1"), expected, "{host}");
        }
        let with_tls = hosts("a.example:443, b.example:80", "192.0.2.1:443", "192.0.2.1", true);
        assert!(own(&with_tls, "a.example", "192.0.2.1") && !own(&with_tls, "b.example", "192.0.2.1"));
    }

    #[test]
    fn every_name_that_a_request_has_must_be_own() {
        let hosts = hosts("provost.example", "127.0.0.1:8000", "127.0.0.1", false);
        let checked = |uri: &str, pairs: &[(&str, &[u8])], proxied| {
            let local = Some("127.0.0.1".parse().unwrap());
            hosts.check(&uri.parse().unwrap(), &headers(pairs), local, proxied).is_ok()
        };
        let own: (&str, &[u8]) = ("host", b"localhost:8000");
        assert!(checked("/", &[own], false));
        assert!(!checked("/", &[], false), "HTTP/1.0 without a Host");
        assert!(!checked("/", &[own, own], false), "two");
        assert!(!checked("/", &[("host", b"localhost\xff")], false));
        assert!(checked("http://127.0.0.1:8000/", &[own], false));
        assert!(!checked("http://evil.example/", &[own], false));
        assert!(!checked("http://user@localhost/", &[own], false));
        assert!(!checked("http://localhost:8000/", &[("host", b"evil.example")], false));
        // A header of a proxy can only make the check stricter, because a page can set this header too.
        for (forwarded, expected) in [
            (&b"provost.example"[..], true),
            (b"provost.example, localhost", true),
            (b"evil.example", false),
            (b"provost.example, evil.example", false),
            (b"\xff", false),
            (b"", false),
        ] {
            let forwarded: (&str, &[u8]) = ("x-forwarded-host", forwarded);
            assert_eq!(checked("/", &[own, forwarded], true), expected, "{forwarded:?}");
            assert!(checked("/", &[own, forwarded], false), "nobody's word");
            assert!(!checked("/", &[("host", b"evil.example"), forwarded], true));
        }
    }
}
