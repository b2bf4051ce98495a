//! Networks as people write them: `127.0.0.1`, `10.0.0.0/8`, `fd00::/8`.

use std::net::IpAddr;

/// All addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().ok()?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { first, bits })
    }

    /// A list with commas between; None if anything in it is no network.
    pub fn list(text: &str) -> Option<Vec<Self>> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Self::parse).collect()
    }

    /// An IPv4 address in IPv6's clothes is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let shifted = |value: u128, width: u32| value.checked_shr(width - u32::from(self.bits)).unwrap_or(0);
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => shifted(a.to_bits().into(), 32) == shifted(b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => shifted(a.to_bits(), 128) == shifted(b.to_bits(), 128),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_network_holds_what_begins_with_its_bits() {
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
