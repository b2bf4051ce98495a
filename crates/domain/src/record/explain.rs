//! The faults of a data point that could not be read.

use super::shape::{self, Kind, SPECS, Spec, TEST_SPECS};
use crate::check::{Fault, Faults, brief};
use crate::fields::{as_whole, did_you_mean, escaped, shown, spelling};
use crate::limits;
use serde_json::Value;

/// One fault of the document itself. The message is cut, because a parser may quote a long value in full.
pub(super) fn whole_document(message: &str) -> Faults {
    Faults(vec![Fault { pointer: String::new(), message: brief(message, 300).into_owned() }])
}

/// All faults of a document; `error` is the fast reader's reason, used when nothing better is found.
pub(super) fn faults(bytes: &[u8], error: &str) -> Faults {
    match serde_json::from_slice::<Value>(bytes) {
        Err(e) => whole_document(&format!("malformed JSON: {e}")),
        Ok(value) => {
            let found = value_faults(&value);
            if found.is_empty() { whole_document(error) } else { Faults(found) }
        }
    }
}

pub(super) fn value_faults(value: &Value) -> Vec<Fault> {
    let Value::Object(_) = value else {
        return whole_document(&format!("the document is {}; an object is expected", shown(value))).0;
    };
    let mut found = Vec::new();
    for part in ["profile", "program"] {
        match value.get(part) {
            Some(Value::Object(_)) => {}
            None => fault(&mut found, part, format!("`{part}` is missing; an object is expected")),
            Some(other) => fault(&mut found, part, format!("`{part}` is {}; an object is expected", shown(other))),
        }
    }
    for spec in &SPECS {
        let pointer = spec.path.replace('.', "/");
        check(spec, value.pointer(&format!("/{pointer}")), &pointer, &mut found);
    }
    tests(value.pointer("/profile/test_scores"), &mut found);
    attributes(value.get(ATTRIBUTES), &mut found);
    found
}

const ATTRIBUTES: &str = "attributes";

fn attributes(attributes: Option<&Value>, found: &mut Vec<Fault>) {
    let map = match attributes {
        None | Some(Value::Null) => return,
        Some(Value::Object(map)) => map,
        Some(other) => {
            let message = format!("`{ATTRIBUTES}` is {}; an object of names and texts is allowed", shown(other));
            return fault(found, ATTRIBUTES, message);
        }
    };
    if map.len() > limits::POINT_ATTRIBUTES {
        let (has, most) = (map.len(), limits::POINT_ATTRIBUTES);
        return fault(found, ATTRIBUTES, format!("`{ATTRIBUTES}` has {has} members; at most {most} are allowed"));
    }
    for (name, value) in map {
        let at = format!("{ATTRIBUTES}/{}", escaped(name));
        if !shape::is_attribute_name(name) {
            let allowed = shape::attribute_name_allowed();
            fault(found, &at, format!("an attribute is called `{}`; {allowed} is allowed", brief(name, 60)));
        } else if !value.as_str().is_some_and(shape::is_attribute_value) {
            let most = limits::ATTRIBUTE_VALUE;
            let name = brief(name, 60);
            let message = format!("`{name}` is {}; a string of at most {most} characters is allowed", shown(value));
            fault(found, &at, message);
        }
    }
}

fn tests(tests: Option<&Value>, found: &mut Vec<Fault>) {
    const AT: &str = "profile/test_scores";
    let list = match tests {
        None | Some(Value::Null) => return,
        Some(Value::Array(list)) => list,
        Some(other) => {
            return fault(found, AT, format!("`test_scores` is {}; a list of tests is allowed", shown(other)));
        }
    };
    if list.len() > shape::MAX_TESTS {
        let message = format!("`test_scores` has {} tests; at most {} are allowed", list.len(), shape::MAX_TESTS);
        return fault(found, AT, message);
    }
    for (i, test) in list.iter().enumerate() {
        if found.len() >= limits::FAULTS {
            return fault(found, AT, format!("`test_scores` may have more faults from its item {i} on"));
        }
        let at = format!("{AT}/{i}");
        if !test.is_object() {
            fault(found, &at, format!("`test_scores[{i}]` is {}; an object is expected", shown(test)));
            continue;
        }
        for spec in &TEST_SPECS {
            check(spec, test.get(spec.path), &format!("{at}/{}", spec.path), found);
        }
    }
}

fn fault(found: &mut Vec<Fault>, tail: &str, message: String) {
    let pointer = brief(&format!("/{tail}"), limits::POINTER).into_owned();
    found.push(Fault { pointer, message });
}

fn check(spec: &Spec, value: Option<&Value>, tail: &str, found: &mut Vec<Fault>) {
    let name = spec.path.rsplit('.').next().unwrap_or(spec.path);
    let value = match value {
        None if spec.required => {
            return fault(found, tail, format!("`{name}` is missing; {} is needed", allowed(spec.kind)));
        }
        None => return,
        Some(Value::Null) if !spec.required => return,
        Some(value) => value,
    };
    if !fits(spec.kind, value) {
        let hint = match (spec.kind, value) {
            (Kind::Word(words), Value::String(s)) => did_you_mean(s, words()),
            _ => String::new(),
        };
        fault(found, tail, format!("`{name}` is {}{hint}; {} is allowed", shown(value), allowed(spec.kind)));
    }
}

pub(crate) fn fits(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Id => value.as_str().is_some_and(shape::is_id),
        Kind::Text => value.as_str().is_some_and(shape::is_text),
        Kind::Number => value.as_f64().is_some_and(shape::is_number),
        Kind::Whole(high) => as_whole(value).is_some_and(|n| (0..=i128::from(high)).contains(&n)),
        Kind::Flag => value.is_boolean(),
        Kind::Date => value.as_str().is_some_and(|s| shape::date(s).is_some()),
        Kind::Time => value.as_str().is_some_and(|s| shape::time(s).is_some()),
        Kind::Word(words) => value.as_str().is_some_and(|s| words().contains(&s)),
    }
}

pub(crate) fn allowed(kind: Kind) -> String {
    match kind {
        Kind::Id => format!("a string of 1 to {} characters without control characters", shape::MAX_ID),
        Kind::Text => format!("a string of at most {} characters", shape::MAX_TEXT),
        Kind::Number => "a finite number of at least 0".to_owned(),
        Kind::Whole(high) => format!("a whole number from 0 to {high}{}", spelling(high.into())),
        Kind::Flag => "true or false".to_owned(),
        Kind::Date => shape::DATE.to_owned(),
        Kind::Time => shape::TIME.to_owned(),
        Kind::Word(words) => format!("one of {}", words().join(", ")),
    }
}
