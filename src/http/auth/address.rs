//! The client's address and scheme, as the connection or a trusted proxy says.

use crate::settings::Network;
use actix_web::http::header::HeaderMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The client's address: the connection's peer or, if the peer is a trusted proxy, the last address in `X-Forwarded-For` that
/// is not a trusted proxy. Anybody may have written the addresses before that one.
pub fn of(peer: Option<IpAddr>, headers: &HeaderMap, proxies: Option<&[Network]>) -> IpAddr {
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
    let Some(proxies) = trusting(peer, proxies) else { return peer };
    let mut last = peer;
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").filter_map(|v| v.to_str().ok()).collect();
    for part in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Some(address) = read(part) else { break };
        last = address;
        if !proxies.iter().any(|p| p.contains(address)) {
            break;
        }
    }
    last
}

/// Whether a trusted proxy says that the client used TLS.
pub fn forwarded_https(peer: Option<IpAddr>, headers: &HeaderMap, proxies: Option<&[Network]>) -> bool {
    peer.is_some_and(|peer| trusting(peer.to_canonical(), proxies).is_some())
        && forwarded(headers, "x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
}

/// The first value of a header to which each proxy may add one: what the proxy that the client reached said.
pub fn forwarded<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()?.split(',').next().map(str::trim)
}

fn trusting(peer: IpAddr, proxies: Option<&[Network]>) -> Option<&[Network]> {
    proxies.filter(|proxies| proxies.iter().any(|p| p.contains(peer)))
}

/// An address, perhaps with a port.
fn read(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|t| t.split_once(']')).map(|(address, _)| address);
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    address.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip())).map(|a| a.to_canonical())
}

/// One client has all addresses of an IPv6 network of 64 bits.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn from(peer: &str, forwarded: &[&str], proxies: Option<&str>) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_str(line).unwrap());
        }
        let proxies = proxies.map(|list| Network::list(list).unwrap());
        of(Some(peer.parse().unwrap()), &headers, proxies.as_deref()).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_what_it_adds() {
        let proxies = Some("127.0.0.1, 10.0.0.0/8");
        for (peer, forwarded, proxies, expected) in [
            ("127.0.0.1", &["9.9.9.9"][..], None, "127.0.0.1"),
            ("8.8.8.8", &["9.9.9.9"], proxies, "8.8.8.8"),
            ("127.0.0.1", &["9.9.9.9"], proxies, "9.9.9.9"),
            ("127.0.0.1", &["1.1.1.1, 9.9.9.9"], proxies, "9.9.9.9"),
            ("127.0.0.1", &["1.1.1.1", "9.9.9.9, 10.1.1.1"], proxies, "9.9.9.9"),
            ("127.0.0.1", &["1.1.1.1, nonsense"], proxies, "127.0.0.1"),
            ("127.0.0.1", &[], proxies, "127.0.0.1"),
            ("127.0.0.1", &["[2001:db8::1]:443"], proxies, "2001:db8::1"),
            ("127.0.0.1", &["9.9.9.9:5000"], proxies, "9.9.9.9"),
            ("::ffff:127.0.0.1", &["9.9.9.9"], proxies, "9.9.9.9"),
        ] {
            assert_eq!(from(peer, forwarded, proxies), expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn neighbours_in_one_network_are_one_client() {
        let network = |a: &str| network_of(a.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("9.9.9.9"), "9.9.9.9");
    }
}
