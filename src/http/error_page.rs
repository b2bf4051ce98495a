//! A problem as a page.

use super::problem::Problem;
use super::static_files::{FILES, POLICY};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use askama::Template;
use provost_domain::visible;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    title: &'a str,
    detail: String,
    faults: Vec<String>,
    icon: &'a str,
    style: &'a str,
}

/// An answer of HTML that no cache keeps.
pub fn respond(status: StatusCode, html: String) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(html)
}

/// The problem for a person with a browser.
pub fn of(problem: &Problem) -> HttpResponse {
    let shown = |text: &str| visible::line(text).into_owned();
    let faults: Vec<String> = problem.errors.iter().map(|fault| shown(&fault.message)).collect();
    let page = ErrorPage {
        title: problem.title,
        detail: match faults.is_empty() {
            true => shown(&problem.detail),
            false => "What was sent cannot be taken:".to_owned(),
        },
        faults,
        icon: &FILES.icon.path,
        style: &FILES.style.path,
    };
    let mut response = respond(problem.status_code(), page.render().unwrap_or_else(|_| problem.to_string()));
    for (name, value) in &problem.headers {
        let pair = (header::HeaderName::from_bytes(name.as_bytes()), header::HeaderValue::from_str(value));
        if let (Ok(name), Ok(value)) = pair {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
