//! Networks in the notation of the settings: `127.0.0.1`, `10.0.0.0/8`, `fd00::/8`.

use ipnet::IpNet;
use std::net::IpAddr;

/// A network, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let one = text.parse::<IpAddr>().map(IpNet::from).ok();
        one.or_else(|| text.parse().ok()).map(Self)
    }

    /// A comma-separated list; None if an element is not a network.
    pub fn list(text: &str) -> Option<Vec<Self>> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Self::parse).collect()
    }

    /// Whether the network contains an address. An IPv4 address in IPv6 notation (`::ffff:10.0.0.1`) counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_network_contains_the_addresses_with_its_prefix() {
        let inside = |list: &str, address: &str| {
            Network::list(list).unwrap().iter().any(|n| n.contains(address.parse().unwrap()))
        };
        for (list, address, expected) in [
            ("127.0.0.1, ::1", "127.0.0.1", true),
            ("127.0.0.1, ::1", "::1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("127.0.0.1", "::ffff:127.0.0.1", true),
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "9.9.9.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("fd00::/8", "fdff::1", true),
            ("::/0", "2001:db8::1", true),
            ("", "127.0.0.1", false),
        ] {
            assert_eq!(inside(list, address), expected, "{address} in {list}");
        }
        for bad in ["localhost", "10.0.0.0/33", "::1/129", "10.0.0/8", "1.2.3.4/x"] {
            assert_eq!(Network::list(bad), None, "{bad}");
        }
    }
}
