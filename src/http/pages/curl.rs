//! A request of the API as a command line, for people to copy from a form.

use super::text::shown;
use crate::http::{BASE, auth};
use actix_web::HttpRequest;
use provost_domain::visible;

/// The body of a request that needs a reason.
pub const WITH_REASON: &str = r#"{"reason":"WHY"}"#;

/// The command for a request to `path`, below the API's base. `body` is JSON. `KEY` stands for the caller's own key.
pub fn command(request: &HttpRequest, method: &str, path: &str, body: Option<&str>) -> String {
    let data = body.map(|json| {
        let json = visible::json(json);
        format!(" -H 'content-type: application/json' -d '{}'", json.replace('\'', "'\\''"))
    });
    with(request, method, path, &data.unwrap_or_default())
}

/// The command that uploads a file.
pub fn upload(request: &HttpRequest, path: &str) -> String {
    with(request, "POST", path, " -F mapping=@MAPPING.toml -F file=@FILE")
}

fn with(request: &HttpRequest, method: &str, path: &str, data: &str) -> String {
    let (scheme, host) = auth::called(request);
    // The host becomes part of a command that somebody will run.
    let is_plain = |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-_[]".contains(&b));
    let host = host.filter(|host| !host.is_empty() && is_plain(host)).unwrap_or_else(|| "HOST".to_owned());
    shown(&format!("curl -X {method} '{scheme}://{host}{BASE}{path}' -H 'authorization: Bearer KEY'{data}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_command_is_quoted_and_names_the_host_of_the_request() {
        let request = TestRequest::default().insert_header(("host", "x;rm")).to_http_request();
        let told = command(&request, "PUT", "/schedule", Some(r#"{"a":"it's"}"#));
        assert_eq!(
            told,
            "curl -X PUT 'http://HOST/api/v1/model-training/schedule' -H 'authorization: Bearer KEY' \
             -H 'content-type: application/json' -d '{\"a\":\"it'\\''s\"}'"
        );
        let request = TestRequest::default()
            .insert_header(("host", "127.0.0.1:8000"))
            .insert_header(("x-forwarded-host", "evil.example"))
            .insert_header(("x-forwarded-proto", "https"))
            .to_http_request();
        assert!(upload(&request, "/points").contains("'http://127.0.0.1:8000/api/v1/model-training/points'"));
    }
}
