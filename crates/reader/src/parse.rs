//! Chunks of text to data points.

use crate::lines::{Chunk, Record};
use crate::{Limits, extended, rows};
use provost_domain::AdmissionDataPoint;
use provost_domain::features::FeatureTables;
use provost_domain::mapping::{Plan, Tally};
use serde_json::Value;
use std::collections::BTreeMap;

/// What one file's rows are read by.
pub struct Parser {
    shape: Shape,
    verified: bool,
    tables: FeatureTables,
    limits: Limits,
}

pub enum Shape {
    /// Data points as JSON.
    Json,
    /// Any JSON objects, by a plan whose columns are these members.
    Objects {
        plan: Box<Plan>,
        names: Vec<String>,
    },
    Table {
        plan: Box<Plan>,
        delimiter: u8,
    },
}

/// A chunk's points, and what was wrong with the other rows.
pub struct Parsed {
    pub chunk: Chunk,
    pub points: Vec<AdmissionDataPoint>,
    /// For each point its place among the chunk's records.
    pub places: Vec<usize>,
    pub faults: Vec<(usize, String)>,
    pub tally: Tally,
    /// Values off every scale.
    pub outliers: u64,
}

impl Parser {
    pub(crate) fn new(shape: Shape, verified: bool, tables: &FeatureTables, limits: Limits) -> Self {
        Self { shape, verified, tables: tables.clone(), limits }
    }

    /// The points of a chunk. Of a faulty row the reason is kept.
    pub fn chunk(&self, mut chunk: Chunk) -> Parsed {
        let records = std::mem::take(&mut chunk.records);
        let (mut points, mut places) = (Vec::with_capacity(records.len()), Vec::with_capacity(records.len()));
        let (mut faults, mut tally, mut outliers) = (Vec::new(), Tally::default(), 0);
        for (place, record) in records.iter().enumerate() {
            match self.record(chunk.raw(record), record, &mut tally) {
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
        Parsed { chunk, points, places, faults, tally, outliers }
    }

    /// None: the mapping leaves the row out.
    fn record(&self, raw: &[u8], record: &Record, tally: &mut Tally) -> Result<Option<AdmissionDataPoint>, String> {
        if let Some(fault) = &record.fault {
            return Err(fault.clone());
        }
        match &self.shape {
            Shape::Json => extended::point(raw).map(Some),
            Shape::Objects { plan, names } => {
                let cells = members(raw)?;
                let cell = |i: usize| names.get(i).and_then(|name| cells.get(name)).map_or("", String::as_str);
                plan.row(record.number, names.len(), cell, tally)
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

/// The members of an object by their dotted paths, each as a CSV cell has it; null is an empty cell.
///
/// # Errors
/// If the text is no JSON object.
pub fn members(raw: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let value: Value = serde_json::from_slice(raw).map_err(|e| format!("malformed JSON: {e}"))?;
    if !value.is_object() {
        return Err("the row is no JSON object: an object is expected".to_owned());
    }
    let mut cells = BTreeMap::new();
    flatten(String::new(), extended::plain(value), &mut cells);
    Ok(cells)
}

fn flatten(path: String, value: Value, cells: &mut BTreeMap<String, String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(map) => map.into_iter().for_each(|(name, value)| flatten(below(&name), value, cells)),
        Value::Array(items) => {
            items.into_iter().enumerate().for_each(|(i, value)| flatten(below(&i.to_string()), value, cells));
        }
        Value::Null => {}
        Value::String(text) => {
            cells.insert(path, text);
        }
        other => {
            cells.insert(path, other.to_string());
        }
    }
}
