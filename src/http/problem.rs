//! Errors as clients see them: `application/problem+json` (RFC 9457).

use super::code::Code;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError, guard};
use provost_domain::check::brief;
use provost_domain::{Fault, Faults};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The content type of a problem.
pub const PROBLEM: &str = "application/problem+json";

/// The most characters of a detail and of a fault's message, because a parser's error may quote all of a long value.
const LONGEST_DETAIL: usize = 4_000;
const LONGEST_MESSAGE: usize = 1_000;

/// The most characters of a path that an answer repeats.
pub const LONGEST_PATH: usize = 200;

/// RFC 9457; `detail` is always there. Further members depend on the problem: `errors` for a body that does not validate
/// (422), `error`, `issues`, `recommendations` and `report` for data that fails its quality check (400).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: `code` names the cause.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub title: &'static str,
    pub status: u16,
    pub code: Code,
    pub detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    #[serde(flatten)]
    #[schema(ignore)]
    pub more: Box<Map<String, Value>>,
    #[serde(skip)]
    #[schema(ignore)]
    pub headers: Vec<(&'static str, String)>,
}

impl Problem {
    /// The problem of a path without a route.
    pub fn no_route(path: &str) -> Self {
        let detail = format!("there is nothing at {}; /docs lists the routes", brief(path, LONGEST_PATH));
        Self::new(Code::RouteNotFound, detail)
    }

    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let (status, detail) = (code.status(), shortened(detail.into(), LONGEST_DETAIL));
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail,
            errors: Vec::new(),
            more: Box::default(),
            headers: Vec::new(),
        }
    }

    /// The JSON text of the answer's body.
    pub fn body(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| r#"{"detail":"error"}"#.to_owned())
    }

    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(Code::not_found(what), format!("there is no {what} {id}"))
    }

    pub fn invalid(pointer: &str, message: impl Into<String>) -> Self {
        let message = shortened(message.into(), LONGEST_MESSAGE);
        Faults(vec![Fault { pointer: pointer.to_owned(), message }]).into()
    }

    pub fn unavailable(code: Code, detail: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self::new(code, detail).with_header("retry-after", retry_after_seconds.to_string())
    }

    pub fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The problem of an answer that cannot be serialised.
    pub fn unwritable(error: serde_json::Error) -> Self {
        Self::internal(&format!("the answer cannot be written: {error}"))
    }

    /// A fault of the service: a corrupt artifact, a plot that cannot be drawn, a panic. Logs the error.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "request failed");
        Self::new(Code::Internal, error.to_string())
    }
}

/// The text, shortened if it is too long.
fn shortened(text: String, most: usize) -> String {
    if text.len() <= most { text } else { brief(&text, most).into_owned() }
}

/// The form of errors in a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `application/problem+json`.
    Problem,
    /// `{"error": "..."}`, as the Open Inference Protocol has it.
    OpenInference,
    /// `{"error_code": "...", "message": "..."}`, as MLflow has it.
    Mlflow,
}

impl Dialect {
    /// The form of errors for this path.
    pub fn of(path: &str) -> Self {
        match path {
            "/v2" => Self::OpenInference,
            "/invocations" | "/ping" | "/health" | "/version" => Self::Mlflow,
            path if path.starts_with("/v2/") => Self::OpenInference,
            _ => Self::Problem,
        }
    }
}

impl Problem {
    /// The answer in the protocol's form, with this status.
    pub fn in_dialect(&self, dialect: Dialect, status: StatusCode) -> HttpResponse {
        let body = match dialect {
            Dialect::Problem => return self.error_response(),
            Dialect::OpenInference => serde_json::json!({"error": self.detail}),
            Dialect::Mlflow => serde_json::json!({"error_code": mlflow_code(status), "message": self.detail}),
        };
        let mut response = HttpResponse::build(status);
        for (name, value) in &self.headers {
            response.insert_header((*name, value.as_str()));
        }
        response.insert_header((header::CONTENT_TYPE, "application/json")).body(body.to_string())
    }
}

/// MLflow's name for a status.
fn mlflow_code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "RESOURCE_DOES_NOT_EXIST",
        429 => "REQUEST_LIMIT_EXCEEDED",
        503 => "TEMPORARILY_UNAVAILABLE",
        500.. => "INTERNAL_ERROR",
        _ => "BAD_REQUEST",
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status, self.title, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        for (name, value) in &self.headers {
            response.insert_header((*name, value.as_str()));
        }
        response.insert_header((header::CONTENT_TYPE, PROBLEM)).body(self.body())
    }
}

impl From<Faults> for Problem {
    fn from(faults: Faults) -> Self {
        let mut problem = Self::new(Code::InvalidRequest, faults.to_string());
        problem.errors = faults.0;
        problem
    }
}

pub fn key_reused() -> Problem {
    let detail = "this Idempotency-Key was used before with another request; use a new key";
    Problem { code: Code::IdempotencyKeyReused, ..Problem::invalid("", detail) }
}

pub async fn no_such_route(request: HttpRequest) -> HttpResponse {
    let problem = Problem::no_route(request.path());
    problem.in_dialect(Dialect::of(request.path()), problem.code.status())
}

/// Answers GET, and HEAD with the same headers and no body (RFC 9110, 9.3.2).
pub fn readable() -> actix_web::Route {
    actix_web::web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Answers 405 to methods that the resource does not have.
pub fn only(allow: &'static str) -> actix_web::Route {
    actix_web::web::to(move |request: HttpRequest| async move {
        let (method, path) = (request.method().as_str(), request.path());
        let (shown, at) = (brief(method, LONGEST_PATH), brief(path, LONGEST_PATH));
        let problem = Problem::new(Code::MethodNotAllowed, format!("{shown} is not allowed at {at}; allowed: {allow}"))
            .with_header("allow", allow.to_owned());
        problem.in_dialect(Dialect::of(path), problem.code.status())
    })
}
