//! Request bodies: bounded while they arrive, then one JSON document.

use super::State;
use super::problem::Problem;
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Bytes, BytesMut, Data, Payload};
use futures_util::StreamExt;
use serde_json::Value;

/// The whole body, or 413 as soon as it is known to be too large, or 408 when it takes too long.
pub async fn read(request: &HttpRequest, payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than the {limit} bytes allowed"))
            .with_header("connection", "close".to_owned())
    };
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|n| n > limit as u64) {
        return Err(too_large());
    }
    let whole = collect(payload, limit, too_large);
    let Some(state) = request.app_data::<Data<State>>() else { return whole.await };
    tokio::select! {
        body = whole => body,
        () = state.handle.options().clock.sleep(state.body_timeout) => {
            let detail = format!("the body did not arrive within {:?}", state.body_timeout);
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail).with_header("connection", "close".to_owned()))
        }
    }
}

async fn collect(mut payload: Payload, limit: usize, too_large: impl Fn() -> Problem) -> Result<Bytes, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, format!("the body broke off: {e}")))?;
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Parses a body; what is no JSON is a fault of the document itself (pointer "").
pub fn json(body: &[u8]) -> Result<Value, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::invalid("", "the body is empty; a JSON object is needed"));
    }
    serde_json::from_slice(body).map_err(|e| Problem::invalid("", format!("the body is not JSON: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_domain::limits::JSON_DEPTH;

    #[test]
    fn a_deep_document_is_refused() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(json(nested(JSON_DEPTH).as_bytes()).is_ok());
        let refused = json(nested(JSON_DEPTH + 1).as_bytes());
        assert!(refused.is_err_and(|problem| problem.status == 422));
        assert!(json("[".repeat(1 << 20).as_bytes()).is_err());
    }
}
