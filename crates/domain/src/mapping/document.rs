//! Builds a data point's document from a row's cells.

use super::cell::Cell;
use super::tally::Tally;
use super::target::Target;
use crate::record::TestType;
use crate::record::shape::{SPECS, TEST_SPECS};
use serde_json::{Map, Value};

/// The JSON document of a point, as it grows cell by cell.
#[derive(Default)]
pub struct Document {
    top: Map<String, Value>,
    profile: Map<String, Value>,
    program: Map<String, Value>,
    tests: Vec<(TestType, Map<String, Value>)>,
    attributes: Map<String, Value>,
}

impl Document {
    pub fn take(&mut self, target: Target, cell: Cell, text: &str, tally: &mut Tally) {
        match cell {
            Cell::Value(value) => self.set(target, value),
            Cell::ByScale(value) => {
                tally.by_scale += 1;
                self.set(target, value);
            }
            Cell::Missing => {}
            Cell::Unmatched => tally.unmatched += u64::from(!text.is_empty()),
        }
    }

    pub fn set(&mut self, target: Target, value: Value) {
        match target {
            Target::Field(i) => {
                let path = SPECS[i].path;
                let (map, name) = match path.split_once('.') {
                    Some(("profile", name)) => (&mut self.profile, name),
                    Some((_, name)) => (&mut self.program, name),
                    None => (&mut self.top, path),
                };
                map.insert(name.to_owned(), value);
            }
            Target::Test(kind, i) => {
                let at = self.tests.iter().position(|(k, _)| *k == kind).unwrap_or_else(|| {
                    self.tests.push((kind, Map::from_iter([("test_type".to_owned(), Value::from(kind.as_str()))])));
                    self.tests.len() - 1
                });
                self.tests[at].1.insert(TEST_SPECS[i].path.to_owned(), value);
            }
        }
    }

    /// Sets an attribute for audits.
    pub fn attribute(&mut self, name: &str, value: Value) {
        self.attributes.insert(name.to_owned(), value);
    }

    pub fn finish(mut self, id_prefix: Option<&str>, row: u64) -> Value {
        if let Some(prefix) = id_prefix {
            let own = match self.top.get("data_point_id") {
                Some(Value::String(id)) => id.clone(),
                _ => row.to_string(),
            };
            self.top.insert("data_point_id".to_owned(), Value::from(format!("{prefix}{own}")));
        }
        let tests = self.tests.into_iter().map(|(_, t)| Value::Object(t)).collect::<Vec<_>>();
        self.profile.insert("test_scores".to_owned(), Value::Array(tests));
        if !self.attributes.is_empty() {
            self.top.insert("attributes".to_owned(), Value::Object(self.attributes));
        }
        self.top.insert("profile".to_owned(), Value::Object(self.profile));
        self.top.insert("program".to_owned(), Value::Object(self.program));
        Value::Object(self.top)
    }
}
