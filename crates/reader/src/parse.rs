//! Parses chunks of text into data points.

use crate::lines::{Chunk, Record};
use crate::strays::Strays;
use crate::{Limits, extended, rows};
use provost_domain::AdmissionDataPoint;
use provost_domain::features::FeatureTables;
use provost_domain::mapping::{Plan, Tally};
use provost_domain::record::unknown_members;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

/// Parses the rows of one file.
pub struct Parser {
    shape: Shape,
    verified: bool,
    tables: FeatureTables,
    limits: Limits,
}

pub enum Shape {
    /// Each row is a data point as JSON.
    Json,
    /// Each row is a JSON object; the plan's columns are its members.
    Objects {
        plan: Box<Plan>,
        names: Vec<String>,
        /// The same names as a set, for look-up.
        known: HashSet<String>,
    },
    Table {
        plan: Box<Plan>,
        delimiter: u8,
    },
}

/// The points of a chunk, and the faults of its other rows.
pub struct Parsed {
    pub chunk: Chunk,
    pub points: Vec<AdmissionDataPoint>,
    /// For each point, its index among the chunk's records.
    pub places: Vec<usize>,
    pub faults: Vec<(usize, String)>,
    pub tally: Tally,
    /// Members that no field is read from and that the head of the file does not have.
    pub strays: Strays,
    /// Number of values outside their scale.
    pub outliers: u64,
}

impl Parser {
    pub(crate) fn new(shape: Shape, verified: bool, tables: &FeatureTables, limits: Limits) -> Self {
        Self { shape, verified, tables: tables.clone(), limits }
    }

    /// Parses a chunk. A faulty row is kept with its reason.
    pub fn chunk(&self, mut chunk: Chunk) -> Parsed {
        let records = std::mem::take(&mut chunk.records);
        let (mut points, mut places) = (Vec::with_capacity(records.len()), Vec::with_capacity(records.len()));
        let (mut faults, mut tally, mut outliers, mut strays) = (Vec::new(), Tally::default(), 0, Strays::default());
        for (place, record) in records.iter().enumerate() {
            match self.record(chunk.raw(record), record, &mut tally, &mut strays) {
                Ok(Some(mut point)) => {
                    point.verified |= self.verified;
                    outliers += u64::from(self.tables.row(&point).outliers);
                    points.push(point);
                    places.push(place);
                }
                Ok(None) => {}
                Err(reason) => faults.push((place, reason)),
            }
        }
        chunk.records = records;
        Parsed { chunk, points, places, faults, tally, strays, outliers }
    }

    /// Parses one record. None: the mapping excludes the row.
    fn record(
        &self,
        raw: &[u8],
        record: &Record,
        tally: &mut Tally,
        strays: &mut Strays,
    ) -> Result<Option<AdmissionDataPoint>, String> {
        if let Some(fault) = &record.fault {
            return Err(fault.clone());
        }
        // Where files were put one behind the other, the later ones' marks stand inside of the text.
        let raw = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
        match &self.shape {
            Shape::Json => {
                unknown_members(raw, &mut |path| strays.add(path));
                extended::point(raw).map(Some)
            }
            Shape::Objects { plan, names, known } => {
                let cells = members(raw, self.limits.row_bytes)?;
                let member = |i: usize| names.get(i).and_then(|name| cells.get(name));
                let cell = |i: usize| member(i).map_or(("", false), |m| (m.text.as_str(), m.is_number));
                let mut late = Vec::new();
                for (name, member) in cells.iter().filter(|(name, _)| !known.contains(*name)) {
                    match plan.late(name, &member.text, member.is_number) {
                        Some(member) => late.push(member),
                        None => strays.add(name),
                    }
                }
                plan.members(record.number, names.len(), cell, &late, tally)
            }
            Shape::Table { plan, delimiter } => {
                let cells = rows::fields(raw, *delimiter)?;
                let cells = csv::StringRecord::from_byte_record(cells)
                    .map_err(|e| format!("cell {} is not UTF-8", e.utf8_error().field() + 1))?;
                if let Some(at) = cells.iter().position(|cell| cell.len() > self.limits.cell_bytes) {
                    let most = self.limits.cell_bytes;
                    return Err(format!("cell {} is longer than {most} bytes (import.max_cell_bytes)", at + 1));
                }
                plan.row(record.number, cells.len(), |i| cells.get(i).unwrap_or_default(), tally)
            }
        }
        .map_err(|faults| faults.to_string())
    }
}

/// A member of a JSON object in the form of a CSV cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    pub text: String,
    /// The value is a JSON number: its decimal separator is a point, whatever separator the texts have.
    pub is_number: bool,
}

/// The paths of a row may together have this many times the bytes of the longest row.
const PATHS: usize = 8;

/// The members of an object by their dotted paths; null becomes an empty cell. `row_bytes` is the most bytes of a row.
///
/// # Errors
/// If the text is not a JSON object, or its paths are too long together.
pub fn members(raw: &[u8], row_bytes: usize) -> Result<BTreeMap<String, Member>, String> {
    let value: Value = serde_json::from_slice(raw).map_err(|e| format!("malformed JSON: {e}"))?;
    if !value.is_object() {
        return Err("the row is not a JSON object".to_owned());
    }
    let mut members = Members { found: BTreeMap::new(), left: row_bytes.saturating_mul(PATHS) };
    members.flatten(String::new(), extended::plain(value)).ok_or_else(|| {
        format!(
            "the paths of the row's members are longer than {PATHS} times {row_bytes} bytes together \
             (import.max_line_bytes)"
        )
    })?;
    Ok(members.found)
}

struct Members {
    found: BTreeMap<String, Member>,
    /// How many more bytes the paths may have.
    left: usize,
}

impl Members {
    /// Adds a value under its path. None: the paths are too long.
    fn flatten(&mut self, path: String, value: Value) -> Option<()> {
        match value {
            Value::Object(map) => map.into_iter().try_for_each(|(name, value)| self.below(&path, &name, value)),
            Value::Array(items) => {
                items.into_iter().enumerate().try_for_each(|(i, value)| self.below(&path, &i.to_string(), value))
            }
            Value::Null => Some(()),
            other => {
                let is_number = other.is_number();
                let text = if let Value::String(text) = other { text } else { other.to_string() };
                self.found.insert(path, Member { text, is_number });
                Some(())
            }
        }
    }

    fn below(&mut self, path: &str, name: &str, value: Value) -> Option<()> {
        self.left = self.left.checked_sub(path.len() + 1 + name.len())?;
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        self.flatten(path, value)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn members_have_their_paths_and_numbers_are_told_from_texts() {
        let found = members(br#"{"a": {"b": [1.5, "1,5", null]}, "c": true}"#, 1000).unwrap();
        let all: Vec<_> = found.iter().map(|(path, m)| (path.as_str(), m.text.as_str(), m.is_number)).collect();
        assert_eq!(all, [("a.b.0", "1.5", true), ("a.b.1", "1,5", false), ("c", "true", false)]);
    }

    #[test]
    fn paths_are_bounded_together() {
        let row = format!("{{\"{}\": [{}1]}}", "n".repeat(500), "1,".repeat(300));
        assert!(members(row.as_bytes(), 1 << 20).is_ok());
        assert!(members(row.as_bytes(), row.len()).unwrap_err().contains("8 times"));
    }
}
