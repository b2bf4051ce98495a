//! The options of the connection to the mail server: its address `smtps://user:password@host:port`, whose secrets are
//! never shown, the sender, and time-outs.

use lettre::message::Mailbox;
use provost_domain::address::AddressFault;
use provost_domain::{ServerAddress, visible};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Without a port, `smtp` uses a default that depends on where the server is.
const SCHEMES: &[(&str, Option<u16>)] = &[("smtps", Some(465)), ("smtp", None)];

/// How a connection is secured. Without TLS, only this machine is contacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Unencrypted; to this machine only.
    Plain,
    /// Begins unencrypted, and continues only after the upgrade to TLS.
    StartTls,
    Tls,
}

impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Security::Plain => "no TLS, on this machine",
            Security::StartTls => "STARTTLS",
            Security::Tls => "TLS",
        })
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct MailUrl {
    address: ServerAddress,
    port: u16,
    tls_required: bool,
}

impl MailUrl {
    /// Reads `smtps://user:password@host:port`, or `smtp://`, with `?tls=required` or without.
    ///
    /// # Errors
    /// Says what is wrong, and nothing of what was written.
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        let mut address = ServerAddress::parse(text, SCHEMES)?;
        if address.hosts() != 1 || address.host().contains('%') {
            return Err(AddressFault::Host);
        }
        if address.login().is_some_and(|(user, password)| user.expose().is_empty() || password.is_none()) {
            return Err(AddressFault::Login);
        }
        if !address.name().expose().is_empty() {
            return Err(AddressFault::Rest);
        }
        let tls_required = match address.options() {
            None => false,
            Some("tls=required") => true,
            Some(_) => return Err(AddressFault::Options),
        };
        let port = address.port().unwrap_or(if is_loopback(address.host()) { 25 } else { 587 });
        address = address.with_default_port(port);
        Ok(Self { address, port, tls_required })
    }

    pub fn host(&self) -> &str {
        self.address.host()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn is_loopback(&self) -> bool {
        is_loopback(self.host())
    }

    /// User and password, only for the server.
    pub(crate) fn credentials(&self) -> Option<(&str, &str)> {
        self.address.login().and_then(|(user, password)| Some((user.expose(), password?.expose())))
    }

    /// Unencrypted only to this machine, and not if TLS was requested.
    pub fn security(&self, own_ca: bool) -> Security {
        match self.address.scheme() {
            "smtps" => Security::Tls,
            _ if self.tls_required || own_ca || !self.is_loopback() => Security::StartTls,
            _ => Security::Plain,
        }
    }

    /// A server's text without parts that may repeat the address.
    pub(crate) fn without_parts(&self, text: &str) -> String {
        self.address.without_parts(text)
    }
}

/// Whether the host is 127.0.0.0/8, ::1 or `localhost`. Other names do not count, whatever a resolver returns.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

impl fmt::Display for MailUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl fmt::Debug for MailUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailUrl({self})")
    }
}

/// The sender, such as `Provost <provost@example.org>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sender(Mailbox);

impl Sender {
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|m: &Mailbox| visible::is_plain(&m.to_string())).map(Self)
    }

    pub(crate) fn mailbox(&self) -> &Mailbox {
        &self.0
    }

    pub fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How to reach the mail server, and the sender.
#[derive(Debug, Clone)]
pub struct MailOptions {
    pub url: MailUrl,
    pub from: Sender,
    /// The longest time for connecting, or for delivering one mail.
    pub timeout: Duration,
    /// Certificates (PEM) to trust besides this machine's own; with it, TLS is used on this machine too.
    pub ca_file: Option<PathBuf>,
    /// A mail that could not be sent for this long is given up.
    pub give_up_after: Duration,
}

impl MailOptions {
    pub fn new(url: MailUrl, from: Sender) -> Self {
        let (timeout, give_up_after) = (Duration::from_secs(30), Duration::from_secs(3 * 86_400));
        Self { url, from, timeout, ca_file: None, give_up_after }
    }

    pub fn security(&self) -> Security {
        self.url.security(self.ca_file.is_some())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn in_the_clear_only_to_this_machine() {
        use Security::*;
        for (text, security, port) in [
            ("smtp://localhost", Plain, 25),
            ("smtp://LOCALHOST:2525", Plain, 2525),
            ("smtp://127.0.0.1:2525", Plain, 2525),
            ("smtp://127.8.9.10", Plain, 25),
            ("smtp://[::1]:26", Plain, 26),
            ("smtp://[::ffff:127.0.0.1]", Plain, 25),
            ("smtp://127.0.0.1?tls=required", StartTls, 25),
            ("smtp://mail.example.org", StartTls, 587),
            ("smtp://10.0.0.1:25", StartTls, 25),
            ("smtp://localhost.example.org", StartTls, 587),
            ("smtp://127.0.0.1.example.org", StartTls, 587),
            // A resolver may read it as 127.0.0.1, but it is not written as an address.
            ("smtp://127.1", StartTls, 587),
            ("smtps://localhost", Tls, 465),
            ("smtps://mail.example.org/", Tls, 465),
        ] {
            let url = MailUrl::parse(text).unwrap();
            assert_eq!((url.security(false), url.port()), (security, port), "{text}");
            assert_ne!(url.security(true), Plain, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for text in [
            "mail.example.org",
            "http://user:geheim@mail.example.org",
            "smtp://",
            "smtp://user@mail.example.org",
            "smtp://:geheim@mail.example.org",
            "smtp://user:geheim%0d%0aQUIT@mail.example.org",
            "smtp://user:geheim@mail.example.org?tls=none",
            "smtp://user:geheim@mail.example.org/path",
            "smtp://user:geheim@mail.example.org:99999",
            "smtp://user:geheim@mail.example.org,geheim",
            "smtp://user:geheim@mail.example.org\nsmtp://user:geheim@mail.example.org",
            "smtp://mail.example.org?password=geheim",
        ] {
            let refused = MailUrl::parse(text).unwrap_err();
            assert!(!format!("{refused} {refused:?}").contains("geheim"), "{refused}");
        }
    }

    #[test]
    fn the_secrets_are_shown_nowhere() {
        let url = MailUrl::parse("smtps://us%40er:pa%3Ass@mail.example.org:1465").unwrap();
        assert_eq!(url.credentials(), Some(("us@er", "pa:ss")));
        assert_eq!(url.to_string(), "smtps://***@mail.example.org:1465");
        assert_eq!(format!("{url:?}"), "MailUrl(smtps://***@mail.example.org:1465)");
        assert_eq!(
            url.without_parts("535 us@er may not with pa:ss at mail.example.org"),
            "535 *** may not with *** at ***"
        );
    }
}
