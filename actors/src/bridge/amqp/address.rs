//! Where the broker is, and who we are to it.

use lapin::uri::{AMQPScheme, AMQPUri};
use std::fmt;

/// An AMQP address with its credentials, which neither `Debug` nor `Display` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(AMQPUri);

/// lapin closes a connection that was silent for twice this; the bridge's own watchdog is faster.
const HEARTBEAT_SECONDS: u16 = 10;

impl Address {
    /// Reads `amqp://user:password@host:port/vhost`, or `amqps://`; None if it is no such thing. Who asks must not quote
    /// the text: it may hold a password.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let authority = text.split_once("://")?.1.split(['/', '?']).next()?;
        // The parser would take a missing host for this one.
        if matches!(authority.rsplit('@').next()?.split(':').next()?, "") {
            return None;
        }
        let mut uri: AMQPUri = text.parse().ok()?;
        // Most clients take an address that ends in `/` for one of the default virtual host.
        if uri.vhost.is_empty() {
            uri.vhost = "/".to_owned();
        }
        uri.query.heartbeat = uri.query.heartbeat.or(Some(HEARTBEAT_SECONDS));
        Some(Self(uri))
    }

    pub fn is_encrypted(&self) -> bool {
        self.0.scheme == AMQPScheme::AMQPS
    }

    pub(super) fn uri(&self) -> &AMQPUri {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPUri { scheme, authority, vhost, .. } = &self.0;
        write!(f, "{scheme}://{}:{} (virtual host {vhost})", authority.host, authority.port)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn credentials_are_not_shown() {
        let address = Address::parse("amqps://someone:sec%2Fret@bus.example.org:5671/prod").unwrap();
        assert_eq!(address.to_string(), "amqps://bus.example.org:5671 (virtual host prod)");
        assert_eq!(format!("{address:?}"), "Address(amqps://bus.example.org:5671 (virtual host prod))");
        assert_eq!(address.uri().authority.userinfo.password, "sec/ret");
        assert!(address.is_encrypted());
    }

    #[test]
    fn the_default_virtual_host_may_be_left_out() {
        for text in ["amqp://localhost", "amqp://localhost/", "amqp://localhost:5672/%2f", " amqp://localhost\n"] {
            assert_eq!(Address::parse(text).unwrap().uri().vhost, "/", "{text}");
        }
    }

    #[test]
    fn what_is_no_address() {
        for text in ["", "localhost:5672", "http://localhost", "amqp://", "amqp://u:p@", "amqp://h:port"] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }
}
