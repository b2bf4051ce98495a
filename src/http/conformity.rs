//! Whether a value conforms to a schema; for the tests of both documents.
#![allow(clippy::unwrap_used)]

use regex::Regex;
use serde_json::{Value, json};

/// The schema that a reference names.
pub fn look_up<'d>(document: &'d Value, reference: &Value) -> &'d Value {
    let pointer = reference["$ref"].as_str().unwrap().strip_prefix('#').unwrap();
    document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} leads nowhere"))
}

/// The pointers at which a value does not conform to its schema; empty if it conforms.
pub fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    fit(document, schema, value, "", &mut faults);
    faults
}

/// The part of JSON Schema that the documents use; an unknown keyword fails.
fn fit(document: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let mut ok = true;
    for (keyword, wanted) in schema.as_object().unwrap() {
        let list = || wanted.as_array().unwrap();
        ok &= match keyword.as_str() {
            "description" | "default" | "format" | "title" | "examples" => true,
            // These keywords describe the content of a text, which is not checked.
            "contentMediaType" | "contentSchema" => true,
            "$ref" => {
                fit(document, look_up(document, schema), value, at, faults);
                true
            }
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|t| is(t.as_str().unwrap(), value)),
                one => is(one.as_str().unwrap(), value),
            },
            "const" => value == wanted,
            "enum" => list().contains(value),
            "minimum" => value.as_f64().is_none_or(|n| n >= wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|n| n <= wanted.as_f64().unwrap()),
            "minLength" => value.as_str().is_none_or(|s| s.chars().count() >= wanted.as_u64().unwrap() as usize),
            "maxLength" => value.as_str().is_none_or(|s| s.chars().count() <= wanted.as_u64().unwrap() as usize),
            "pattern" => value.as_str().is_none_or(|s| Regex::new(wanted.as_str().unwrap()).unwrap().is_match(s)),
            "minItems" => value.as_array().is_none_or(|l| l.len() >= wanted.as_u64().unwrap() as usize),
            "maxItems" => value.as_array().is_none_or(|l| l.len() <= wanted.as_u64().unwrap() as usize),
            "required" => {
                let missing = list().iter().map(|n| n.as_str().unwrap()).filter(|n| value.get(n).is_none());
                faults.extend(missing.map(|n| format!("{at}/{n}")));
                true
            }
            "properties" => {
                for (name, schema) in wanted.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        fit(document, schema, value, &format!("{at}/{name}"), faults);
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = |name: &str| schema["properties"].get(name).is_some();
                for (name, value) in value.as_object().into_iter().flatten().filter(|(name, _)| !known(name)) {
                    match wanted {
                        Value::Bool(allowed) => ok &= *allowed,
                        of_others => fit(document, of_others, value, &format!("{at}/{name}"), faults),
                    }
                }
                true
            }
            "maxProperties" => value.as_object().is_none_or(|o| o.len() <= wanted.as_u64().unwrap() as usize),
            "propertyNames" => value.as_object().is_none_or(|o| {
                let mut faults = Vec::new();
                o.keys().for_each(|name| fit(document, wanted, &json!(name), at, &mut faults));
                faults.is_empty()
            }),
            "uniqueItems" => value.as_array().is_none_or(|l| (1..l.len()).all(|i| !l[..i].contains(&l[i]))),
            "items" => {
                for (n, value) in value.as_array().into_iter().flatten().enumerate() {
                    fit(document, wanted, value, &format!("{at}/{n}"), faults);
                }
                true
            }
            "allOf" => {
                list().iter().for_each(|schema| fit(document, schema, value, at, faults));
                true
            }
            "oneOf" | "anyOf" => {
                let fits = list().iter().filter(|schema| {
                    let mut faults = Vec::new();
                    fit(document, schema, value, at, &mut faults);
                    faults.is_empty()
                });
                let count = fits.count();
                count == 1 || (keyword == "anyOf" && count > 1)
            }
            unknown => panic!("{at}: no check of {unknown}"),
        };
    }
    if !ok {
        faults.push(at.to_owned());
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|n| n.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    }
}
