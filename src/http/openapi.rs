//! The OpenAPI 3.1 document, generated from the types and routes.

pub mod bounds;

use super::locks::table::{Access, Found, find};
use super::{BASE, audit, data, evaluations, events, jobs, models, schedule, status};
use serde_json::Value;
use std::sync::OnceLock;
use utoipa::OpenApi;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Provost",
        description = "Trains, tunes, evaluates and versions the models that predict university admissions. \
            What arrives and is announced on RabbitMQ is in `/asyncapi.json`.",
    ),
    paths(
        jobs::train, jobs::read, jobs::list, jobs::cancel, events::stream,
        evaluations::evaluate, evaluations::results, evaluations::plot, evaluations::comparison_plot,
        models::list, models::read, models::activate, models::rollback, models::activations, models::decisions, models::compare,
        models::metrics, models::importance,
        data::report, schedule::triggers, schedule::read, schedule::replace, status::status, audit::list,
    ),
    tags(
        (name = "jobs", description = "Training jobs"),
        (name = "models", description = "Model versions and which one is active"),
        (name = "evaluations", description = "Metrics and plots on held-out rows"),
        (name = "data", description = "What the training data is worth"),
        (name = "schedule", description = "Retraining by itself"),
        (name = "service", description = "State of the service"),
    )
)]
struct Contract;

#[derive(OpenApi)]
#[openapi(paths(status::live, status::ready))]
struct Root;

/// The document as it is served.
pub fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| document().to_string())
}

/// The document: contract routes with the base path, the others as they are, and the limits of what may be sent.
pub fn document() -> Value {
    // The types of the document are plain structs: they always serialise.
    let mut document = serde_json::to_value(generated()).unwrap_or_default();
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        bounds::add_to_schemas(schemas);
    }
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for item in paths.into_iter().flat_map(|paths| paths.values_mut()) {
        item.as_object_mut().into_iter().flat_map(|item| item.values_mut()).for_each(bounds::add_to_parameters);
    }
    document
}

fn generated() -> utoipa::openapi::OpenApi {
    let mut document = Contract::openapi();
    let routes: Vec<(String, PathItem)> = std::mem::take(&mut document.paths.paths).into_iter().collect();
    for (path, mut item) in routes {
        for operation in [&mut item.post, &mut item.put, &mut item.delete].into_iter().flatten() {
            add_common(operation);
        }
        document.paths.paths.insert(format!("{BASE}{path}"), item);
    }
    document.merge(Root::openapi());
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(KEY)).build();
    document.components.get_or_insert_with(Components::new).add_security_scheme("key", SecurityScheme::Http(scheme));
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            lock(operation, method, path);
        }
    }
    document
}

const KEY: &str =
    "An API key (`provost keys create`). While there is none, and the service listens on loopback, all is open.";

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("PUT", &mut item.put),
        ("POST", &mut item.post),
        ("DELETE", &mut item.delete),
        ("PATCH", &mut item.patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// What every route has in common that needs a key, and its role.
fn lock(operation: &mut Operation, method: &str, path: &str) {
    let Found::Row(row) = find(method, path) else { return };
    let Access::Role(role) = row.access else {
        operation.security = Some(Vec::new());
        return;
    };
    operation.security = Some(vec![SecurityRequirement::new("key", Vec::<String>::new())]);
    operation.extensions = Some(ExtensionsBuilder::new().add("x-role", role.as_str()).build());
    for (status, description) in [
        ("401", "No key, or none that is valid".to_owned()),
        ("403", format!("The key's role is below `{role}`, or a page of another site asks")),
        ("421", "Asked without a key by a name that is not this service's (see the setting `http.hosts`)".to_owned()),
        ("429", "Too many requests; `Retry-After` says when to try again".to_owned()),
    ] {
        operation.responses.responses.insert(status.to_owned(), problem(description, status == "429").into());
    }
    let busy = "Too much waits already, or the store is away; `Retry-After` says when to try again".to_owned();
    operation.responses.responses.entry("503".to_owned()).or_insert(problem(busy, true).into());
}

fn problem(description: String, wait: bool) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new().description(description).content("application/problem+json", content);
    if !wait {
        return response.build();
    }
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
    response
        .header("Retry-After", HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds")).build())
        .build()
}

/// What every route that reads a body or an `Idempotency-Key` may answer, unless the route says it itself.
fn add_common(operation: &mut Operation) {
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
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response =
            ResponseBuilder::new().description(description).content("application/problem+json", content).build();
        operation.responses.responses.entry(status.to_owned()).or_insert(response.into());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_document_has_the_contracts_routes() {
        let document = document();
        assert!(document["openapi"].as_str().is_some_and(|v| v.starts_with("3.1")));
        for (method, path) in [
            ("post", "/train"),
            ("get", "/jobs/{job_id}"),
            ("get", "/jobs"),
            ("delete", "/jobs/{job_id}"),
            ("post", "/evaluate/{model_id}"),
            ("get", "/evaluate/{model_id}/results"),
            ("get", "/models"),
            ("get", "/models/{model_id}"),
            ("post", "/activate/{model_id}"),
            ("post", "/compare"),
            ("get", "/metrics/{model_id}"),
            ("get", "/feature-importance/{model_id}"),
            ("post", "/data-quality"),
            ("get", "/status"),
        ] {
            assert!(document["paths"][format!("{BASE}{path}")][method].is_object(), "{method} {path}");
        }
        assert!(document["paths"]["/livez"]["get"].is_object());
        let paths = document["paths"].as_object().expect("paths");
        let operations = paths.values().flat_map(|p| p.as_object().expect("a path item").values());
        let ids: Vec<_> = operations.map(|o| o["operationId"].as_str().expect("an id")).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "operation ids are unique: {ids:?}");
        let config = &document["components"]["schemas"]["TrainingConfig"]["properties"];
        assert!(config["test_size"].is_object());
        // The whole range of the type is taken in, so the document must not say that it ends at 2^63.
        assert_eq!(config["random_state"]["format"], "uint64");
        let rollback = &document["paths"][format!("{BASE}/rollback")]["post"]["responses"];
        assert!(rollback["422"].is_object() && rollback["413"].is_object(), "{rollback}");
    }

    #[test]
    fn whatever_a_client_may_send_has_a_limit_in_the_document() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        let (mut found, mut bodies, mut parameters) = (Vec::new(), 0, 0);
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                for content in operation["requestBody"]["content"].as_object().into_iter().flat_map(|c| c.values()) {
                    bodies += 1;
                    bounds::unlimited(&content["schema"], schemas, &format!("{method} {path}"), &mut found);
                }
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    parameters += 1;
                    let at = format!("{method} {path} {}", parameter["name"]);
                    bounds::unlimited(&parameter["schema"], schemas, &at, &mut found);
                }
            }
        }
        assert!(found.is_empty(), "{}", found.join("\n"));
        assert!(bodies >= 5 && parameters > 20, "{bodies} bodies, {parameters} parameters");
        // The contract's own numbers.
        let of = |schema: &str, property: &str, keyword: &str| {
            schemas[schema]["properties"][property][keyword].as_u64().unwrap_or_else(|| panic!("{schema}.{property}"))
        };
        assert_eq!(of("TrainingConfig", "notes", "maxLength"), 10_000);
        assert_eq!(of("TrainingConfig", "version_tag", "maxLength"), 100);
        assert_eq!(of("ActivateRequest", "reason", "maxLength"), 1000);
        assert_eq!(of("ModelComparisonRequest", "model_ids", "maxItems"), 100);
    }

    #[test]
    fn a_missing_limit_is_found() {
        let schema = serde_json::json!({"type": "object", "properties": {
            "text": {"type": ["string", "null"]}, "list": {"type": "array", "items": {"type": "string", "maxLength": 1}},
            "map": {"type": "object", "additionalProperties": {"type": "integer"}}, "word": {"enum": ["a"], "type": "string"}}});
        let mut found = Vec::new();
        bounds::unlimited(&schema, &Value::Null, "", &mut found);
        assert_eq!(found.len(), 3, "{found:?}");
    }
}
