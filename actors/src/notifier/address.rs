//! The mail server's address, `smtps://user:password@host:port`. The secrets in it are never shown.

use percent_encoding::percent_decode_str;
use std::fmt;
use std::net::IpAddr;
use url::Url;

/// Why a text is no address of a mail server. Never repeats the text: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMailUrl {
    #[error("it is no URL: {0}")]
    NoUrl(url::ParseError),
    #[error("its scheme is neither smtp nor smtps")]
    Scheme,
    #[error("it names no host")]
    NoHost,
    #[error("user and password come together, percent-encoded, or not at all")]
    Credentials,
    #[error("only `?tls=required` may follow the host and its port")]
    Rest,
}

/// How a connection is secured. Without TLS nothing leaves the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// To this machine itself only.
    Plain,
    /// Begins in the clear, and goes on only after the upgrade.
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
    implicit_tls: bool,
    tls_required: bool,
    host: String,
    port: u16,
    credentials: Option<(String, String)>,
}

impl MailUrl {
    pub fn parse(text: &str) -> Result<Self, BadMailUrl> {
        let url = Url::parse(text.trim()).map_err(BadMailUrl::NoUrl)?;
        let implicit_tls = match url.scheme() {
            "smtps" => true,
            "smtp" => false,
            _ => return Err(BadMailUrl::Scheme),
        };
        let host = url.host_str().filter(|h| !h.is_empty() && !h.contains('%')).ok_or(BadMailUrl::NoHost)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => Some((decoded(user)?, decoded(password)?)),
            _ => return Err(BadMailUrl::Credentials),
        };
        let tls_required = match url.query() {
            None => false,
            Some("tls=required") => true,
            Some(_) => return Err(BadMailUrl::Rest),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(BadMailUrl::Rest);
        }
        let port = url.port().unwrap_or(match (implicit_tls, is_loopback(&host)) {
            (true, _) => 465,
            (false, true) => 25,
            (false, false) => 587,
        });
        Ok(Self { implicit_tls, tls_required, host, port, credentials })
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    pub(super) fn credentials(&self) -> Option<(&str, &str)> {
        self.credentials.as_ref().map(|(user, password)| (user.as_str(), password.as_str()))
    }

    /// In the clear only to this machine itself, and there too not when TLS was asked for.
    pub fn security(&self, own_ca: bool) -> Security {
        match self.implicit_tls {
            true => Security::Tls,
            false if self.tls_required || own_ca || !self.is_loopback() => Security::StartTls,
            false => Security::Plain,
        }
    }

    /// A server's or a library's text without the secrets, should they be in it.
    pub(super) fn without_secrets(&self, text: &str) -> String {
        let Some((user, password)) = &self.credentials else { return text.to_owned() };
        [password, user].into_iter().filter(|s| !s.is_empty()).fold(text.to_owned(), |t, s| t.replace(s, "***"))
    }
}

fn decoded(text: &str) -> Result<String, BadMailUrl> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| BadMailUrl::Credentials)?;
    // They are sent as lines.
    if text.chars().any(char::is_control) { Err(BadMailUrl::Credentials) } else { Ok(text.into_owned()) }
}

/// 127.0.0.0/8, ::1 and `localhost`. Whatever else a resolver would make of a name does not count.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

impl fmt::Display for MailUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.implicit_tls { "smtps" } else { "smtp" };
        let secret = if self.credentials.is_some() { "***@" } else { "" };
        let tls = if self.tls_required { "?tls=required" } else { "" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://{secret}[{}]:{}{tls}", self.host, self.port),
            false => write!(f, "{scheme}://{secret}{}:{}{tls}", self.host, self.port),
        }
    }
}

impl fmt::Debug for MailUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailUrl({self})")
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
            // A resolver may take it for 127.0.0.1; it is not written as an address.
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
        assert_eq!(url.without_secrets("535 us@er may not with pa:ss"), "535 *** may not with ***");
    }
}
