//! The operator's pages: HTML rendered on the server, with the same `Handle` as the API. Each page is a module with its
//! template beside it; everything except live updates works without JavaScript.

mod activation;
mod ask;
mod chart;
mod compare;
mod curl;
mod data;
mod decisions;
mod difference;
mod facts;
mod form;
mod job;
mod jobs;
mod keys;
mod live;
mod messages;
mod model;
mod models;
mod needs;
mod overview;
mod predictions;
mod schedule;
mod settings;
mod shadow;
mod shell;
mod system;
mod text;
mod train;
mod upload;
mod watch;

use super::State;
use super::error_page::{self, respond};
use super::problem::Problem;
use actix_web::http::{StatusCode, header};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, ResponseError};
use askama::Template;
pub use live::Feeds;
use std::fmt;

pub fn routes(config: &mut ServiceConfig) {
    config
        .configure(overview::routes)
        .configure(needs::routes)
        .configure(jobs::routes)
        .configure(job::routes)
        .configure(train::routes)
        .configure(models::routes)
        .configure(model::routes)
        .configure(activation::routes)
        .configure(compare::routes)
        .configure(data::routes)
        .configure(watch::routes)
        .configure(upload::routes)
        .configure(ask::routes)
        .configure(decisions::routes)
        .configure(predictions::routes)
        .configure(shadow::routes)
        .configure(system::routes)
        .configure(schedule::routes)
        .configure(messages::routes)
        .configure(keys::routes)
        .configure(settings::routes)
        .configure(shell::routes);
}

/// A problem as a page.
#[derive(Debug)]
pub struct PageError(Problem);

impl<E: Into<Problem>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.0.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        error_page::of(&self.0)
    }
}

/// A template's text.
fn render(template: &impl Template) -> Result<String, PageError> {
    template.render().map_err(|error| PageError(Problem::internal(&error)))
}

fn html(template: &impl Template) -> Result<HttpResponse, PageError> {
    Ok(respond(StatusCode::OK, render(template)?))
}

/// The page with its form again if the form cannot be carried out: with 409 if what the form decides on has changed
/// since it was shown, with 422 if the reason is missing.
fn again(page: &impl Template, has_changed: bool, lacks_reason: bool) -> Result<Option<HttpResponse>, PageError> {
    let status = match (has_changed, lacks_reason) {
        (true, _) => StatusCode::CONFLICT,
        (false, true) => StatusCode::UNPROCESSABLE_ENTITY,
        (false, false) => return Ok(None),
    };
    Ok(Some(respond(status, render(page)?)))
}

/// Redirects to another page after a form had its effect.
fn see(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, path))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::http::code::Code;
    use actix_web::body::MessageBody;

    #[test]
    fn an_errors_page_shows_hidden_characters_and_obeys_no_markup() {
        let page = PageError(Problem::new(Code::RouteNotFound, "a\u{202e}b <b>\u{7}</b>")).error_response();
        let text = page.into_body().try_into_bytes().unwrap();
        let text = std::str::from_utf8(&text).unwrap();
        assert!(text.contains(r"a\u{202e}b") && text.contains(r"\u{7}"), "{text}");
        assert!(!text.contains('\u{202e}') && !text.contains("<b>"), "{text}");
    }
}
