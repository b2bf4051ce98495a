//! A trailing slash: `/jobs/` is the route `/jobs`, for every method. The request is rewritten before the access check and the router
//! see it, so that both see the same path, and no redirect loses a body.

use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;

/// The path without its trailing slash; None if there is none to remove. `//` is part of no route.
fn trimmed(path: &str) -> Option<&str> {
    let short = path.strip_suffix('/')?;
    (!short.is_empty() && !short.ends_with('/')).then_some(short)
}

/// Removes a trailing slash from the request's path; the query is kept.
pub fn trim(request: &mut ServiceRequest) {
    let uri = request.uri();
    let Some(path) = trimmed(uri.path()) else { return };
    let text = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    // A part of a valid address is a valid address; if not, the request is left unchanged.
    let Ok(rest) = PathAndQuery::try_from(text) else { return };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest);
    let Ok(uri) = Uri::from_parts(parts) else { return };
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn one_slash_is_taken_off_and_the_query_stays() {
        for (given, expected) in [
            ("/jobs/", "/jobs"),
            ("/jobs/?limit=2", "/jobs?limit=2"),
            ("/jobs/?", "/jobs?"),
            ("http://localhost/jobs/?a=/", "http://localhost/jobs?a=/"),
            ("/docs/", "/docs"),
            ("/docs/swagger-ui.css/", "/docs/swagger-ui.css"),
            ("/a%2F/", "/a%2F"),
            // Not routes, so left unchanged.
            ("/jobs//", "/jobs//"),
            ("//", "//"),
            ("//jobs", "//jobs"),
            ("/jobs%2F", "/jobs%2F"),
            // No slash to remove.
            ("/jobs?a=b/", "/jobs?a=b/"),
            ("/", "/"),
        ] {
            let mut request = TestRequest::with_uri(given).to_srv_request();
            trim(&mut request);
            assert_eq!(request.uri().to_string(), expected, "{given}");
            assert_eq!(request.match_info().get_ref().uri().to_string(), expected, "what the router sees of {given}");
        }
    }
}
