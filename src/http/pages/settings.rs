//! `/system/settings`: each setting, and where its value comes from. Settings are read when the service starts.

use super::shell::{Section, Shell};
use super::text::shown;
use super::{PageError, State, html};
use crate::http::problem::{only, readable};
use crate::settings::Source;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/system/settings").route(readable().to(page)).default_service(only("GET, HEAD")));
}

struct Setting {
    key: String,
    value: String,
    source: String,
    is_default: bool,
}

/// The settings of one section of the file.
struct Group {
    name: String,
    settings: Vec<Setting>,
}

#[derive(Template)]
#[template(path = "settings/page.html")]
struct Page {
    shell: Shell,
    groups: Vec<Group>,
    changed: usize,
    total: usize,
}

async fn page(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let mut groups: Vec<Group> = Vec::new();
    // Passwords were taken out when the settings were read.
    for (key, (value, source)) in state.settings.iter() {
        let section = key.split('.').next().unwrap_or_default();
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let setting = Setting {
            key: key.clone(),
            value: shown(&value),
            source: shown(&source.to_string()),
            is_default: *source == Source::Default,
        };
        match groups.last_mut() {
            Some(group) if group.name == section => group.settings.push(setting),
            _ => groups.push(Group { name: section.to_owned(), settings: vec![setting] }),
        }
    }
    let all = || groups.iter().flat_map(|group| &group.settings);
    let (total, changed) = (all().count(), all().filter(|setting| !setting.is_default).count());
    html(&Page { shell: Shell::of(&request, Section::System, "Settings"), groups, changed, total })
}
