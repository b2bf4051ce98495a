//! The options of every client command: the service's address, the API key, trusted certificates.

use crate::error::{Error, Result};
use crate::settings::{Http, read_secret_file};
use clap::Args;
use provost_actors::pem;
use provost_domain::{Secret, ServerAddress};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The schemes of a service's address, with their ports.
const SCHEMES: &[(&str, Option<u16>)] = &[("http", Some(80)), ("https", Some(443))];

#[derive(Args, Debug, Clone)]
pub struct Remote {
    /// Address of the service; without a scheme, http:// on this machine and https:// elsewhere
    /// [default: the setting http.listen]
    #[arg(long, value_name = "URL", global = true)]
    pub url: Option<String>,
    /// API key [default: the environment variable PROVOST_KEY, or what is in the file that PROVOST_KEY_FILE names].
    /// Other users of this machine can see arguments, so the environment is better
    #[arg(long, value_name = "KEY", global = true)]
    pub key: Option<Secret>,
    /// Certificates (PEM) to trust beside the system's
    #[arg(long, value_name = "FILE", global = true)]
    pub ca: Option<PathBuf>,
}

/// A key and the source that it came from.
#[derive(Debug, Clone)]
pub struct GivenKey {
    pub key: Secret,
    pub place: &'static str,
}

impl Remote {
    /// The key from the option, the environment variable, or the file, in this order.
    pub fn given_key(&self) -> Result<Option<GivenKey>> {
        if let Some(key) = &self.key {
            return Ok(Some(GivenKey { key: key.clone(), place: "--key" }));
        }
        let variable = |name| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
        if let Some(key) = variable("PROVOST_KEY") {
            return Ok(Some(GivenKey { key: Secret::new(key.trim()), place: "PROVOST_KEY" }));
        }
        let Some(file) = variable("PROVOST_KEY_FILE") else { return Ok(None) };
        let read =
            read_secret_file(Path::new(&file)).map_err(|why| Error::Usage(format!("PROVOST_KEY_FILE: {why}")))?;
        Ok(Some(GivenKey { key: Secret::new(read.expose().trim()), place: "PROVOST_KEY_FILE" }))
    }

    /// The service's address: `--url`, else the address that the settings give to the server.
    ///
    /// # Errors
    /// If the text is not the address of a service. The error never repeats the text, which may hold a password.
    pub fn address(&self, http: &Http) -> Result<ServerAddress> {
        let given = self.url.as_deref().map_or_else(|| Cow::Owned(reachable(&http.listen)), Cow::Borrowed);
        let address = with_scheme(given.trim(), http.tls.is_some(), self.url.is_none());
        let address = ServerAddress::parse(&address, SCHEMES).map_err(|fault| {
            Error::Usage(format!("--url: {fault}; an address looks like \"https://provost.example.org\""))
        })?;
        if address.login().is_some() || address.options().is_some() {
            return Err(Error::Usage("--url: the address must not have user, password or options".to_owned()));
        }
        Ok(address)
    }
}

/// Adds a scheme if there is none. Other machines are asked over TLS unless `http://` is written, so that no key is sent
/// unencrypted by accident.
fn with_scheme(address: &str, has_tls: bool, is_own: bool) -> Cow<'_, str> {
    if address.contains("://") {
        return Cow::Borrowed(address);
    }
    let host = address.split('/').next().unwrap_or(address);
    let host = host.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or_else(|| {
        // The port follows the last colon.
        host.rsplit_once(':').map_or(host, |(host, _)| host)
    });
    let is_here = host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let scheme = if has_tls || !(is_here || is_own) { "https" } else { "http" };
    Cow::Owned(format!("{scheme}://{address}"))
}

/// The address at which to reach a server; one that listens on all addresses is reached on loopback.
fn reachable(listen: &str) -> String {
    match listen.rsplit_once(':') {
        Some(("0.0.0.0", port)) => format!("127.0.0.1:{port}"),
        Some(("[::]", port)) => format!("[::1]:{port}"),
        _ => listen.to_owned(),
    }
}

/// A TLS configuration that trusts the system's certificates and those of the file `ca`.
pub fn tls(ca: Option<&Path>) -> Result<TlsConfig> {
    let mut roots: Vec<Certificate<'static>> = Vec::new();
    for certificate in rustls_native_certs::load_native_certs().certs {
        roots.push(Certificate::from_der(&certificate).to_owned());
    }
    if let Some(file) = ca {
        let wrong = |why: String| Error::Usage(format!("--ca {}: {why}", file.display()));
        let bytes = pem::read(file).map_err(|e| wrong(e.to_string()))?;
        let certificates: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        let certificates = certificates.map_err(|e| wrong(format!("no certificates in PEM form: {e}")))?;
        if certificates.is_empty() {
            return Err(wrong("the file holds no certificate".to_owned()));
        }
        roots.extend(certificates.iter().map(|c| Certificate::from_der(c).to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(provider)
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown() {
        let remote = Remote { url: None, key: Some(Secret::new("pvk_secret")), ca: None };
        assert!(!format!("{remote:?}").contains("secret"));
    }

    #[test]
    fn a_wildcard_address_is_reached_on_loopback() {
        assert_eq!(reachable("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(reachable("[::]:80"), "[::1]:80");
        assert_eq!(reachable("10.0.0.1:80"), "10.0.0.1:80");
    }

    #[test]
    fn an_address_without_a_scheme_has_the_one_that_keeps_a_key_secret() {
        for (written, address) in [
            ("localhost:8000", "http://localhost:8000"),
            ("LOCALHOST", "http://LOCALHOST"),
            ("127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("[::1]:8000", "http://[::1]:8000"),
            ("[::1]", "http://[::1]"),
            ("example.org", "https://example.org"),
            ("example.org:8000/provost", "https://example.org:8000/provost"),
            ("10.0.0.1:8000", "https://10.0.0.1:8000"),
            ("http://example.org", "http://example.org"),
        ] {
            assert_eq!(with_scheme(written, false, false), address);
        }
        assert_eq!(with_scheme("localhost:8000", true, false), "https://localhost:8000");
        // Addresses on which the settings let the service itself listen.
        assert_eq!(with_scheme("10.0.0.1:8000", false, true), "http://10.0.0.1:8000");
    }
}
