//! Parts that operations share: the key or session that they need, the role, and the problems that follow from these.

use super::super::auth;
use super::super::auth::table::{Access, Found, find};
use super::super::problem::Dialect;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Components, ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type,
};

/// Name of the scheme: an API key in `Authorization`.
const KEY: &str = "key";
/// Name of the scheme: a browser's session cookie.
const SESSION: &str = "session";

const OF_KEY: &str = "An API key (`provost keys create`) of the operation's `x-required-role` or a higher one: client, viewer, operator, \
    admin. While there is none, and the service listens on loopback, all is open.";
const OF_SESSION: &str = "A browser's session, which begins at `/sign-in` with a key and has its role. Over https the cookie is \
    `__Host-provost_session`.";

/// Adds both security schemes.
pub fn add_schemes(components: &mut Components) {
    let key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(OF_KEY)).build();
    let session = ApiKey::Cookie(ApiKeyValue::with_description(auth::COOKIE, OF_SESSION));
    components.add_security_scheme(KEY, SecurityScheme::Http(key));
    components.add_security_scheme(SESSION, SecurityScheme::ApiKey(session));
}

pub fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("PUT", &mut item.put),
        ("POST", &mut item.post),
        ("DELETE", &mut item.delete),
        ("PATCH", &mut item.patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Adds the security requirement, the role and the answers that follow from them; marks public operations as open.
pub fn lock(operation: &mut Operation, method: &str, path: &str) {
    let Found::Row(row) = find(method, path) else { return };
    let described = operation.description.take().map(|text| format!("{text}\n\n")).unwrap_or_default();
    let Access::Role(role) = row.access else {
        operation.description = Some(format!("{described}Open to everybody."));
        operation.security = Some(Vec::new());
        return;
    };
    operation.description = Some(format!("{described}Needs the role `{role}` or a higher one."));
    let either = [KEY, SESSION].map(|scheme| SecurityRequirement::new(scheme, Vec::<String>::new()));
    operation.security = Some(either.into());
    operation.extensions = Some(ExtensionsBuilder::new().add("x-required-role", role.as_str()).build());
    for (status, description) in [
        ("401", "No key, or none that is valid".to_owned()),
        ("403", format!("The key's role is below `{role}`, or a page of another site asks")),
        ("421", "Asked without a key by a name that is not this service's (see the setting `http.hosts`)".to_owned()),
        ("429", "Too many requests; `Retry-After` says when to try again".to_owned()),
    ] {
        operation.responses.responses.insert(status.to_owned(), error(path, description, status == "429").into());
    }
    let busy = "Too much waits already, or the store is away; `Retry-After` says when to try again".to_owned();
    operation.responses.responses.entry("503".to_owned()).or_insert(error(path, busy, true).into());
}

/// Adds the error answers of every operation that reads a body or an `Idempotency-Key`.
pub fn add_common(operation: &mut Operation, path: &str) {
    let keyed = operation
        .parameters
        .iter()
        .flatten()
        .any(|p| matches!(p, RefOr::T(parameter) if parameter.name == "Idempotency-Key"));
    if operation.request_body.is_none() && !keyed {
        return;
    }
    for (status, description) in [
        ("413", "Body over the limit"),
        ("415", "A body with a `Content-Encoding`"),
        ("422", "A bad body or `Idempotency-Key`"),
    ] {
        let response = error(path, description.to_owned(), false);
        operation.responses.responses.entry(status.to_owned()).or_insert(response.into());
    }
}

/// An error answer in the form of the protocol that has this path.
fn error(path: &str, description: String, wait: bool) -> Response {
    let response = match Dialect::of(path) {
        Dialect::Problem => {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            ResponseBuilder::new().description(description).content("application/problem+json", content)
        }
        Dialect::OpenInference | Dialect::Mlflow => {
            let content = ContentBuilder::new().schema(Some(ObjectBuilder::new().build())).build();
            ResponseBuilder::new().description(description).content("application/json", content)
        }
    };
    if !wait {
        return response.build();
    }
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
    response
        .header("Retry-After", HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds")).build())
        .build()
}
