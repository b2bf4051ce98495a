//! The schemas of a job's event stream: the events that a client parses from `text/event-stream`.

use super::super::events::frame;
use super::records;
use provost_domain::job::{JobEventKind, JobLogLine, JobProgress, JobStateChange, JobTrial};
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

const STREAM: &str = "text/event-stream";
/// One event, whatever its kind.
const EVENT: &str = "JobStreamEvent";

/// The schema of an event of this kind, and the name of that of its data.
fn of(kind: JobEventKind) -> (&'static str, String) {
    match kind {
        JobEventKind::State => ("JobStateEvent", JobStateChange::name().into_owned()),
        JobEventKind::Progress => ("JobProgressEvent", JobProgress::name().into_owned()),
        JobEventKind::Trial => ("JobTrialEvent", JobTrial::name().into_owned()),
        JobEventKind::Log => ("JobLogEvent", JobLogLine::name().into_owned()),
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn event(kind: JobEventKind, data: &str) -> Value {
    json!({
        "type": "object",
        "description": format!("A server-sent event of the kind `{kind}`"),
        "required": ["id", "event", "data"],
        "properties": {
            "id": {"type": "integer", "minimum": 1, "description": "Counts within the job; for `Last-Event-ID`"},
            "event": {"type": "string", "const": kind},
            "data": reference(data),
        },
    })
}

/// Adds the schemas of the events and of their data.
pub fn add_schemas(schemas: &mut Map<String, Value>) {
    let mut found = vec![
        (JobStateChange::name(), JobStateChange::schema()),
        (JobProgress::name(), JobProgress::schema()),
        (JobTrial::name(), JobTrial::schema()),
        (JobLogLine::name(), JobLogLine::schema()),
    ]
    .into_iter()
    .map(|(name, schema)| (name.into_owned(), schema))
    .collect();
    JobStateChange::schemas(&mut found);
    JobTrial::schemas(&mut found);
    for (name, schema) in found {
        // Schemas are plain structs: they always serialise.
        schemas.entry(name).or_insert_with(|| serde_json::to_value(schema).unwrap_or_default());
    }
    let mut all = Vec::new();
    for kind in JobEventKind::ALL {
        let (name, data) = of(*kind);
        schemas.insert(name.to_owned(), event(*kind, &data));
        all.push(reference(name));
    }
    let one = json!({"description": "One server-sent event of a job's stream, by its `event`", "oneOf": all});
    schemas.insert(EVENT.to_owned(), one);
}

/// Describes an operation's stream, if it answers one: a text that is a list of events.
pub fn describe(operation: &mut Value) {
    let answer = operation.pointer_mut("/responses/200/content/text~1event-stream").and_then(Value::as_object_mut);
    let Some(content) = answer else { return };
    let schema = json!({
        "type": "string",
        "contentMediaType": STREAM,
        "contentSchema": {"type": "array", "items": reference(EVENT)},
    });
    content.insert("schema".to_owned(), schema);
    let example: String = records::job_events().iter().map(frame).collect();
    content.insert("example".to_owned(), json!(example));
}
