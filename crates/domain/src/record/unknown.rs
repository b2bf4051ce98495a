//! Members of a data point's document that belong to no field. They are ignored when a point is read, and listed when a
//! file is read.

use super::shape::{SPECS, TEST_SPECS};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::sync::LazyLock;

/// An object of a data point.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Top,
    Profile,
    Program,
    Test,
}

/// The names of each part's members, in order.
static NAMES: LazyLock<[Vec<&'static str>; 4]> = LazyLock::new(|| {
    let below = |part: &'static str| {
        SPECS.iter().filter_map(|s| s.path.split_once('.')).filter(move |p| p.0 == part).map(|p| p.1)
    };
    let top = SPECS.iter().map(|s| s.path).filter(|path| !path.contains('.'));
    let tests = TEST_SPECS.iter().map(|s| s.path);
    let mut names = [top.collect(), below("profile").collect(), below("program").collect(), tests.collect::<Vec<_>>()];
    names.iter_mut().for_each(|names: &mut Vec<&str>| names.sort_unstable());
    names
});

/// What to look for in a member's value.
enum Within {
    Nothing,
    Part(Part),
    Tests,
}

impl Part {
    fn prefix(self) -> &'static str {
        match self {
            Self::Top => "",
            Self::Profile => "profile.",
            Self::Program => "program.",
            Self::Test => "profile.test_scores.",
        }
    }

    /// What to look for in the value of this member; None if no field has this name.
    fn member(self, name: &str) -> Option<Within> {
        match (self, name) {
            (Self::Top, "profile") => Some(Within::Part(Self::Profile)),
            (Self::Top, "program") => Some(Within::Part(Self::Program)),
            (Self::Profile, "test_scores") => Some(Within::Tests),
            (Self::Top, "attributes") => Some(Within::Nothing),
            _ => NAMES[self as usize].binary_search(&name).ok().map(|_| Within::Nothing),
        }
    }
}

/// Calls `each` with the dotted path of each member that is not a field. If the text is not a JSON object, only the
/// members before the error are passed on. Paths of tests have no index: `profile.test_scores.verbal`.
pub fn unknown_members(json: &[u8], each: &mut dyn FnMut(&str)) {
    let mut reader = serde_json::Deserializer::from_slice(json);
    // The code that reads the point reports what is wrong with a broken document.
    let _ = Walk { at: Within::Part(Part::Top), each }.deserialize(&mut reader);
}

struct Walk<'e> {
    at: Within,
    each: &'e mut dyn FnMut(&str),
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        match self.at {
            Within::Nothing => reader.deserialize_ignored_any(IgnoredAny).map(drop),
            Within::Part(_) | Within::Tests => reader.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let part = if let Within::Part(part) = self.at { part } else { Part::Test };
        while let Some(at) = members.next_key_seed(Name { part, each: &mut *self.each })? {
            members.next_value_seed(Walk { at, each: &mut *self.each })?;
        }
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let tests = matches!(self.at, Within::Tests);
        let at = || if tests { Within::Part(Part::Test) } else { Within::Nothing };
        while items.next_element_seed(Walk { at: at(), each: &mut *self.each })?.is_some() {}
        Ok(())
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

struct Name<'e> {
    part: Part,
    each: &'e mut dyn FnMut(&str),
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Within;
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Within, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Within;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }
    fn visit_str<E: Error>(self, name: &str) -> Result<Within, E> {
        Ok(self.part.member(name).unwrap_or_else(|| {
            (self.each)(&format!("{}{name}", self.part.prefix()));
            Within::Nothing
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(json: &str) -> Vec<String> {
        let mut found = Vec::new();
        unknown_members(json.as_bytes(), &mut |path| found.push(path.to_owned()));
        found
    }

    #[test]
    fn members_that_are_no_fields_are_found_in_each_part() {
        let json = r#"{"_id": {"$oid": "1"}, "data_point_id": "a", "gpa": 3, "profile": {"gpa": {"$numberDouble": "3"}, "gpaa": [1, {}],
            "test_scores": [{"test_type": "gre", "verbal": 1}, 7, {"quant": 2}]}, "program": {"decision": "x"}, "decision": "accepted"}"#;
        assert_eq!(
            unknown(json),
            [
                "_id",
                "gpa",
                "profile.gpaa",
                "profile.test_scores.verbal",
                "profile.test_scores.quant",
                "program.decision"
            ]
        );
    }

    #[test]
    fn every_field_is_known_and_what_is_no_object_has_no_members() {
        for spec in &SPECS {
            let json = match spec.path.split_once('.') {
                Some((part, name)) => format!("{{\"{part}\": {{\"{name}\": [1]}}}}"),
                None => format!("{{\"{}\": {{\"x\": 1}}}}", spec.path),
            };
            assert!(unknown(&json).is_empty(), "{json}");
        }
        for json in ["[{\"x\": 1}]", "7", "null", "\"x\"", "{\"profile\": 7}", "{\"profile\": [{\"x\": 1}]}", ""] {
            assert!(unknown(json).is_empty(), "{json}");
        }
    }
}
