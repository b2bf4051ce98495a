//! Host names and addresses in `http.hosts` and in requests, with or without a port.

use std::net::{IpAddr, Ipv6Addr};

/// The most names in a list, because requests are compared with all of them.
const MOST: usize = 100;
/// Longest name, in characters (RFC 1035).
const LONGEST: usize = 253;

/// The host in an address: a name in lower case without a dot at its end, or an IP address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostName {
    Name(String),
    Address(IpAddr),
}

/// `host` or `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    pub host: HostName,
    pub port: Option<u16>,
}

impl HostPort {
    /// Parses a name or an IP address in its usual notation. None for anything else: a user, a zone, `127.1`,
    /// percent-encoding, characters beyond ASCII.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            let port = if port.is_empty() { None } else { read_port(port.strip_prefix(':')?)? };
            return Some(Self { host: HostName::Address(IpAddr::V6(address).to_canonical()), port });
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, read_port(port)?),
            None => (text, None),
        };
        Some(Self { host: HostName::parse(host)?, port })
    }

    /// A comma-separated list. None if an element is not a host, or if there are more than 100.
    pub fn list(text: &str) -> Option<Vec<Self>> {
        let hosts: Option<Vec<Self>> =
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Self::parse).collect();
        hosts.filter(|hosts| hosts.len() <= MOST)
    }
}

/// Digits only. An empty port counts as no port, as RFC 3986 allows.
fn read_port(text: &str) -> Option<Option<u16>> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
}

impl HostName {
    fn parse(text: &str) -> Option<Self> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        if name.len() > LONGEST || !name.split('.').all(label) {
            return None;
        }
        // Browsers take a name whose last part is a number for an IPv4 address, whatever its notation.
        let last = name.rsplit('.').next().unwrap_or_default();
        let number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X");
        if number {
            return name.parse().ok().map(|address| Self::Address(IpAddr::V4(address)));
        }
        Some(Self::Name(name.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_and_addresses_are_read_in_their_usual_notation() {
        let name = |name: &str| HostName::Name(name.to_owned());
        let address = |address: &str| HostName::Address(address.parse().unwrap());
        for (text, host, port) in [
            ("provost.example.org", name("provost.example.org"), None),
            ("PROVOST.Example.org.:8000", name("provost.example.org"), Some(8000)),
            ("my_pod-1", name("my_pod-1"), None),
            ("localhost:", name("localhost"), None),
            ("127.0.0.1:80", address("127.0.0.1"), Some(80)),
            ("127.0.0.1.", address("127.0.0.1"), None),
            ("[::1]:8000", address("::1"), Some(8000)),
            ("[2001:DB8::1]", address("2001:db8::1"), None),
            ("[::ffff:10.0.0.1]", address("10.0.0.1"), None),
        ] {
            assert_eq!(HostPort::parse(text), Some(HostPort { host, port }), "{text}");
        }
    }

    #[test]
    fn everything_else_is_none() {
        for text in [
            "",
            ".",
            "a..b",
            "localhost..",
            ":8000",
            "localhost:x",
            "localhost:+80",
            "localhost:65536",
            "localhost:80:80",
            "user@localhost",
            "localhost/",
            "local host",
            "localhost%00",
            "löcalhost",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "127.0.0.01",
            "1.2.3.4.5",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]:x",
            "[fe80::1%25eth0]",
            "[fe80::1%eth0]",
            "[localhost]",
            "http://localhost",
            &"a".repeat(64),
            &"a.".repeat(128),
        ] {
            assert_eq!(HostPort::parse(text), None, "{text}");
        }
    }

    #[test]
    fn lists_are_bounded_and_all_or_nothing() {
        assert_eq!(HostPort::list(""), Some(Vec::new()));
        assert_eq!(HostPort::list(" a, b:1 ,").unwrap().len(), 2);
        assert_eq!(HostPort::list("a, 127.1"), None);
        assert_eq!(HostPort::list("*.example.org"), None);
        assert!(HostPort::list(&"a,".repeat(100)).is_some());
        assert_eq!(HostPort::list(&"a,".repeat(101)), None);
    }
}
