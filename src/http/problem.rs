//! Errors as clients see them: `application/problem+json` (RFC 9457), and the one table from error to status.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError, guard};
use provost_actors::error::{CancelError, EvaluateError, LoadError, RegistryError, SubmitError, Unreachable};
use provost_actors::{Busy, WorkError};
use provost_domain::check::brief;
use provost_domain::quality::DataQualityReport;
use provost_domain::{Fault, Faults};
use provost_store::StoreError;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// The content type of a problem.
pub const PROBLEM: &str = "application/problem+json";

/// Characters of a path that an answer repeats.
pub const LONGEST_PATH: usize = 200;

/// RFC 9457; `detail` is always there. Further members depend on the problem: `errors` for a body that does not validate
/// (422), `error`, `issues`, `recommendations` and `report` for data that fails its quality check (400).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the status says it all.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub title: &'static str,
    pub status: u16,
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
    /// Of a path that is no route's.
    pub fn no_route(path: &str) -> Self {
        let detail = format!("there is nothing at {}; /docs lists the routes", brief(path, LONGEST_PATH));
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            more: Box::default(),
            headers: Vec::new(),
        }
    }

    /// As it is sent.
    pub fn body(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| r#"{"detail":"error"}"#.to_owned())
    }

    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no {what} {id}"))
    }

    pub fn invalid(pointer: &str, message: impl Into<String>) -> Self {
        Faults(vec![Fault { pointer: pointer.to_owned(), message: message.into() }]).into()
    }

    pub fn unavailable(detail: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with_header("retry-after", retry_after_seconds.to_string())
    }

    pub fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// An answer that has no JSON.
    pub fn unwritable(error: serde_json::Error) -> Self {
        Self::internal(&format!("the answer cannot be written: {error}"))
    }

    /// An error whose cause is ours: a corrupt artifact, a plot that cannot be drawn, a panic.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }

    /// Data that fails its quality check, with all that a client needs to mend it.
    fn quality(report: &DataQualityReport) -> Self {
        let mut problem = Self::new(
            StatusCode::BAD_REQUEST,
            format!("the data fails its quality check: {}", report.quality_issues.join("; ")),
        );
        problem.more.insert("error".to_owned(), json!("Data quality check failed"));
        problem.more.insert("issues".to_owned(), json!(report.quality_issues));
        problem.more.insert("recommendations".to_owned(), json!(report.recommendations));
        problem.more.insert("report".to_owned(), json!(report));
        problem
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
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, faults.to_string());
        problem.errors = faults.0;
        problem
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what, id } => Self::not_found(what, &id),
            StoreError::NoArtifact { .. } => {
                let mut problem = Self::new(StatusCode::CONFLICT, error.to_string());
                problem.more.insert("code".to_owned(), json!("no_artifact"));
                problem
            }
            StoreError::Conflict { .. } => Self::new(StatusCode::CONFLICT, error.to_string()),
            StoreError::Unavailable(_) | StoreError::Denied(_) => {
                tracing::debug!(%error, "request failed");
                Self::unavailable(error.for_callers(), 5)
            }
            StoreError::Full(_) => {
                tracing::warn!(%error, "request failed");
                Self::new(StatusCode::INSUFFICIENT_STORAGE, error.for_callers())
            }
            StoreError::Invalid(why) => Self::invalid("", why),
            _ => {
                tracing::error!(%error, "request failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.for_callers())
            }
        }
    }
}

impl From<Unreachable> for Problem {
    fn from(error: Unreachable) -> Self {
        Self::unavailable(error.to_string(), 1)
    }
}

impl From<Busy> for Problem {
    fn from(error: Busy) -> Self {
        Self::unavailable(error.to_string(), 1)
    }
}

impl From<WorkError> for Problem {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Busy(e) => e.into(),
            WorkError::Ended(_) => Self::internal(&error),
        }
    }
}

impl From<LoadError> for Problem {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Busy(e) => e.into(),
            LoadError::Data(why) => Self::invalid("/data_path", why),
            LoadError::Store(e) => e.into(),
            LoadError::Unreachable(e) => e.into(),
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Quality(report) => Self::quality(&report),
            SubmitError::QueueFull { .. } => {
                Self::unavailable("the queue of training jobs is full; try again later", 60)
            }
            SubmitError::Mismatch => key_reused(),
            SubmitError::Settled => Self::new(StatusCode::CONFLICT, error.to_string()),
            SubmitError::Data(why) => Self::invalid("/data_path", why),
            SubmitError::Config(faults) => faults.into(),
            SubmitError::Busy(e) => e.into(),
            SubmitError::ShuttingDown => Self::unavailable(error.to_string(), 10),
            SubmitError::Store(e) => e.into(),
            SubmitError::Unreachable(e) => e.into(),
        }
    }
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::NotFound(id) => Self::not_found("job", id.as_str()),
            CancelError::AlreadyFinal(_) => Self::new(StatusCode::BAD_REQUEST, error.to_string()),
            CancelError::Store(e) => e.into(),
            CancelError::Unreachable(e) => e.into(),
        }
    }
}

impl From<EvaluateError> for Problem {
    fn from(error: EvaluateError) -> Self {
        match error {
            EvaluateError::NotFound(id) => Self::not_found("model", id.as_str()),
            EvaluateError::Busy(e) => e.into(),
            EvaluateError::Load(e) => e.into(),
            EvaluateError::Store(e) => e.into(),
            EvaluateError::Unreachable(e) => e.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::NotFound(id) => Self::not_found("model", id.as_str()),
            RegistryError::Busy(e) => e.into(),
            // Nobody reads it.
            RegistryError::Abandoned => Self::unavailable(error.to_string(), 1),
            RegistryError::NothingBefore => Self::new(StatusCode::CONFLICT, error.to_string()),
            RegistryError::Invalid(why) => Self::invalid("", why),
            RegistryError::Store(e) => e.into(),
            RegistryError::Load(e) => e.into(),
            RegistryError::Unreachable(e) => e.into(),
            other => Self::internal(&other),
        }
    }
}

pub fn key_reused() -> Problem {
    Problem::invalid("", "this Idempotency-Key was used before with another request; use a new key")
}

pub async fn no_such_route(request: HttpRequest) -> Result<HttpResponse, Problem> {
    Err(Problem::no_route(request.path()))
}

/// Answers GET, and HEAD with the same headers and no body (RFC 9110, 9.3.2).
pub fn readable() -> actix_web::Route {
    actix_web::web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// The answer of a resource to a method that it does not have.
pub fn only(allow: &'static str) -> actix_web::Route {
    actix_web::web::to(move |request: HttpRequest| async move {
        Err::<HttpResponse, Problem>(
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!(
                    "{} is not allowed at {}; allowed: {allow}",
                    brief(request.method().as_str(), LONGEST_PATH),
                    brief(request.path(), LONGEST_PATH)
                ),
            )
            .with_header("allow", allow.to_owned()),
        )
    })
}
