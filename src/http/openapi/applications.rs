//! Schemas of data points and of applications, with the limits that their reader has.

use provost_domain::{AdmissionDataPoint, record};
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

/// Name of the schema of an application: a data point without an outcome.
pub const APPLICATION: &str = "Application";
/// The members that are read of an application.
const READ: [&str; 6] =
    ["data_point_id", "profile", "program", "application_year", "application_cycle", "applicant_id"];
const DESCRIPTION: &str = "A data point without an outcome. Other members are ignored, null is as good as absent, and a number off its \
    scale counts as missing, of which a warning tells. A word that is not listed, a negative number and a text that is too long are \
    faults of this application, and of no other one.";

/// Adds the schema of applications and those that it refers to.
pub fn add_application(schemas: &mut Map<String, Value>) {
    let mut found = Vec::new();
    AdmissionDataPoint::schemas(&mut found);
    for (name, schema) in found {
        // Schemas are plain structs: they always serialise.
        schemas.entry(name).or_insert_with(|| serde_json::to_value(schema).unwrap_or_default());
    }
    let mut schema = serde_json::to_value(AdmissionDataPoint::schema()).unwrap_or_default();
    schema["description"] = json!(DESCRIPTION);
    schema["required"] = json!(["profile", "program"]);
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.retain(|name, _| READ.contains(&name.as_str()));
    }
    schema["properties"]["data_point_id"]["type"] = json!(["string", "null"]);
    schema["properties"]["data_point_id"]["description"] =
        json!("An outcome that arrives later with this id is joined to the prediction");
    schemas.insert(APPLICATION.to_owned(), schema);
    add_limits(schemas, APPLICATION);
}

/// Adds the limits of a data point's fields to the schema `owner` and to those that it refers to.
pub fn add_limits(schemas: &mut Map<String, Value>, owner: &str) {
    for (path, keywords) in record::keywords() {
        if let (Some(Value::Object(schema)), Value::Object(keywords)) = (field(schemas, owner, &path), keywords) {
            schema.extend(keywords);
        }
    }
}

/// The schema of a field of the schema `owner`, by its dotted path.
pub fn field<'s>(schemas: &'s mut Map<String, Value>, owner: &str, path: &str) -> Option<&'s mut Value> {
    let mut owner = owner.to_owned();
    let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
    for parent in parents.split('.').filter(|p| !p.is_empty()) {
        let schema = schemas.get(&owner)?.get("properties")?.get(parent)?;
        let refer = schema.get("$ref").or_else(|| schema.get("items")?.get("$ref"))?.as_str()?;
        owner = refer.strip_prefix("#/components/schemas/")?.to_owned();
    }
    schemas.get_mut(&owner)?.get_mut("properties")?.get_mut(name)
}
