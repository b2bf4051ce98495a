//! Addresses of servers in settings and flags: `scheme://user:password@host:port/name?options`. `ServerAddress` is the
//! one type for all of them. It shows only scheme, host, port and name.

use crate::secret::Secret;
use crate::visible;
use percent_encoding::percent_decode_str;
use std::fmt;

/// Longest address, in bytes.
const LONGEST: usize = 4096;
/// Longest name of a database or a virtual host that is shown, in characters.
const LONGEST_NAME: usize = 64;
/// Shortest part, in bytes, that is hidden. A shorter part occurs too often in ordinary text to be hidden everywhere.
const SHORTEST: usize = 3;
const HIDDEN: &str = "***";

/// Why a text is not an address. The message never repeats the text, because the text may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// More than one line.
    #[error("it has more than one line")]
    Lines,
    /// Longer than `LONGEST` bytes.
    #[error("it is longer than {LONGEST} bytes")]
    Long,
    /// White space, control characters or invisible characters.
    #[error("it has white space, control characters or invisible characters in it")]
    Characters,
    /// The scheme is not one that is allowed here.
    #[error("it does not begin with a scheme that is allowed here")]
    Scheme,
    /// There is no host.
    #[error("it names no host")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// A character of user or password is not percent-encoded.
    #[error("user or password has an `@`, `:`, `/`, `?`, `#` or `%` that is not percent-encoded")]
    Login,
    /// The path is not a name.
    #[error("the text after the host looks like another address; a name is expected there")]
    Name,
    /// Something other than options follows the host.
    #[error("nothing but options may follow the host and its port")]
    Rest,
    /// An option is unknown or has a value that is not allowed.
    #[error("one of its options is unknown, or has a value that is not allowed")]
    Options,
}

/// An address, shown without user, password and options.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerAddress {
    text: Secret,
    shown: String,
    scheme: &'static str,
    hosts: Vec<Host>,
    login: Option<(Secret, Option<Secret>)>,
    name: Secret,
    has_options: bool,
    /// Parts of the address that no message may repeat, the longest first.
    hidden: Vec<Secret>,
}

#[derive(Clone, PartialEq, Eq)]
struct Host {
    /// In lower case; an IPv6 address is without its brackets.
    name: String,
    port: Option<u16>,
}

impl ServerAddress {
    /// Reads an address whose scheme is one of `schemes`, each given with its default port. Several hosts, separated by
    /// commas, are allowed only with a scheme that has no default port.
    ///
    /// # Errors
    /// [`AddressFault`] says what is wrong and repeats nothing of the text.
    pub fn parse(text: &str, schemes: &[(&'static str, Option<u16>)]) -> Result<Self, AddressFault> {
        let text = text.trim();
        if text.contains(['\n', '\r']) {
            return Err(AddressFault::Lines);
        }
        if text.len() > LONGEST {
            return Err(AddressFault::Long);
        }
        if !visible::is_plain(text) || text.contains(char::is_whitespace) {
            return Err(AddressFault::Characters);
        }
        let (scheme, rest) = text.split_once("://").ok_or(AddressFault::Scheme)?;
        let known = schemes.iter().find(|(known, _)| known.eq_ignore_ascii_case(scheme));
        let (scheme, default_port) = *known.ok_or(AddressFault::Scheme)?;
        if rest.contains('#') {
            return Err(AddressFault::Login);
        }
        let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, options) = tail.split_once('?').map_or((tail, None), |(path, options)| (path, Some(options)));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        // The first `/` or `?` ended the authority: an `@` after it belongs to a password that is not encoded.
        if path.contains('@') || (login.is_none() && tail.contains('@')) {
            return Err(AddressFault::Login);
        }
        let hosts = hosts.split(',').map(|host| Host::parse(host, default_port)).collect::<Result<Vec<_>, _>>()?;
        if hosts.len() > 1 && default_port.is_some() {
            return Err(AddressFault::Host);
        }
        let mut address = Self {
            text: Secret::new(text),
            shown: String::new(),
            scheme,
            hosts,
            login: login.map(read_login).transpose()?,
            name: Secret::new(read_name(path)?),
            has_options: options.is_some(),
            hidden: Vec::new(),
        };
        address.hidden = address.parts_to_hide(login, path, options);
        address.show();
        Ok(address)
    }

    /// The whole address, for the driver that connects.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// The scheme, such as `amqps`.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// The number of hosts in the address.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// The first host's name or IP address, in lower case and without brackets.
    pub fn host(&self) -> &str {
        self.hosts.first().map_or("", |host| &host.name)
    }

    /// The port of the first host: the one that is written, else the default port of the scheme.
    pub fn port(&self) -> Option<u16> {
        self.hosts.first().and_then(|host| host.port)
    }

    /// User and password, decoded.
    pub fn login(&self) -> Option<(&Secret, Option<&Secret>)> {
        self.login.as_ref().map(|(user, password)| (user, password.as_ref()))
    }

    /// The path, percent-decoded and without its first `/`: the name of a database or of a virtual host. It is a
    /// `Secret` because `Display` shows the name only if it has the form of a plain name.
    pub fn name(&self) -> &Secret {
        &self.name
    }

    /// The text after `?`, as it was written.
    pub fn options(&self) -> Option<&str> {
        if self.has_options { self.expose().split_once('?').map(|(_, options)| options) } else { None }
    }

    /// The same address; hosts without a port get this one.
    #[must_use]
    pub fn with_default_port(mut self, port: u16) -> Self {
        for host in &mut self.hosts {
            host.port.get_or_insert(port);
        }
        self.show();
        self
    }

    /// Replaces the parts of this address in an error text of a server or a library by `***`: hosts, user, password,
    /// name and options.
    pub fn without_parts(&self, text: &str) -> String {
        self.hidden.iter().fold(text.to_owned(), |text, part| text.replace(part.expose(), HIDDEN))
    }

    fn parts_to_hide(&self, login: Option<&str>, path: &str, options: Option<&str>) -> Vec<Secret> {
        let mut parts = vec![self.expose().to_owned()];
        for text in login.into_iter().flat_map(|login| std::iter::once(login).chain(login.splitn(2, ':'))) {
            parts.push(text.to_owned());
        }
        for value in options.into_iter().flat_map(|o| o.split('&')).filter_map(|o| o.split_once('=')).map(|(_, v)| v) {
            parts.push(value.to_owned());
        }
        parts.push(path.trim_start_matches('/').to_owned());
        parts.extend(self.hosts.iter().map(|host| host.name.clone()));
        let decoded: Vec<String> =
            parts.iter().map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect();
        parts.extend(decoded);
        // These words occur in many texts and are no secrets.
        parts.retain(|part| part.len() >= SHORTEST && !["true", "false", "localhost"].contains(&part.as_str()));
        parts.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        parts.dedup();
        parts.into_iter().map(Secret::from).collect()
    }

    fn show(&mut self) {
        let hosts: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
        let login = if self.login.is_some() { "***@" } else { "" };
        let name = self.name.expose();
        let is_name = !name.is_empty()
            && name.len() <= LONGEST_NAME
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        let name = if is_name { format!("/{name}") } else { String::new() };
        self.shown = format!("{}://{login}{}{name}", self.scheme, hosts.join(","));
    }
}

impl Host {
    fn parse(text: &str, default_port: Option<u16>) -> Result<Self, AddressFault> {
        let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, "")) => (name, None),
            Some((name, port)) => (name, Some(port.strip_prefix(':').ok_or(AddressFault::Port)?)),
            None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
        };
        let port = port.map(|port| port.parse().ok().filter(|port| *port > 0).ok_or(AddressFault::Port)).transpose()?;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~' | b'%');
        let is_ipv6 = text.starts_with('[') && name.parse::<std::net::Ipv6Addr>().is_ok();
        let is_name = !text.starts_with('[') && !name.is_empty() && name.bytes().all(allowed);
        if !is_ipv6 && !is_name {
            return Err(AddressFault::Host);
        }
        Ok(Self { name: name.to_ascii_lowercase(), port: port.or(default_port) })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]", self.name)?
        } else {
            f.write_str(&self.name)?
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn decoded(text: &str, fault: AddressFault) -> Result<String, AddressFault> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| fault)?;
    if text.chars().any(char::is_control) { Err(AddressFault::Characters) } else { Ok(text.into_owned()) }
}

fn read_login(text: &str) -> Result<(Secret, Option<Secret>), AddressFault> {
    let part = |text: &str| decoded(text, AddressFault::Login).map(Secret::from);
    Ok(match text.split_once(':') {
        None => (part(text)?, None),
        Some((user, password)) => (part(user)?, Some(part(password)?)),
    })
}

fn read_name(path: &str) -> Result<String, AddressFault> {
    let name = decoded(path.strip_prefix('/').unwrap_or(path), AddressFault::Name)?;
    if name.contains("://") || name.contains('@') { Err(AddressFault::Name) } else { Ok(name) }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerAddress({})", self.shown)
    }
}

/// Says why a server cannot be reached, in a fixed text that is chosen by the error text of a driver or of the
/// operating system. The original text may name hosts and users and must not be shown to clients.
pub fn why_unreachable(text: &str) -> &'static str {
    const REASONS: &[(&[&str], &str)] = &[
        (&["SCRAM", "uthentication fail", "bad auth"], "user or password is refused"),
        (&["NotValidForName", "not valid for name"], "its certificate is for another name"),
        (&["UnknownIssuer", "unknown issuer"], "its certificate is from an issuer that is not trusted"),
        (&["certificate expired", "Expired"], "its certificate has expired"),
        (&["certificate", "Certificate"], "its certificate is not accepted"),
        (&["InvalidContentType", "corrupt message"], "the server does not answer with TLS on this port"),
        (&["handshake", "HandshakeFailure", "fatal alert", "tls", "TLS"], "no TLS could be agreed on"),
        (
            &["lookup address", "Name or service not known", "resolution", "resolve", "no record"],
            "the name of its host cannot be resolved",
        ),
        (&["refused"], "connection refused"),
        (&["unreachable", "No route"], "its network cannot be reached"),
        (&["ermission denied"], "the system does not permit it"),
        (&["reset", "roken pipe", "end of file", "closed", "aborted"], "the connection broke"),
        (&["timed out", "imeout", "timeout"], "it does not answer in time"),
    ];
    let found = REASONS.iter().find(|(words, _)| words.iter().any(|word| text.contains(word)));
    found.map_or("the connection failed", |(_, why)| why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SCHEMES: &[(&str, Option<u16>)] = &[("amqp", Some(5672)), ("mongodb", None)];

    fn read(text: &str) -> Result<ServerAddress, AddressFault> {
        ServerAddress::parse(text, SCHEMES)
    }

    #[test]
    fn scheme_host_port_and_a_plain_name_are_all_that_is_shown() {
        for (text, shown) in [
            ("amqp://localhost", "amqp://localhost:5672"),
            (" AMQP://Bus.example.org:1\n", "amqp://bus.example.org:1"),
            ("amqp://us%40er:sec%2Fret@bus/prod", "amqp://***@bus:5672/prod"),
            ("amqp://geheim@bus/%2f", "amqp://***@bus:5672"),
            ("amqp://[::1]:5673/v0", "amqp://[::1]:5673/v0"),
            ("mongodb://u:geheim@a.example.org:1,b_2/db", "mongodb://***@a.example.org:1,b_2/db"),
            ("mongodb://h/db?password=geheim&tlsCertificateKeyFilePassword=geheim", "mongodb://h/db"),
            ("mongodb://u:geheim@h/?appName=@u@", "mongodb://***@h"),
            ("mongodb://h/a%20geheim", "mongodb://h"),
        ] {
            let address = read(text).unwrap();
            assert_eq!(address.to_string(), shown, "{text}");
            assert_eq!(format!("{address:?}"), format!("ServerAddress({shown})"));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        use AddressFault::*;
        for (text, fault) in [
            ("", Scheme),
            ("geheim", Scheme),
            ("http://u:geheim@h", Scheme),
            ("amqp://", Host),
            ("amqp://u:geheim@", Host),
            ("amqp://u:geheim@a,b", Host),
            ("amqp://h<geheim>", Host),
            ("amqp://[geheim]", Host),
            ("amqp://h:geheim", Port),
            ("amqp://h:0", Port),
            ("amqp://[::1]geheim", Port),
            ("amqp://u:geheim@h\namqp://u:geheim@h", Lines),
            ("amqp://u:geheim@h\r", Scheme),
            ("amqp://u:geh eim@h", Characters),
            ("amqp://u:geheim\u{202e}@h", Characters),
            ("amqp://u:geheim%0d%0a@h", Characters),
            ("amqp://u:geheim%ff@h", Login),
            ("amqp://u:geh#eim@h", Login),
            ("amqp://u/geheim@h", Login),
            ("amqp://u:12?geheim@h", Login),
            ("amqp://u:p@ss/geheim@h", Login),
            ("amqp://h/amqp:%2f%2fu:geheim%40h2", Name),
            ("amqp://h/amqp://geheim", Name),
        ] {
            // A line end at the text's end is none.
            if text.ends_with('\r') {
                assert!(read(text).is_ok());
                continue;
            }
            let refused = read(text).unwrap_err();
            assert_eq!(refused, fault, "{text:?}");
            assert!(!format!("{refused} {refused:?}").contains("geheim"), "{refused}");
        }
        assert_eq!(read(&format!("amqp://{}", "h".repeat(LONGEST))), Err(Long));
    }

    #[test]
    fn the_parts_are_decoded() {
        let address = read("amqp://us%40er:pa%3Ass@[::1]/v%2fw?heartbeat=5").unwrap();
        let (user, password) = address.login().unwrap();
        assert_eq!((user.expose(), password.unwrap().expose()), ("us@er", "pa:ss"));
        assert_eq!((address.host(), address.port(), address.name().expose()), ("::1", Some(5672), "v/w"));
        assert_eq!(address.options(), Some("heartbeat=5"));
        let address = read("mongodb://h").unwrap();
        assert_eq!((address.port(), address.with_default_port(25).to_string()), (None, "mongodb://h:25".to_owned()));
    }

    #[test]
    fn reasons_are_told_in_words_of_ours() {
        for (text, why) in [
            ("Connection refused (os error 111)", "connection refused"),
            (
                "failed to lookup address information: Name or service not known",
                "the name of its host cannot be resolved",
            ),
            ("invalid peer certificate: UnknownIssuer", "its certificate is from an issuer that is not trusted"),
            (
                "invalid peer certificate: certificate not valid for name \"geheim\"",
                "its certificate is for another name",
            ),
            ("received corrupt message of type InvalidContentType", "the server does not answer with TLS on this port"),
            ("Server selection timeout: No available servers. Error: Connection refused", "connection refused"),
            ("Server selection timeout: No available servers", "it does not answer in time"),
            ("geheim", "the connection failed"),
        ] {
            assert_eq!(why_unreachable(text), why, "{text}");
        }
    }

    #[test]
    fn no_part_stays_in_the_text_of_another() {
        let address = read("amqp://us%40er:pa%3Ass@mail.example.org/v%20host?password=geheim").unwrap();
        let text = "535 us@er (us%40er) may not with pa:ss at Mail mail.example.org: amqp://x/v host?geheim";
        let shown = address.without_parts(text);
        for part in ["us@er", "us%40er", "pa:ss", "mail.example.org", "v host", "geheim"] {
            assert!(!shown.contains(part), "{part}: {shown}");
        }
        assert!(shown.starts_with("535 ***"), "{shown}");
    }
}
