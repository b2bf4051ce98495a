//! The schemas of the document: of the types that are read and sent, and of the envelope.

use super::examples::PREFIX;
use crate::http::openapi::{applications, bounds};
use provost_domain::AdmissionDataPoint;
use provost_domain::event::outbound::{
    ActivatedAnnouncement, DeprecatedAnnouncement, DriftAnnouncement, JobAnnouncement, RegisteredAnnouncement,
    RejectedAnnouncement, Topic, UnitAnnouncement,
};
use provost_domain::event::{Cancellation, InboundType, MAX_KEY, PointBatch, Retraction, SPEC_VERSION, TriggerRequest};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// Name of the envelope's schema.
pub const ENVELOPE: &str = "CloudEvent";

pub fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// Schemas by name, each with all that it refers to.
#[derive(Default)]
pub struct Schemas(Map<String, Value>);

impl Schemas {
    /// Adds the schema of the data of an inbound event; returns the schema's name.
    pub fn inbound(&mut self, kind: InboundType) -> String {
        match kind {
            InboundType::Recorded | InboundType::Corrected => self.named::<AdmissionDataPoint>(),
            InboundType::Batch => self.named::<PointBatch>(),
            InboundType::Retracted => self.named::<Retraction>(),
            InboundType::Trigger => self.named::<TriggerRequest>(),
            InboundType::Cancel => self.named::<Cancellation>(),
        }
    }

    /// Adds the schema of the data of an announcement; returns the schema's name.
    pub fn outbound(&mut self, topic: Topic) -> String {
        match topic {
            Topic::JobQueued
            | Topic::JobStarted
            | Topic::JobProgress
            | Topic::JobCompleted
            | Topic::JobFailed
            | Topic::JobCancelled => self.named::<JobAnnouncement>(),
            Topic::ModelRegistered => self.named::<RegisteredAnnouncement>(),
            Topic::ModelActivated => self.named::<ActivatedAnnouncement>(),
            Topic::ModelRejected => self.named::<RejectedAnnouncement>(),
            Topic::ModelDeprecated => self.named::<DeprecatedAnnouncement>(),
            Topic::DriftDetected => self.named::<DriftAnnouncement>(),
            Topic::UnitOffered => self.named::<UnitAnnouncement>(),
        }
    }

    /// Adds the schema of a type; returns the schema's name.
    pub fn named<T: ToSchema>(&mut self) -> String {
        let mut found = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut found);
        for (name, schema) in found {
            // Schemas are plain structs: they always serialise.
            self.0.insert(name, serde_json::to_value(schema).unwrap_or_default());
        }
        T::name().into_owned()
    }

    pub fn finish(mut self) -> Map<String, Value> {
        applications::add_limits(&mut self.0, &AdmissionDataPoint::name());
        applications::add_application(&mut self.0);
        bounds::add_to_schemas(&mut self.0);
        self.0.insert(ENVELOPE.to_owned(), envelope());
        self.0
    }
}

/// Attributes that every event has.
fn attributes() -> Vec<(&'static str, Value)> {
    let key = |what: &str| json!({"type": "string", "minLength": 1, "maxLength": MAX_KEY, "description": what});
    vec![
        ("specversion", json!({"type": "string", "const": SPEC_VERSION})),
        ("id", key("Unique within the source. The same id again is the same event again")),
        ("source", key("Who says it, a URI reference")),
        ("type", key("What it says, with the major version of its data")),
        ("time", json!({"type": "string", "format": "date-time", "description": "When it happened (RFC 3339)"})),
    ]
}

fn envelope() -> Value {
    let mut properties: Map<String, Value> = attributes().into_iter().map(|(n, s)| (n.to_owned(), s)).collect();
    let mut required: Vec<String> = properties.keys().cloned().collect();
    required.push("data".to_owned());
    properties.insert("datacontenttype".to_owned(), json!({"type": "string", "const": "application/json"}));
    properties.insert("data".to_owned(), json!({"description": "By `type`"}));
    json!({
        "type": "object", "description": "CloudEvents 1.0 in structured mode. Further attributes are ignored.",
        "required": required, "properties": properties,
    })
}

/// The schema of the headers of an event that has its attributes in the headers.
pub fn headers(name: &str) -> Value {
    let mut properties: Map<String, Value> =
        attributes().into_iter().map(|(n, s)| (format!("{PREFIX}{n}"), s)).collect();
    properties.insert(format!("{PREFIX}type"), json!({"type": "string", "const": name}));
    let required: Vec<String> = properties.keys().cloned().collect();
    json!({"type": "object", "required": required, "properties": properties})
}
