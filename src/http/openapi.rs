//! The OpenAPI 3.1 document, generated from the types and routes.

mod administration;
mod answers;
pub mod applications;
pub mod audits;
pub mod bounds;
mod examples;
mod lines;
mod needs;
mod parameters;
mod points;
mod predictions;
pub mod records;
mod stream;
#[cfg(test)]
mod tests;
mod watch;

use super::needs as need_routes;
use super::points as point_routes;
use super::{
    BASE, audit, card, data, drift, evaluations, events, export, fairness, jobs, keys, metrics, mlflow, models, oip,
    parked, predict, prediction_log, schedule, shadow, status,
};
use serde_json::Value;
use std::sync::OnceLock;
use utoipa::OpenApi;
use utoipa::openapi::Components;
use utoipa::openapi::path::PathItem;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Provost",
        description = "Trains, tunes, evaluates and versions the models that predict university admissions. \
            What arrives and is announced on RabbitMQ is in `/asyncapi.json`.",
    ),
    paths(
        jobs::train, jobs::read, jobs::list, jobs::cancel, events::stream,
        evaluations::evaluate, evaluations::results, evaluations::plot, evaluations::comparison_plot, fairness::read,
        models::list, models::read, card::read, models::activate, models::rollback, models::activations, models::decisions, models::compare,
        models::metrics, models::importance, export::export,
        predict::predict, prediction_log::list, prediction_log::read, shadow::read, shadow::replace, drift::drift, drift::window, drift::performance, data::report, data::check, point_routes::upload, point_routes::rejects, need_routes::list, need_routes::acknowledge, need_routes::snooze, schedule::triggers, schedule::read, schedule::replace, status::status, audit::list, keys::list, keys::create, keys::end,
        parked::list, parked::show, parked::send_again, parked::discard,
    ),
    tags(
        (name = "jobs", description = "Training jobs"),
        (name = "models", description = "Model versions and which one is active"),
        (name = "evaluations", description = "Metrics and plots on held-out rows"),
        (name = "data", description = "What the training data is worth"),
        (name = "schedule", description = "Retraining by itself"),
        (name = "predictions", description = "What the active model says of applications without an outcome"),
        (name = "inference", description = "The same for clients of the Open Inference Protocol and of MLflow"),
        (name = "watch", description = "What has changed since the active model was trained, and how good its predictions are"),
        (name = "needs", description = "What needs a person"),
        (name = "service", description = "State of the service"),
    )
)]
struct Contract;

#[derive(OpenApi)]
#[openapi(paths(
    status::live,
    status::ready,
    metrics::metrics,
    oip::server,
    oip::live,
    oip::ready,
    oip::metadata,
    oip::model_ready,
    oip::infer,
    mlflow::invocations,
    mlflow::ping,
    mlflow::version,
))]
struct Root;

/// The document as it is served.
pub fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| document().to_string())
}

/// Builds the document: contract routes with the base path and the others without, the limits on what clients send, and
/// an example of every body.
pub fn document() -> Value {
    // The types of the document are plain structs: they always serialise.
    let mut document = serde_json::to_value(generated()).unwrap_or_default();
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        stream::add_schemas(schemas);
        lines::add_schemas(schemas);
        bounds::add_to_schemas(schemas);
    }
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for item in paths.into_iter().flat_map(|paths| paths.values_mut()) {
        for operation in item.as_object_mut().into_iter().flat_map(|item| item.values_mut()) {
            bounds::add_to_parameters(operation);
            parameters::describe(operation);
            stream::describe(operation);
            lines::describe(operation);
            examples::add(operation);
        }
    }
    document
}

fn generated() -> utoipa::openapi::OpenApi {
    let mut document = Contract::openapi();
    let routes: Vec<(String, PathItem)> = std::mem::take(&mut document.paths.paths).into_iter().collect();
    for (path, mut item) in routes {
        for operation in [&mut item.post, &mut item.put, &mut item.delete].into_iter().flatten() {
            answers::add_common(operation, &path);
        }
        document.paths.paths.insert(format!("{BASE}{path}"), item);
    }
    document.merge(Root::openapi());
    answers::add_schemes(document.components.get_or_insert_with(Components::new));
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in answers::operations(item) {
            answers::lock(operation, method, path);
        }
    }
    document
}
