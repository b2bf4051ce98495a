//! The bodies of `POST /predict`: one application, many with options, and streams of NDJSON, as schemas.

use super::super::predict::StreamedAnswer;
use super::applications::{self, APPLICATION};
use provost_domain::limits;
use provost_predict::serving::{COVERAGES, DEFAULT_COVERAGE};
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

const NDJSON: &str = "application/x-ndjson";
/// Many applications with options, and either form of a body.
const MANY: &str = "PredictManyRequest";
const EITHER: &str = "PredictRequest";

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Adds the schemas of what is sent and of the lines of an answer.
pub fn add_schemas(schemas: &mut Map<String, Value>) {
    applications::add_application(schemas);
    let mut lines = vec![(StreamedAnswer::name(), StreamedAnswer::schema())]
        .into_iter()
        .map(|(name, schema)| (name.into_owned(), schema))
        .collect();
    StreamedAnswer::schemas(&mut lines);
    for (name, schema) in lines {
        // Schemas are plain structs: they always serialise.
        schemas.entry(name).or_insert_with(|| serde_json::to_value(schema).unwrap_or_default());
    }
    schemas.insert(MANY.to_owned(), many());
    let either = json!({
        "description": "One application, whose options stand in the query, or many with the options beside them",
        "oneOf": [reference(MANY), reference(APPLICATION)],
    });
    schemas.insert(EITHER.to_owned(), either);
}

fn many() -> Value {
    let (low, high) = COVERAGES;
    let explained = limits::PREDICT_ROWS_EXPLAINED;
    json!({
        "type": "object", "required": ["applications"], "additionalProperties": false,
        "properties": {
            "applications": {
                "type": "array", "minItems": 1, "maxItems": limits::PREDICT_ROWS, "items": reference(APPLICATION),
                "description": format!("At most {explained} with `explain`, `similar` or `counterfactual`"),
            },
            "model_id": {
                "type": ["string", "null"], "maxLength": limits::ID, "description": "Another model than the active one",
            },
            "explain": {"type": "boolean", "default": false, "description": "Adds the contribution of each feature"},
            "similar": {
                "type": "integer", "minimum": 0, "maximum": limits::SIMILAR, "default": 0,
                "description": "The number of nearest training rows of each outcome that are added",
            },
            "counterfactual": {
                "type": "boolean", "default": false, "description": "Adds the smallest change that turns a rejection",
            },
            "coverage": {
                "type": "number", "minimum": low, "maximum": high, "default": DEFAULT_COVERAGE,
                "description": "Coverage of `plausible_outcomes`",
            },
        },
    })
}

/// A text of lines, each of which conforms to the schema. It has no largest length, because it is a stream.
fn lines(schema: &str) -> Value {
    json!({"contentMediaType": NDJSON, "contentSchema": {"type": "array", "items": reference(schema)}})
}

/// Describes the bodies of an operation that predicts.
pub fn describe(operation: &mut Value) {
    if operation["operationId"] != "predict" {
        return;
    }
    let schemas = [
        ("/requestBody/content/application~1json", reference(EITHER)),
        ("/requestBody/content/application~1x-ndjson", lines(APPLICATION)),
        ("/responses/200/content/application~1x-ndjson", lines(&StreamedAnswer::name())),
    ];
    for (pointer, schema) in schemas {
        if let Some(content) = operation.pointer_mut(pointer).and_then(Value::as_object_mut) {
            content.insert("schema".to_owned(), schema);
        }
    }
}
