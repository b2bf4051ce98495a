//! The section `[http]`: the listening address, and access to it.

use super::{HostPort, Network, Reader, SettingsError};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Http {
    /// `host:port`
    pub listen: String,
    pub workers: usize,
    pub compute_threads: usize,
    pub max_body_bytes: usize,
    pub max_connections: usize,
    pub max_connections_per_address: usize,
    /// None: no TLS.
    pub tls: Option<Tls>,
    /// The proxies whose statement of a request's origin is trusted; None: there is no proxy.
    pub proxies: Option<Vec<Network>>,
    /// The names by which browsers may call the service, besides its own address and loopback.
    pub hosts: Vec<HostPort>,
    pub sessions: SessionLimits,
    pub deadlines: Deadlines,
    pub rates: Rates,
    /// Whether `/metrics` is answered without a key.
    pub open_metrics: bool,
}

/// How long a browser session lasts.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// After the last request.
    pub idle: Duration,
    /// After signing in.
    pub lifetime: Duration,
}

/// Paths of PEM files.
#[derive(Debug, Clone)]
pub struct Tls {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Limits on how long a client may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    pub head: Duration,
    pub body: Duration,
    pub keep_alive: Duration,
    pub write: Duration,
}

/// Limits on requests per key and per address; 0 is no limit.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Requests per second.
    pub per_key: u32,
    /// Requests per second.
    pub per_address: u32,
    /// Wrong keys per minute.
    pub failures: u32,
}

impl Http {
    pub(super) fn read(read: &Reader<'_>) -> Result<Self, SettingsError> {
        let path = |key| read.text(key).map(|text| (!text.is_empty()).then(|| PathBuf::from(text)));
        let tls = match (path("http.tls_cert")?, path("http.tls_key")?) {
            (Some(cert), Some(key)) => Some(Tls { cert, key }),
            (None, None) => None,
            (cert, _) => {
                let (set, missing) = if cert.is_some() { ("cert", "key") } else { ("key", "cert") };
                let why = format!("http.tls_{set} is set and http.tls_{missing} is not; set both or neither");
                return Err(SettingsError(vec![why]));
            }
        };
        let proxies = if read.switch("http.behind_proxy")? {
            // The schema has checked the list.
            Some(Network::list(&read.text("http.trusted_proxies")?).unwrap_or_default())
        } else {
            None
        };
        Ok(Self {
            listen: read.text("http.listen")?,
            workers: read.whole("http.workers")?,
            compute_threads: read.whole("http.compute_threads")?,
            max_body_bytes: read.whole("http.max_body_bytes")?,
            max_connections: read.whole("http.max_connections")?,
            max_connections_per_address: read.whole("http.max_connections_per_address")?,
            tls,
            proxies,
            // The schema has checked the list.
            hosts: HostPort::list(&read.text("http.hosts")?).unwrap_or_default(),
            sessions: SessionLimits {
                idle: read.time("http.session_idle")?,
                lifetime: read.time("http.session_lifetime")?,
            },
            deadlines: Deadlines {
                head: read.time("http.head_timeout")?,
                body: read.time("http.body_timeout")?,
                keep_alive: read.time("http.keep_alive")?,
                write: read.time("http.write_timeout")?,
            },
            rates: Rates {
                per_key: read.whole("http.rate_per_key")?,
                per_address: read.whole("http.rate_per_address")?,
                failures: read.whole("http.failed_auth_per_minute")?,
            },
            open_metrics: read.switch("http.open_metrics")?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::settings::{Settings, SettingsError};

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let env = pairs.iter().map(|(k, v)| (format!("PROVOST_HTTP__{k}"), (*v).to_owned()));
        Settings::from_layers(None, env, &Vec::new())
    }

    #[test]
    fn a_certificate_needs_its_key() {
        assert!(read(&[]).unwrap().http.tls.is_none());
        assert!(read(&[("TLS_CERT", "c.pem"), ("TLS_KEY", "k.pem")]).unwrap().http.tls.is_some());
        let error = read(&[("TLS_CERT", "c.pem")]).unwrap_err().to_string();
        assert!(error.contains("http.tls_key is not"), "{error}");
    }

    #[test]
    fn proxies_are_trusted_only_where_there_is_one() {
        assert!(read(&[("TRUSTED_PROXIES", "10.0.0.0/8")]).unwrap().http.proxies.is_none());
        assert_eq!(read(&[("BEHIND_PROXY", "true")]).unwrap().http.proxies.unwrap().len(), 2);
        let error = read(&[("TRUSTED_PROXIES", "nginx")]).unwrap_err().to_string();
        assert!(error.contains("http.trusted_proxies") && error.contains("nginx"), "{error}");
    }

    #[test]
    fn hosts_are_a_checked_list() {
        assert_eq!(read(&[]).unwrap().http.hosts, []);
        assert_eq!(read(&[("HOSTS", "provost.example.org, [::1]:80")]).unwrap().http.hosts.len(), 2);
        for bad in ["http://provost.example.org", "a b", "127.1", "*"] {
            let error = read(&[("HOSTS", bad)]).unwrap_err().to_string();
            assert!(error.contains("http.hosts") && error.contains("host names and addresses"), "{error}");
        }
        let error = read(&[("SESSION_IDLE", "1s")]).unwrap_err().to_string();
        assert!(error.contains("http.session_idle") && error.contains("from 1m to 30d"), "{error}");
    }
}
