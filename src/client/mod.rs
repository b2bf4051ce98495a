//! A thin client of the facade: what `train`, `jobs`, `models`, `status`, `activate` and `compare` send.

pub mod commands;
pub mod train;
pub mod watch;

use crate::cli::Common;
use crate::error::{Error, Result};
use clap::Args;
use serde_json::Value;
use std::time::Duration;

pub const BASE: &str = "/api/v1/model-training";

/// Where the service is and who asks.
#[derive(Args, Debug, Clone)]
pub struct Remote {
    /// Address of the service [default: http:// and the setting http.listen]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// API key [default: the environment variable PROVOST_KEY]
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
}

pub struct Client {
    address: String,
    key: Option<String>,
    agent: ureq::Agent,
}

impl Client {
    pub fn new(remote: &Remote, common: &Common) -> Result<Self> {
        let listen = common.settings()?.http.listen;
        Ok(Self::at(remote, &listen))
    }

    pub fn at(remote: &Remote, listen: &str) -> Self {
        let address = remote.url.clone().unwrap_or_else(|| format!("http://{}", reachable(listen)));
        let key = remote.key.clone().or_else(|| std::env::var("PROVOST_KEY").ok()).filter(|k| !k.is_empty());
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .into();
        Self { address: address.trim_end_matches('/').to_owned(), key, agent }
    }

    pub fn get(&self, path: &str) -> Result<Value> {
        let mut request = self.agent.get(self.url(path));
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        self.answer(request.call())
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let mut request = self.agent.post(self.url(path));
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        self.answer(request.send_json(body))
    }

    pub fn delete(&self, path: &str) -> Result<Value> {
        let mut request = self.agent.delete(self.url(path));
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        self.answer(request.call())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{BASE}{path}", self.address)
    }

    fn answer(&self, answer: std::result::Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value> {
        let mut response = answer.map_err(|e| {
            Error::failed(format!("cannot reach {}: {e}. Is `provost serve` running there?", self.address))
        })?;
        let status = response.status();
        let text = response.body_mut().read_to_string().map_err(anyhow::Error::from)?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status.is_success() { Ok(body) } else { Err(Error::failed(problem(status.as_u16(), &body))) }
    }
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
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let mut out = match text("detail").or_else(|| text("title")) {
        Some(detail) => format!("{detail} ({status})"),
        None => format!("the service answered {status}: {}", body.as_str().unwrap_or_default().trim()),
    };
    for fault in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let part = |key: &str| fault.get(key).and_then(Value::as_str).unwrap_or_default();
        out.push_str(&format!("\n  {}: {}", part("pointer"), part("message")));
    }
    for (name, mark) in [("issues", "✗"), ("recommendations", "→")] {
        for issue in body.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            out.push_str(&format!("\n  {mark} {issue}"));
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
    fn a_wildcard_address_is_reached_on_loopback() {
        assert_eq!(reachable("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(reachable("[::]:80"), "[::1]:80");
        assert_eq!(reachable("10.0.0.1:80"), "10.0.0.1:80");
    }
}
