//! A thin client of the facade: what `train`, `jobs`, `models`, `status`, `activate` and `compare` send.

pub mod commands;
pub mod train;
pub mod watch;

use crate::cli::Common;
use crate::error::{Error, Result};
use crate::settings::{Http, read_secret_file};
use clap::Args;
use provost_domain::address::why_unreachable;
use provost_domain::{Secret, ServerAddress, visible};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Of a service.
const SCHEMES: &[(&str, Option<u16>)] = &[("http", Some(80)), ("https", Some(443))];

pub const BASE: &str = "/api/v1/model-training";

/// Where the service is and who asks.
#[derive(Args, Debug, Clone)]
pub struct Remote {
    /// Address of the service [default: http:// (https:// with http.tls_cert) and the setting http.listen]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// API key [default: the environment variable PROVOST_KEY, or what is in the file that PROVOST_KEY_FILE names].
    /// Other users of this machine can see arguments, so the environment is better
    #[arg(long, value_name = "KEY")]
    pub key: Option<Secret>,
    /// Certificates (PEM) to trust beside the system's
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

impl Remote {
    /// Flag, variable, file.
    fn key(&self) -> Result<Option<Secret>> {
        if self.key.is_some() {
            return Ok(self.key.clone());
        }
        let variable = |name| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
        let key = match (variable("PROVOST_KEY"), variable("PROVOST_KEY_FILE")) {
            (Some(key), _) => key,
            (None, None) => return Ok(None),
            (None, Some(file)) => {
                let read = read_secret_file(Path::new(&file));
                return read.map(Some).map_err(|why| Error::Usage(format!("PROVOST_KEY_FILE: {why}")));
            }
        };
        Ok(Some(Secret::new(key.trim())))
    }
}

pub struct Client {
    address: ServerAddress,
    key: Option<Secret>,
    agent: ureq::Agent,
}

impl Client {
    pub fn new(remote: &Remote, common: &Common) -> Result<Self> {
        Self::at(remote, &common.settings()?.http)
    }

    pub fn at(remote: &Remote, http: &Http) -> Result<Self> {
        let address = remote.url.clone().unwrap_or_else(|| {
            let scheme = if http.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{}", reachable(&http.listen))
        });
        let mut config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
        let address = ServerAddress::parse(&address, SCHEMES).map_err(|fault| {
            Error::Usage(format!("--url: {fault}; allowed is an address such as \"https://provost.example.org\""))
        })?;
        if address.login().is_some() || address.options().is_some() {
            return Err(Error::Usage("--url: an address without user, password and options is allowed".to_owned()));
        }
        if address.scheme() == "https" {
            config = config.tls_config(tls(remote.ca.as_deref())?);
        }
        Ok(Self { address, key: remote.key()?, agent: config.build().into() })
    }

    pub fn get(&self, path: &str) -> Result<Value> {
        let mut request = self.agent.get(self.url(path));
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {}", key.expose()));
        }
        self.answer(request.call())
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let mut request = self.agent.post(self.url(path));
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {}", key.expose()));
        }
        self.answer(request.send_json(body))
    }

    pub fn delete(&self, path: &str) -> Result<Value> {
        let mut request = self.agent.delete(self.url(path));
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {}", key.expose()));
        }
        self.answer(request.call())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{BASE}{path}", self.address.expose().trim_end_matches('/'))
    }

    fn answer(&self, answer: std::result::Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value> {
        let mut response = answer.map_err(|e| {
            let why = why_unreachable(&e.to_string());
            let advice = "start `provost serve` there, or say with --url where the service is";
            Error::failed_with(format!("cannot reach {}: {why}", self.address), advice)
        })?;
        let status = response.status();
        let text = response.body_mut().read_to_string().map_err(anyhow::Error::from)?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status.is_success() { Ok(body) } else { Err(Error::failed(problem(status.as_u16(), &body))) }
    }
}

/// Trusts what the system trusts, and the certificates in this file.
fn tls(ca: Option<&Path>) -> Result<TlsConfig> {
    let mut roots: Vec<Certificate<'static>> = Vec::new();
    for certificate in rustls_native_certs::load_native_certs().certs {
        roots.push(Certificate::from_der(&certificate).to_owned());
    }
    if let Some(file) = ca {
        let wrong = |why: String| Error::Usage(format!("--ca {}: {why}", file.display()));
        let certificates =
            CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>);
        let certificates = certificates.map_err(|e| wrong(format!("no certificates in PEM form: {e}")))?;
        if certificates.is_empty() {
            return Err(wrong("there is no certificate in it".to_owned()));
        }
        roots.extend(certificates.iter().map(|c| Certificate::from_der(c).to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(provider)
        .build())
}

/// A server that listens on all addresses is reached on loopback.
fn reachable(listen: &str) -> String {
    match listen.rsplit_once(':') {
        Some(("0.0.0.0", port)) => format!("127.0.0.1:{port}"),
        Some(("[::]", port)) => format!("[::1]:{port}"),
        _ => listen.to_owned(),
    }
}

/// An RFC 9457 problem as text: what went wrong, then each fault with its field.
fn problem(status: u16, body: &Value) -> String {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(visible::line);
    let mut out = match text("detail").or_else(|| text("title")) {
        Some(detail) => format!("{detail} ({status})"),
        None => format!("the service answered {status}: {}", visible::line(body.as_str().unwrap_or_default().trim())),
    };
    for fault in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let part = |key: &str| visible::line(fault.get(key).and_then(Value::as_str).unwrap_or_default());
        out.push_str(&format!("\n  {}: {}", part("pointer"), part("message")));
    }
    for (name, mark) in [("issues", "✗"), ("recommendations", "→")] {
        for issue in body.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            out.push_str(&format!("\n  {mark} {}", visible::line(issue)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_problem_names_every_fault() {
        let body = json!({"title": "Unprocessable", "detail": "2 fields are wrong", "errors": [
            {"pointer": "/test_size", "message": "0.9; allowed is 0.1 to 0.3"}, {"pointer": "/x", "message": "unknown"}]});
        assert_eq!(
            problem(422, &body),
            "2 fields are wrong (422)\n  /test_size: 0.9; allowed is 0.1 to 0.3\n  /x: unknown"
        );
        assert_eq!(problem(502, &Value::String("bad gateway\n".to_owned())), "the service answered 502: bad gateway");
    }

    #[test]
    fn what_a_service_answers_is_not_obeyed() {
        let name = "U\u{1b}[31m\u{202e}x\r\n";
        let body = json!({"detail": name, "errors": [{"pointer": name, "message": name}], "issues": [name]});
        let shown = problem(422, &body);
        assert!(shown.lines().all(visible::is_plain) && shown.lines().count() == 3, "{shown:?}");
        let shown = problem(502, &Value::String(name.to_owned()));
        assert!(visible::is_plain(&shown), "{shown:?}");
    }

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
}
