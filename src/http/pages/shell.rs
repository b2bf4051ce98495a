//! The frame around every page: navigation, colours, who is signed in.

use super::super::auth;
use super::super::static_files::FILES;
use super::form::Form;
use super::{PageError, State, see};
use crate::http::problem::only;
use actix_web::http::header::{HeaderValue, SET_COOKIE};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use provost_domain::key::Role;
use std::sync::atomic::Ordering;

/// The cookie with the chosen colours. Without it, the pages have the colours of the system.
const THEME_COOKIE: &str = "provost_theme";
/// A year.
const THEME_SECONDS: u32 = 365 * 24 * 3600;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Overview,
    Jobs,
    Models,
    Predict,
    Data,
    Watch,
    System,
}

/// An entry of the navigation.
pub struct Entry {
    pub path: &'static str,
    pub name: &'static str,
    /// The path of an icon of 16 by 16.
    pub icon: &'static str,
    pub is_current: bool,
    /// How many things need a person there.
    pub needed: u64,
}

pub struct ThemeChoice {
    pub value: &'static str,
    pub name: &'static str,
    pub is_chosen: bool,
}

const THEMES: [(&str, &str); 3] = [("system", "Auto"), ("light", "Light"), ("dark", "Dark")];

pub struct Shell {
    /// The page's object and its state, without the service's name.
    pub title: String,
    section: Section,
    /// `light` or `dark`; None follows the system.
    pub theme: Option<&'static str>,
    pub is_signed_in: bool,
    pub may_operate: bool,
    pub may_administer: bool,
    /// The page's own path and query.
    pub here: String,
    /// The confirmation of what the form before has done.
    pub notice: Option<&'static str>,
    /// Whether something needs a person.
    pub is_needed: bool,
    /// How many things need a person.
    pub needed: u64,
}

impl Shell {
    pub fn of(request: &HttpRequest, section: Section, title: impl Into<String>) -> Self {
        let chosen = auth::cookie_of(request.headers(), THEME_COOKIE).unwrap_or_default();
        let state = request.app_data::<Data<State>>();
        let needed = state.map_or(0, |state| state.needed.load(Ordering::Relaxed));
        let done = request.query_string().split('&').find_map(|pair| pair.strip_prefix("done="));
        Self {
            title: title.into(),
            section,
            theme: THEMES.iter().skip(1).map(|(value, _)| *value).find(|value| *value == chosen),
            is_signed_in: auth::is_signed_in(request),
            may_operate: auth::may(request, Role::Operator),
            may_administer: auth::may(request, Role::Admin),
            here: request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            notice: done.and_then(notice),
            is_needed: needed > 0,
            needed,
        }
    }

    pub fn entries(&self) -> Vec<Entry> {
        let all = [
            (Section::Overview, "/", "Overview", "M2 2h5v5H2zM9 2h5v5H9zM2 9h5v5H2zM9 9h5v5H9z"),
            (Section::Jobs, "/jobs", "Jobs", "M2 4h12M2 8h8M2 12h10"),
            (Section::Models, "/models", "Models", "M8 1.500 14 5v6l-6 3.500L2 11V5zM2 5l6 3.500L14 5M8 8.500v6"),
            (
                Section::Predict,
                "/ask",
                "Predict",
                "M8 2.500a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11zM8 8l3-3M8 5v-.500",
            ),
            (
                Section::Data,
                "/data",
                "Data",
                "M2.500 4c0-3 11-3 11 0v8c0 3-11 3-11 0zM2.500 4c0 3 11 3 11 0M2.500 8c0 3 11 3 11 0",
            ),
            (
                Section::Watch,
                "/watch",
                "Watch",
                "M1.500 8c3-5.500 10-5.500 13 0-3 5.500-10 5.500-13 0zM8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
            ),
            (
                Section::System,
                "/system",
                "System",
                "M8 5.500a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5zM8 1v2M8 13v2M1 8h2M13 8h2M3 3l1.500 1.500M11.500 11.500 13 13M13 3l-1.500 1.500M4.500 11.500 3 13",
            ),
        ];
        let needed = |section| if section == Section::Overview { self.needed } else { 0 };
        all.map(|(section, path, name, icon)| Entry {
            path,
            name,
            icon,
            is_current: section == self.section,
            needed: needed(section),
        })
        .into()
    }

    pub fn themes(&self) -> Vec<ThemeChoice> {
        let chosen = self.theme.unwrap_or("system");
        THEMES.map(|(value, name)| ThemeChoice { value, name, is_chosen: value == chosen }).into()
    }

    pub fn icon(&self) -> &'static str {
        if self.is_needed { &FILES.icon_needs.path } else { &FILES.icon.path }
    }

    /// The icons that a live page shows by its state.
    pub fn icons(&self) -> (&'static str, &'static str) {
        (&FILES.icon.path, &FILES.icon_needs.path)
    }

    pub fn style(&self) -> &'static str {
        &FILES.style.path
    }

    pub fn script(&self) -> &'static str {
        &FILES.script.path
    }
}

/// The text for the word after `?done=`. No other text is ever shown.
fn notice(word: &str) -> Option<&'static str> {
    Some(match word {
        "queued" => "The training job is queued.",
        "stopping" => "The job is being stopped.",
        "keeping" => "The job is being stopped; its best finished trial is kept.",
        "activated" => "This model serves now. Roll back on its page if it should not.",
        "acknowledged" => "Acknowledged: it needs nobody any more.",
        "snoozed" => "Snoozed: it is shown again when this time is over.",
        "imported" => "The file is imported.",
        "revoked" => "The key is revoked; it stops working within two seconds.",
        "approved" => "Approved: this model serves now.",
        "declined" => "Declined: the serving model stays.",
        "shadowed" => "These models score every prediction from now on.",
        "scheduled" => "The schedule is in force.",
        "rolled-back" => "Rolled back: the model that served before serves again.",
        _ => return None,
    })
}

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/theme").route(web::post().to(choose)).default_service(only("POST")));
}

/// Whether a path is on this service, not on another host.
pub fn is_own(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && path.bytes().all(|byte| byte.is_ascii_graphic())
}

async fn choose(form: Form) -> Result<HttpResponse, PageError> {
    let chosen = form.get("theme").unwrap_or_default();
    let value = THEMES.iter().map(|(value, _)| *value).find(|value| *value == chosen).unwrap_or("system");
    let mut response = see(form.get("back").filter(|path| is_own(path)).unwrap_or("/"));
    let age = if value == "system" { 0 } else { THEME_SECONDS };
    let cookie = format!("{THEME_COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_back_to_pages_of_this_service_only() {
        for (path, own) in [
            ("/", true),
            ("/jobs?status=failed", true),
            ("//evil.example", false),
            ("https://evil.example", false),
            ("/\\evil.example", false),
            ("/a\r\nset-cookie: b", false),
            ("", false),
        ] {
            assert_eq!(is_own(path), own, "{path}");
        }
    }
}
