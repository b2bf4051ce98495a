//! The stable error codes: the member `code` of every problem, its HTTP status and its meaning. `docs/ERRORS.md` lists them.

use actix_web::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// Declares [`Code`] and the table of its statuses and meanings, so that no code is without either.
macro_rules! codes {
    ($($name:ident, $status:ident, $meaning:literal;)*) => {
        /// Names the cause of a problem. Clients may rely on it: a code keeps its meaning and its status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// In the order of their statuses.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// The HTTP status of every problem with this code.
            pub fn status(self) -> StatusCode {
                match self {
                    $(Code::$name => StatusCode::$status,)*
                }
            }

            /// One sentence, as `docs/ERRORS.md` has it.
            #[cfg(test)]
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Code::$name => $meaning,)*
                }
            }
        }
    };
}

codes! {
    BodyIncomplete, BAD_REQUEST, "The connection ended before the whole body was there.";
    DataQuality, BAD_REQUEST, "The training data fails its quality check; `issues` and `report` say why.";
    JobEnded, BAD_REQUEST, "The job is completed, failed or cancelled, so it cannot be cancelled.";
    KeyMissing, UNAUTHORIZED, "The request has no API key and no session.";
    KeyInvalid, UNAUTHORIZED, "The API key is unknown, expired or revoked.";
    SessionEnded, UNAUTHORIZED, "The browser's session has ended; sign in again.";
    RoleTooLow, FORBIDDEN, "The key's role is below the role that the operation needs.";
    ForeignOrigin, FORBIDDEN, "A page of another site sent the request.";
    RouteNotFound, NOT_FOUND, "No route has this path.";
    JobNotFound, NOT_FOUND, "No job has this id.";
    ModelNotFound, NOT_FOUND, "No model has this id.";
    PlotNotFound, NOT_FOUND, "No plot has this name.";
    PredictionNotFound, NOT_FOUND, "No prediction has this id.";
    NeedNotFound, NOT_FOUND, "No need has this id.";
    WindowNotFound, NOT_FOUND, "No watched window has this id.";
    UploadNotFound, NOT_FOUND, "No uploaded file has this id, or it is kept no more.";
    MessageNotFound, NOT_FOUND, "No message of this id is parked.";
    NotFound, NOT_FOUND, "Another record that the request names does not exist.";
    MethodNotAllowed, METHOD_NOT_ALLOWED, "The route does not take this method; `Allow` lists those that it takes.";
    BodyTimeout, REQUEST_TIMEOUT, "The body did not arrive in time.";
    Conflict, CONFLICT, "The record was changed by another request at the same time.";
    EvaluationRunning, CONFLICT, "The model's first evaluation is still running.";
    IdempotencyKeyInProgress, CONFLICT, "A request with this `Idempotency-Key` is still being answered.";
    NoArtifact, CONFLICT, "The model has no artifact in this service, so it cannot be loaded.";
    CannotServe, CONFLICT, "The model cannot answer predictions: its artifact is missing, damaged or of columns that no application has.";
    ExportTooLarge, CONFLICT, "The model's file would take more memory to make than is allowed; `artifact` has no such limit.";
    NoActiveModel, CONFLICT, "No model is active, so none answers predictions.";
    NoBus, CONFLICT, "The service has no bus: `bridge.url` is not set.";
    NoPreviousModel, CONFLICT, "No other model was active before, so there is none to go back to.";
    TriggerSettled, CONFLICT, "Another job was already made for this trigger.";
    BodyTooLarge, PAYLOAD_TOO_LARGE, "The body is longer than the route allows.";
    UnsupportedMediaType, UNSUPPORTED_MEDIA_TYPE, "The route does not read bodies of this type or encoding.";
    HostUnknown, MISDIRECTED_REQUEST, "The request calls the service by a name that is not its own.";
    InvalidRequest, UNPROCESSABLE_ENTITY, "The body or a parameter is not valid; `errors` names each fault by its pointer.";
    IdempotencyKeyReused, UNPROCESSABLE_ENTITY, "This `Idempotency-Key` was used before with another request.";
    NoReadableRow, UNPROCESSABLE_ENTITY, "No row of the prediction request could be read; `errors` names each fault.";
    TooManyRequests, TOO_MANY_REQUESTS, "The key or the address has sent too many requests.";
    TooManyStreams, TOO_MANY_REQUESTS, "The caller has as many streams of events or of predictions open as are allowed.";
    TooManyIdempotencyKeys, TOO_MANY_REQUESTS, "The caller has as many stored answers as are allowed.";
    Internal, INTERNAL_SERVER_ERROR, "A fault of the service; its log has the cause.";
    Busy, SERVICE_UNAVAILABLE, "Too much work of this kind waits already.";
    QueueFull, SERVICE_UNAVAILABLE, "The queue of training jobs is full.";
    ShuttingDown, SERVICE_UNAVAILABLE, "The service is shutting down.";
    Starting, SERVICE_UNAVAILABLE, "The service is still opening its store.";
    BusUnavailable, SERVICE_UNAVAILABLE, "The broker of the bus does not answer.";
    StoreUnavailable, SERVICE_UNAVAILABLE, "The store does not answer.";
    StorageFull, INSUFFICIENT_STORAGE, "The disk or the database has no room left.";
}

impl Code {
    /// Of a record that does not exist.
    pub fn not_found(what: &str) -> Self {
        match what {
            "job" => Code::JobNotFound,
            "model" => Code::ModelNotFound,
            "plot" => Code::PlotNotFound,
            "need" => Code::NeedNotFound,
            "window" => Code::WindowNotFound,
            _ => Code::NotFound,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn name(code: Code) -> String {
        serde_json::to_value(code).unwrap().as_str().unwrap().to_owned()
    }

    #[test]
    fn the_page_of_errors_has_every_code_with_its_status_and_meaning() {
        let page = include_str!("../../docs/ERRORS.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        let expected: Vec<String> = Code::ALL
            .iter()
            .map(|code| format!("| `{}` | {} | {} |", name(*code), code.status().as_u16(), code.meaning()))
            .collect();
        assert_eq!(rows, expected, "docs/ERRORS.md:\n{}", expected.join("\n"));
    }

    #[test]
    fn codes_stand_in_the_order_of_their_statuses() {
        assert!(Code::ALL.is_sorted_by_key(|code| code.status().as_u16()));
    }
}
