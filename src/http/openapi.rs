//! The OpenAPI 3.1 document, generated from the types and routes.

use super::locks::table::{Access, Found, find};
use super::{BASE, audit, data, evaluations, events, jobs, models, schedule, status};
use utoipa::OpenApi;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, Response, ResponseBuilder, Type};

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

/// The document: contract routes with the base path, the others as they are.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Contract::openapi();
    let routes: Vec<(String, PathItem)> = std::mem::take(&mut document.paths.paths).into_iter().collect();
    for (path, item) in routes {
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
        ("429", "Too many requests; `Retry-After` says when to try again".to_owned()),
    ] {
        operation.responses.responses.insert(status.to_owned(), problem(description, status == "429").into());
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_document_has_the_contracts_routes() {
        let document = serde_json::to_value(document()).expect("serialises");
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
        assert!(document["components"]["schemas"]["TrainingConfig"]["properties"]["test_size"].is_object());
    }
}
