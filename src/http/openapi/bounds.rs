//! The limits on what clients and event publishers send, as keywords of the schemas that describe it.

use crate::{card, export};
use provost_domain::Algorithm;
use provost_domain::limits::*;
use serde_json::{Map, Value, json};

fn text(most: usize) -> Value {
    json!({"maxLength": most})
}

fn texts(items: usize, most: usize) -> Value {
    json!({"maxItems": items, "items": {"type": "string", "maxLength": most}})
}

/// Keywords by schema and property; without a property they apply to the schema itself.
fn of_properties() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("TrainingConfig", "data_path", text(DATA_PATH)),
        ("TrainingConfig", "version_tag", text(VERSION_TAG)),
        ("TrainingConfig", "notes", text(NOTES)),
        ("TrainingConfig", "algorithms", json!({"maxItems": Algorithm::ALL.len(), "uniqueItems": true})),
        ("TrainingConfig", "selected_features", texts(SELECTED_FEATURES, FEATURE_NAME)),
        ("TrainingConfig", "grids", grids()),
        ("ModelComparisonRequest", "model_ids", texts(MODEL_IDS, ID)),
        ("ModelComparisonRequest", "model_ids", json!({"minItems": 2, "uniqueItems": true})),
        ("ModelComparisonRequest", "metrics", json!({"minItems": 1, "maxItems": METRICS})),
        ("ActivateRequest", "model_id", text(ID)),
        ("ShadowRequest", "model_ids", texts(SHADOWS, ID)),
        ("ActivateRequest", "reason", text(REASON)),
        ("RollbackRequest", "reason", text(REASON)),
        ("AcknowledgeRequest", "reason", text(REASON)),
        ("SnoozeRequest", "reason", text(REASON)),
        ("KeyRequest", "name", json!({"minLength": 1, "maxLength": KEY_NAME})),
        ("ParkedRequest", "ids", texts(PARKED_IDS, EVENT_KEY)),
        ("ParkedRequest", "ids", json!({"minItems": 1})),
        ("ParkedRequest", "reason", json!({"minLength": 1, "maxLength": REASON})),
        ("UploadForm", "file", text(UPLOAD_BYTES)),
        ("UploadForm", "mapping", text(MAPPING_BYTES)),
        ("ScheduledTrainingConfig", "schedule_cron", text(SCHEDULE_CRON)),
        ("ScheduledTrainingConfig", "time_zone", text(TIME_ZONE)),
        ("ScheduledTrainingConfig", "notification_emails", texts(NOTIFICATION_EMAILS, EMAIL)),
        ("TriggerRequest", "reason", text(REASON)),
        ("PointBatch", "points", json!({"maxItems": EVENT_POINTS})),
        ("Retraction", "data_point_id", json!({"minLength": 1, "maxLength": POINT_ID})),
        ("JobId", "", text(ID)),
        ("ModelId", "", text(ID)),
    ]
}

const METRICS: usize = provost_domain::TargetMetric::ALL.len();

fn grids() -> Value {
    let names: Vec<&str> = Algorithm::BASE.iter().map(|algorithm| algorithm.as_str()).collect();
    let value = json!({"anyOf": [
        {"type": ["null", "boolean", "number"]},
        {"type": "string", "maxLength": GRID_TEXT},
        {"type": "array", "maxItems": GRID_LAYERS, "items": {"type": "number"}},
    ]});
    let values = json!({"type": "array", "minItems": 1, "maxItems": GRID_VALUES, "items": value});
    let grid = json!({
        "type": "object", "maxProperties": GRID_PARAMETERS, "propertyNames": {"maxLength": PARAMETER_NAME},
        "additionalProperties": values,
    });
    json!({
        "type": ["object", "null"], "maxProperties": names.len(), "propertyNames": {"enum": names},
        "additionalProperties": grid,
    })
}

/// Keywords of an operation's parameters by name.
fn of_parameter(name: &str, operation: &str) -> Option<Value> {
    match name {
        "job_id" | "model_id" | "file" | "name" | "prediction_id" | "need_id" | "upload_id" | "key_id"
        | "window_id" => Some(text(ID)),
        "file_name" => Some(text(FILE_NAME)),
        "cursor" => Some(text(CURSOR)),
        "format" if operation == "export_model" => {
            Some(json!({"enum": export::Format::ALL.map(export::Format::as_str)}))
        }
        "format" if operation == "import_points" => Some(json!({"enum": ["auto", "json", "csv"]})),
        "format" => Some(json!({"enum": card::Format::ALL.map(card::Format::as_str)})),
        "Idempotency-Key" => Some(json!({"minLength": 1, "maxLength": IDEMPOTENCY_KEY})),
        _ => None,
    }
}

fn extend(schema: &mut Value, keywords: Value) {
    if let (Value::Object(schema), Value::Object(keywords)) = (schema, keywords) {
        schema.extend(keywords);
    }
}

/// Adds the limits to the schemas that have them.
pub fn add_to_schemas(schemas: &mut Map<String, Value>) {
    for (schema, property, keywords) in of_properties() {
        let found = match (schemas.get_mut(schema), property) {
            (found, "") => found,
            (found, property) => found.and_then(|schema| schema.get_mut("properties")?.get_mut(property)),
        };
        if let Some(found) = found {
            extend(found, keywords);
        }
    }
}

/// Adds the limits to the parameters of one operation.
pub fn add_to_parameters(operation: &mut Value) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) else { return };
    for parameter in parameters {
        let keywords = parameter["name"].as_str().and_then(|name| of_parameter(name, &id));
        if let (Some(schema), Some(keywords)) = (parameter.get_mut("schema"), keywords) {
            extend(schema, keywords);
        }
    }
}

/// Pointers to the places in a schema that have no limit.
#[cfg(test)]
pub fn unlimited(schema: &Value, schemas: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/components/schemas/")) {
        return unlimited(&schemas[name], schemas, name, found);
    }
    for keyword in ["oneOf", "anyOf", "allOf"] {
        for (i, one) in schema[keyword].as_array().into_iter().flatten().enumerate() {
            unlimited(one, schemas, &format!("{at}/{keyword}/{i}"), found);
        }
    }
    let is = |kind: &str| schema["type"] == kind || schema["type"].as_array().is_some_and(|t| t.contains(&json!(kind)));
    let has = |keyword: &str| !schema[keyword].is_null();
    let of_one_length = schema["format"] == "date-time" || schema["format"] == "date";
    if is("string") && !["enum", "const", "maxLength"].into_iter().any(has) && !of_one_length {
        found.push(format!("{at}: a text without maxLength"));
    }
    if is("array") {
        if !has("maxItems") {
            found.push(format!("{at}: a list without maxItems"));
        }
        unlimited(&schema["items"], schemas, &format!("{at}/items"), found);
    }
    if is("object") {
        let properties = schema["properties"].as_object();
        let open = schema["additionalProperties"].is_object() || properties.is_none();
        if open && !(has("maxProperties") && has("propertyNames")) {
            found.push(format!("{at}: a map without maxProperties or propertyNames"));
        }
        if schema["additionalProperties"].is_object() {
            unlimited(&schema["additionalProperties"], schemas, &format!("{at}/*"), found);
        }
        for (name, property) in properties.into_iter().flatten() {
            unlimited(property, schemas, &format!("{at}/{name}"), found);
        }
    }
}
