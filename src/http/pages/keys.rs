//! `/system/keys`: API keys, created and revoked by forms. A key's text is shown once.

use super::curl;
use super::form::{Form, Wrong, fault_of};
use super::shell::{Section, Shell};
use super::text::{Mark, Moment, shown};
use super::{PageError, State, html, render, respond, see};
use crate::http::auth;
use crate::http::keys::{KeyRequest, end_key, make_key, wanted};
use crate::http::problem::{only, readable};
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, Utc};
use provost_domain::key::{ApiKey, Role};
use serde_json::{Map, Value, json};

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/system/keys")
                .route(readable().to(page))
                .route(web::post().to(create))
                .default_service(only("GET, HEAD, POST")),
        )
        .service(
            web::resource("/system/keys/{key_id}/revoke").route(web::post().to(end)).default_service(only("POST")),
        );
}

struct Row {
    id: String,
    name: String,
    role: &'static str,
    created: Moment,
    mark: Mark,
    is_valid: bool,
    until: String,
}

impl Row {
    fn of(key: &ApiKey, now: DateTime<Utc>) -> Self {
        let is_valid = key.is_valid(now);
        Self {
            id: key.id.clone(),
            name: key.name.as_deref().map(shown).unwrap_or_default(),
            role: key.role.as_str(),
            created: Moment::new(key.created_at, now),
            mark: if is_valid { Mark::VALID } else { Mark::ENDED },
            is_valid,
            until: key.ends_at().map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default(),
        }
    }
}

struct RoleChoice {
    value: &'static str,
    may: &'static str,
    is_chosen: bool,
}

/// What was entered for a new key.
#[derive(Default)]
struct Entered {
    role: Option<Role>,
    name: String,
    days: String,
}

#[derive(Template)]
#[template(path = "keys/page.html")]
struct Page {
    shell: Shell,
    curl: String,
    rows: Vec<Row>,
    roles: Vec<RoleChoice>,
    name: String,
    days: String,
    name_fault: Option<String>,
    days_fault: Option<String>,
    wrong: Vec<Wrong>,
    /// The text of a key that was just made.
    made: Option<String>,
    /// Whether no key is valid. The page can then be seen only if no key was ever created, and everybody on this
    /// machine has access.
    is_open: bool,
}

async fn show(
    state: &State,
    request: &HttpRequest,
    entered: Entered,
    wrong: Vec<Wrong>,
    made: Option<String>,
) -> Result<Page, PageError> {
    let now = state.handle.options().clock.now();
    let keys = state.handle.store().keys().await?;
    let is_open = !keys.iter().any(|key| key.is_valid(now));
    // The first key should let its owner make the others.
    let chosen = entered.role.unwrap_or(if is_open { Role::Admin } else { Role::Viewer });
    let may = |role| match role {
        Role::Client => "asks for predictions",
        Role::Viewer => "sees everything but the audit log and keys",
        Role::Operator => "also trains, activates, cancels, uploads",
        Role::Admin => "also changes schedule and keys, reads the audit log",
    };
    let roles =
        Role::ALL.iter().map(|role| RoleChoice { value: role.as_str(), may: may(*role), is_chosen: *role == chosen });
    Ok(Page {
        curl: curl::command(request, "POST", "/keys", Some(&json!({"role": chosen, "name": "NAME"}).to_string())),
        shell: Shell::of(request, Section::System, "Keys"),
        rows: keys.iter().rev().map(|key| Row::of(key, now)).collect(),
        roles: roles.collect(),
        name: entered.name,
        days: entered.days,
        name_fault: fault_of(&wrong, "name"),
        days_fault: fault_of(&wrong, "expires_in_days"),
        wrong,
        made,
        is_open,
    })
}

async fn page(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    html(&show(&state, &request, Entered::default(), Vec::new(), None).await?)
}

/// The form's fields as the body of `POST /keys`.
fn document(form: &Form) -> Value {
    let mut document = Map::new();
    document.insert("role".to_owned(), json!(form.get("role").unwrap_or_default()));
    if let Some(name) = form.get("name") {
        document.insert("name".to_owned(), json!(name.trim()));
    }
    if form.get("expires_in_days").is_some() {
        document.insert("expires_in_days".to_owned(), form.number("expires_in_days"));
    }
    Value::Object(document)
}

async fn create(state: Data<State>, request: HttpRequest, form: Form) -> Result<HttpResponse, PageError> {
    let asked: KeyRequest = match wanted(document(&form).to_string().as_bytes()) {
        Ok(asked) => asked,
        Err(problem) => {
            let entered = Entered {
                role: form.get("role").and_then(Role::parse),
                name: form.get("name").unwrap_or_default().to_owned(),
                days: form.get("expires_in_days").unwrap_or_default().to_owned(),
            };
            let wrong = problem.errors.iter().map(Wrong::of).collect();
            let page = show(&state, &request, entered, wrong, None).await?;
            return Ok(respond(StatusCode::UNPROCESSABLE_ENTITY, render(&page)?));
        }
    };
    let made = make_key(&state, &request, asked).await?;
    let page = show(&state, &request, Entered::default(), Vec::new(), Some(made.text.reveal().to_owned())).await?;
    let mut response = html(&page)?;
    auth::note(&mut response, "key", &made.key.id);
    Ok(response)
}

async fn end(state: Data<State>, request: HttpRequest, path: Path<String>) -> Result<HttpResponse, PageError> {
    end_key(&state, &request, &path).await?;
    Ok(see("/system/keys?done=revoked"))
}
