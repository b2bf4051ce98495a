//! Pages of lists: `limit`, `cursor` and the `Link` header.

use super::problem::Problem;
use super::{State, send};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LINK};
use actix_web::{HttpRequest, HttpResponse};
use provost_domain::check::brief;
use provost_domain::{Fault, Faults, limits};
use provost_store::{Page, StoreError};
use serde::Serialize;
use std::collections::BTreeMap;

/// A request's query parameters, read one by one so that every fault is named.
pub struct Query {
    given: BTreeMap<String, Vec<String>>,
    faults: Vec<Fault>,
}

impl Query {
    pub fn of(request: &HttpRequest) -> Self {
        let length = request.query_string().len();
        if length > limits::QUERY {
            let message = format!("the query has {length} bytes; at most {} are allowed", limits::QUERY);
            return Self { given: BTreeMap::new(), faults: vec![Fault { pointer: String::new(), message }] };
        }
        let pairs = actix_web::web::Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map(actix_web::web::Query::into_inner)
            .unwrap_or_default();
        let mut given = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in pairs {
            given.entry(name).or_default().push(value);
        }
        Self { given, faults: Vec::new() }
    }

    /// `parse` returns the value, or a description of what is allowed. A parameter without a value is a fault too,
    /// because `?keep_best` is ambiguous.
    pub fn read<T>(&mut self, name: &str, default: T, parse: impl FnOnce(&str) -> Result<T, String>) -> T {
        let message = match self.given.get(name).map(Vec::as_slice) {
            None | Some([]) => return default,
            Some([found]) => match parse(found) {
                Ok(value) => return value,
                Err(allowed) => format!("query parameter {name} = `{}`: {allowed}", brief(found, 80)),
            },
            Some(several) => format!("query parameter {name} is given {} times: once is allowed", several.len()),
        };
        self.faults.push(Fault { pointer: format!("/{name}"), message });
        default
    }

    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        self.read(name, default, |v| match v.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err("true or false is allowed".to_owned()),
        })
    }

    pub fn limit(&mut self) -> u32 {
        self.read("limit", 50, |v| match v.parse() {
            Ok(n) if (1..=limits::PAGE as u32).contains(&n) => Ok(n),
            _ => Err(format!("a whole number from 1 to {} is allowed", limits::PAGE)),
        })
    }

    /// The cursor at which the page begins; None for the first page.
    pub fn cursor(&mut self) -> Option<String> {
        let cursor = self.given.get("cursor").and_then(|c| c.last()).filter(|c| !c.is_empty()).cloned()?;
        if limits::fits(&cursor, limits::CURSOR) {
            return Some(cursor);
        }
        let message = format!(
            "query parameter cursor has {} characters; at most {} are allowed",
            cursor.chars().count(),
            limits::CURSOR
        );
        self.faults.push(Fault { pointer: "/cursor".to_owned(), message });
        None
    }

    /// Like `cursor`, for a list with other cursors, which `parse` reads.
    pub fn cursor_of<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let cursor = self.cursor()?;
        let parsed = parse(&cursor);
        if parsed.is_none() {
            let message = format!("query parameter cursor = `{}`: this list has no such cursor", brief(&cursor, 80));
            self.faults.push(Fault { pointer: "/cursor".to_owned(), message });
        }
        parsed
    }

    pub fn check(&mut self) -> Result<(), Problem> {
        if self.faults.is_empty() { Ok(()) } else { Err(Faults(std::mem::take(&mut self.faults)).into()) }
    }
}

/// The problem of a cursor that does not belong to the list.
pub fn cursor_fault(error: StoreError) -> Problem {
    match error {
        StoreError::Invalid(why) => Problem::invalid("/cursor", why),
        other => other.into(),
    }
}

/// Answers with the page's items as an array, and the next page as a `Link`.
pub async fn respond<T: Serialize + Send + 'static>(
    state: &State,
    request: &HttpRequest,
    page: Page<T>,
) -> Result<HttpResponse, Problem> {
    respond_with(state, request, page.items, page.next.as_deref()).await
}

/// Answers with a document that contains a page, and the next page as a `Link`.
pub async fn respond_with<T: Serialize + Send + 'static>(
    state: &State,
    request: &HttpRequest,
    document: T,
    next: Option<&str>,
) -> Result<HttpResponse, Problem> {
    let link = link(request, next);
    let mut response = send(state, StatusCode::OK, document).await?;
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

/// The `Link` to the page after this one; the other parameters stay.
fn link(request: &HttpRequest, next: Option<&str>) -> Option<String> {
    let next = next?;
    let kept = request
        .query_string()
        .split('&')
        .filter(|p| !p.is_empty() && !p.starts_with("cursor=") && *p != "cursor")
        .map(|p| format!("{p}&"))
        .collect::<String>();
    Some(format!("<{}?{kept}cursor={}>; rel=\"next\"", request.path(), encode(next)))
}

/// Percent-encodes all but unreserved characters (RFC 3986).
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => (b as char).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_next_page_keeps_the_other_parameters() {
        let request = TestRequest::with_uri("/jobs?limit=2&cursor=old&status=failed").to_http_request();
        let next = link(&request, Some("a b/c"));
        assert_eq!(next.as_deref(), Some("</jobs?limit=2&status=failed&cursor=a%20b%2Fc>; rel=\"next\""));
        assert_eq!(link(&request, None), None);
    }

    #[test]
    fn a_long_query_is_refused_unread_and_a_long_cursor_too() {
        let faults = |uri: &str| {
            let mut query = Query::of(&TestRequest::with_uri(uri).to_http_request());
            assert_eq!((query.limit(), query.cursor()), (50, None));
            query.check().map_err(|problem| (problem.status, problem.errors[0].pointer.clone()))
        };
        assert_eq!(faults("/x?cursor="), Ok(()));
        assert_eq!(faults(&format!("/x?a={}", "b".repeat(8190))), Ok(()));
        assert_eq!(faults(&format!("/x?a={}", "b".repeat(8191))), Err((422, String::new())));
        assert_eq!(faults(&format!("/x?cursor={}", "b".repeat(1001))), Err((422, "/cursor".to_owned())));
        let mut query = Query::of(&TestRequest::with_uri("/x?cursor=6a31").to_http_request());
        assert_eq!(query.cursor().as_deref(), Some("6a31"));
    }

    #[test]
    fn every_bad_parameter_is_named() {
        for uri in ["/x?limit=0&flag=perhaps", "/x?limit=&flag", "/x?limit=1&flag=on&limit=1&flag=on"] {
            let request = TestRequest::with_uri(uri).to_http_request();
            let mut query = Query::of(&request);
            assert_eq!((query.limit(), query.flag("flag", true)), (50, true));
            let problem = query.check().expect_err("two faults");
            assert_eq!(problem.status, 422);
            let pointers: Vec<_> = problem.errors.iter().map(|e| e.pointer.as_str()).collect();
            assert_eq!(pointers, ["/limit", "/flag"]);
        }
    }
}
