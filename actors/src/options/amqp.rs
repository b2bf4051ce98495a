//! The options of the connection to the broker: address with credentials, time-outs and limits.

use lapin::uri::{AMQPScheme, AMQPUri};
use provost_domain::ServerAddress;
use provost_domain::address::AddressFault;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

const SCHEMES: &[(&str, Option<u16>)] = &[("amqp", Some(5672)), ("amqps", Some(5671))];

/// An AMQP address with its credentials, which neither `Debug` nor `Display` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(ServerAddress);

/// lapin closes a connection after twice this silence; the bridge's own check is faster.
const HEARTBEAT_SECONDS: u16 = 10;

impl Address {
    /// Reads `amqp://user:password@host:port/vhost`, or `amqps://`.
    ///
    /// # Errors
    /// Says what is wrong, and nothing of what was written.
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        let address = Self(ServerAddress::parse(text, SCHEMES)?);
        address.uri()?;
        Ok(address)
    }

    /// For the driver only, because the URI contains the password.
    pub(crate) fn uri(&self) -> Result<AMQPUri, AddressFault> {
        // The parts that the driver refuses are the address's options.
        let mut uri: AMQPUri = self.0.expose().parse().map_err(|_| AddressFault::Options)?;
        uri.scheme = if self.0.scheme() == "amqps" { AMQPScheme::AMQPS } else { AMQPScheme::AMQP };
        // The driver would connect to its own machine for a host in brackets.
        uri.authority.host = self.0.host().to_owned();
        // Most clients read an address that ends in `/` as the default virtual host.
        if uri.vhost.is_empty() {
            uri.vhost = "/".to_owned();
        }
        uri.query.heartbeat = uri.query.heartbeat.or(Some(HEARTBEAT_SECONDS));
        Ok(uri)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// How to reach the broker, and limits on its messages.
#[derive(Debug, Clone)]
pub struct BridgeOptions {
    pub url: Address,
    /// Certificates to trust beside the system's (PEM).
    pub ca_file: Option<PathBuf>,
    /// A longer body is parked without being parsed.
    pub max_message_bytes: usize,
    /// The most events recorded in one transaction.
    pub batch: u16,
    /// How long the first event of a batch waits for more.
    pub batch_wait: Duration,
    /// The most unacknowledged deliveries, in batches.
    pub prefetch_batches: u16,
    /// Longest wait for any answer of the broker.
    pub wait: Duration,
    /// How often connection and topology are checked. A silent broker is given up after this time and `wait`.
    pub check_every: Duration,
}

impl BridgeOptions {
    /// The default options for this broker.
    pub fn new(url: Address) -> Self {
        Self {
            url,
            ca_file: None,
            max_message_bytes: 1 << 20,
            batch: 500,
            batch_wait: Duration::from_millis(20),
            prefetch_batches: 2,
            wait: Duration::from_secs(5),
            check_every: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn credentials_are_not_shown() {
        let address = Address::parse("amqps://someone:sec%2Fret@bus.example.org:5671/prod?heartbeat=7").unwrap();
        assert_eq!(address.to_string(), "amqps://***@bus.example.org:5671/prod");
        assert_eq!(format!("{address:?}"), "Address(amqps://***@bus.example.org:5671/prod)");
        let uri = address.uri().unwrap();
        assert_eq!((uri.authority.userinfo.password.as_str(), uri.vhost.as_str()), ("sec/ret", "prod"));
        assert_eq!((uri.scheme, uri.query.heartbeat), (AMQPScheme::AMQPS, Some(7)));
    }

    #[test]
    fn the_default_virtual_host_may_be_left_out() {
        for text in ["amqp://localhost", "amqp://localhost/", "amqp://localhost:5672/%2f", " amqp://localhost\n"] {
            assert_eq!(Address::parse(text).unwrap().uri().unwrap().vhost, "/", "{text}");
        }
        assert_eq!(Address::parse("amqp://[::1]/v").unwrap().uri().unwrap().authority.host, "::1");
    }

    #[test]
    fn what_is_no_address() {
        for text in [
            "",
            "localhost:5672",
            "http://localhost",
            "amqp://",
            "amqp://u:p@",
            "amqp://h:port",
            "amqp://h/v\namqp://h/v",
            "amqp://h/amqp:%2f%2fh",
            "amqp://h?heartbeat=soon",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
