//! Sends requests to the service, and explains its errors and missing answers.

use super::BASE;
use super::remote::{GivenKey, Remote, tls};
use crate::cli::common::{Common, Output};
use crate::cli::show;
use crate::error::{Error, Result};
use crate::settings::Http;
use provost_domain::address::why_unreachable;
use provost_domain::{ServerAddress, visible};
use serde_json::Value;
use std::time::{Duration, Instant};
use ureq::http::{Method, Request, Response};
use ureq::{Body, BodyReader};

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// The largest answer that is read, in bytes.
const LONGEST: u64 = 64 << 20;
/// Elements per page: the largest page that the service gives.
const PAGE: usize = 200;

pub struct Client {
    address: ServerAddress,
    key: Option<GivenKey>,
    agent: ureq::Agent,
    tells_requests: bool,
}

/// One page of a list, and the path of the next.
struct Page {
    items: Vec<Value>,
    next: Option<String>,
}

impl Client {
    pub fn new(remote: &Remote, common: &Common) -> Result<Self> {
        Ok(Self::at(remote, &common.settings()?.http)?.telling(&common.output))
    }

    /// Prints each request to standard error if `--verbose` is given.
    pub fn telling(mut self, output: &Output) -> Self {
        self.tells_requests = output.verbose;
        self
    }

    pub fn at(remote: &Remote, http: &Http) -> Result<Self> {
        let address = remote.address(http)?;
        let mut config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
        if address.scheme() == "https" {
            config = config.tls_config(tls(remote.ca.as_deref())?);
        }
        Ok(Self { address, key: remote.given_key()?, agent: config.build().into(), tells_requests: false })
    }

    pub fn get(&self, path: &str) -> Result<Value> {
        document(&mut self.ask(Method::GET, path, None)?)
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        document(&mut self.ask(Method::POST, path, Some(body))?)
    }

    pub fn put(&self, path: &str, body: &Value) -> Result<Value> {
        document(&mut self.ask(Method::PUT, path, Some(body))?)
    }

    pub fn delete(&self, path: &str) -> Result<Value> {
        document(&mut self.ask(Method::DELETE, path, None)?)
    }

    /// Like `get`, but None if the service answers 404 or 409: the document does not exist, or not yet.
    pub fn find(&self, path: &str) -> Result<Option<Value>> {
        let mut response = self.send(Method::GET, path, None, Some(PATIENCE))?;
        match response.status().as_u16() {
            404 | 409 => Ok(None),
            _ => document(&mut self.checked(&mut response).map(|()| response)?).map(Some),
        }
    }

    pub fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        let mut response = self.ask(Method::GET, path, None)?;
        response.body_mut().with_config().limit(LONGEST).read_to_vec().map_err(|e| Error::Failed(e.into()))
    }

    /// A stream of events after the event number `after`. It may be silent for a long time.
    pub fn events(&self, path: &str, after: u64) -> Result<BodyReader<'static>> {
        let mut response = self.send(Method::GET, path, Some(("last-event-id", after.to_string())), None)?;
        self.checked(&mut response)?;
        Ok(response.into_body().into_reader())
    }

    /// The elements of a list, read page by page, the newest first; at most `most`. `path` contains a `?`.
    pub fn list(&self, path: &str, most: usize) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut next = Some(format!("{path}limit={}", most.clamp(1, PAGE)));
        while let Some(path) = next.filter(|_| all.len() < most) {
            let page = self.page(&path)?;
            all.extend(page.items);
            next = page.next;
        }
        all.truncate(most);
        Ok(all)
    }

    fn page(&self, path: &str) -> Result<Page> {
        let mut response = self.ask(Method::GET, path, None)?;
        let link = response.headers().get("link").and_then(|link| link.to_str().ok());
        let next = link.and_then(next_of).map(str::to_owned);
        match document(&mut response)? {
            Value::Array(items) => Ok(Page { items, next }),
            _ => Err(Error::failed(format!("{}: the answer to {path} is not a list", self.address))),
        }
    }

    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response<Body>> {
        let mut response = match body {
            None => self.send(method, path, None, Some(PATIENCE))?,
            Some(body) => {
                let request = self.request(method, path).header("content-type", "application/json");
                let request = request.body(body.to_string()).map_err(|_| unsendable())?;
                self.run(request, Some(PATIENCE))?
            }
        };
        self.checked(&mut response)?;
        Ok(response)
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        header: Option<(&str, String)>,
        patience: Option<Duration>,
    ) -> Result<Response<Body>> {
        let mut request = self.request(method, path);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        self.run(request.body(()).map_err(|_| unsendable())?, patience)
    }

    fn request(&self, method: Method, path: &str) -> ureq::http::request::Builder {
        let address = format!("{}{BASE}{path}", self.address.expose().trim_end_matches('/'));
        let request = Request::builder().method(method).uri(address);
        match &self.key {
            Some(given) => request.header("authorization", format!("Bearer {}", given.key.expose())),
            None => request,
        }
    }

    fn run(&self, request: Request<impl ureq::AsSendBody>, patience: Option<Duration>) -> Result<Response<Body>> {
        let (method, path, began) = (request.method().clone(), request.uri().path().to_owned(), Instant::now());
        let request = self.agent.configure_request(request).timeout_global(patience).build();
        let answer = self.agent.run(request).map_err(|e| self.unreachable(&e.to_string()))?;
        if self.tells_requests {
            let (status, took) = (answer.status(), show::seconds(began.elapsed().as_secs_f64()));
            show::error(&format!("{method} {}{path}: {status} after {took}", self.address));
        }
        Ok(answer)
    }

    fn unreachable(&self, why: &str) -> Error {
        let (address, why) = (&self.address, why_unreachable(why));
        let is_refused = why == "connection refused";
        let why = if is_refused { "no service answers there (connection refused)" } else { why };
        let advice = if address.scheme() == "https" && !is_refused {
            "`--url http://…` asks without TLS, `--ca FILE` trusts a certificate"
        } else {
            "`provost serve` starts a service; `--url` or the setting http.listen says where one is"
        };
        Error::failed_with(format!("cannot reach {address}: {why}"), advice)
    }

    /// Turns an error answer into an error with the service's explanation and advice.
    fn checked(&self, response: &mut Response<Body>) -> Result<()> {
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let text = response.body_mut().with_config().limit(LONGEST).read_to_string().unwrap_or_default();
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let cause = problem(status.as_u16(), &body);
        Err(match (status.as_u16(), &self.key) {
            (401, None) => Error::failed_with(
                cause,
                "give an API key with PROVOST_KEY (or --key); `provost keys create` makes one",
            ),
            (401, Some(given)) => Error::failed_with(
                cause,
                &format!(
                    "the key from {} is unknown to this service, expired or revoked: `provost keys list`",
                    given.place
                ),
            ),
            (403, Some(given)) => Error::failed_with(
                cause,
                &format!("the role of the key from {} is too low: `provost keys create --role …`", given.place),
            ),
            _ => Error::failed(cause),
        })
    }
}

fn unsendable() -> Error {
    Error::Usage(
        "the request cannot be sent: a key consists of letters, digits and punctuation, without spaces".to_owned(),
    )
}

fn document(response: &mut Response<Body>) -> Result<Value> {
    let text = response.body_mut().with_config().limit(LONGEST).read_to_string().map_err(anyhow::Error::from)?;
    Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// The path of the next page from a `Link` header, without the base path.
fn next_of(link: &str) -> Option<&str> {
    let (target, parameters) = link.strip_prefix('<')?.split_once('>')?;
    let is_next = parameters.contains("rel=\"next\"");
    target.strip_prefix(BASE).filter(|_| is_next)
}

/// An RFC 9457 problem as text: the error, then each fault with its field.
fn problem(status: u16, body: &Value) -> String {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(visible::line);
    let mut out = match text("detail").or_else(|| text("title")) {
        Some(detail) => format!("{detail} ({status})"),
        None => format!("the service answered {status}: {}", visible::line(body.as_str().unwrap_or_default().trim())),
    };
    for fault in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let part = |key: &str| visible::line(fault.get(key).and_then(Value::as_str).unwrap_or_default());
        let told = format!("{}: {}", part("pointer"), part("message"));
        // The detail of a body that does not validate holds its faults already.
        if !text("detail").is_some_and(|detail| detail.contains(&told)) {
            out.push_str(&format!("\n  {told}"));
        }
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
        let told = "/enabled: 3 is no flag";
        let body = json!({"detail": told, "errors": [{"pointer": "/enabled", "message": "3 is no flag"}]});
        assert_eq!(problem(422, &body), format!("{told} (422)"), "once");
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
    fn the_next_page_is_where_the_link_says() {
        let link = format!("<{BASE}/jobs?limit=2&cursor=a%20b>; rel=\"next\"");
        assert_eq!(next_of(&link), Some("/jobs?limit=2&cursor=a%20b"));
        assert_eq!(next_of("<https://elsewhere.example.org/jobs>; rel=\"next\""), None);
        assert_eq!(next_of(&link.replace("next", "last")), None);
    }
}
