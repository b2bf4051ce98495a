//! Chunks of text to data points.

use super::lines::{Chunk, Record};
use super::{Options, table};
use provost_domain::AdmissionDataPoint;
use provost_domain::features::FeatureTables;
use provost_domain::mapping::CsvPlan;

/// What one file's rows are read by.
pub struct Parser {
    shape: Shape,
    verified: bool,
    tables: FeatureTables,
}

enum Shape {
    Json,
    Table { plan: Box<CsvPlan>, delimiter: u8 },
}

/// A chunk's points, and what was wrong with the other rows.
pub struct Parsed {
    pub chunk: Chunk,
    pub points: Vec<AdmissionDataPoint>,
    /// For each point its place among the chunk's records.
    pub places: Vec<usize>,
    pub faults: Vec<(usize, String)>,
    /// Values off every scale.
    pub outliers: u64,
}

impl Parser {
    pub fn json(options: &Options, tables: &FeatureTables) -> Self {
        Self::new(options, tables, Shape::Json)
    }
    pub fn table(options: &Options, tables: &FeatureTables, plan: CsvPlan, delimiter: u8) -> Self {
        Self::new(options, tables, Shape::Table { plan: Box::new(plan), delimiter })
    }
    fn new(options: &Options, tables: &FeatureTables, shape: Shape) -> Self {
        Self { shape, verified: options.verified, tables: tables.clone() }
    }

    pub fn chunk(&self, mut chunk: Chunk) -> Parsed {
        let records = std::mem::take(&mut chunk.records);
        let mut points = Vec::with_capacity(records.len());
        let (mut places, mut faults, mut outliers) = (Vec::with_capacity(records.len()), Vec::new(), 0);
        for (place, record) in records.iter().enumerate() {
            match self.record(chunk.raw(record), record) {
                Ok(mut point) => {
                    point.verified |= self.verified;
                    outliers += u64::from(self.tables.row(&point).outliers);
                    points.push(point);
                    places.push(place);
                }
                Err(reason) => faults.push((place, reason)),
            }
        }
        chunk.records = records;
        Parsed { chunk, points, places, faults, outliers }
    }

    fn record(&self, raw: &[u8], record: &Record) -> Result<AdmissionDataPoint, String> {
        if let Some(fault) = &record.fault {
            return Err(fault.clone());
        }
        match &self.shape {
            Shape::Json => AdmissionDataPoint::from_json(raw),
            Shape::Table { plan, delimiter } => {
                let cells = table::fields(raw, *delimiter).ok_or("not one CSV row")?;
                let cells = csv::StringRecord::from_byte_record(cells)
                    .map_err(|e| format!("cell {} is not UTF-8", e.utf8_error().field() + 1))?;
                plan.point(record.line, cells.iter())
            }
        }
        .map_err(|faults| faults.to_string())
    }
}
