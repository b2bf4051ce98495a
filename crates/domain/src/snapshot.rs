//! A snapshot: the usable rows at one moment, as columns, with the keys that splits and comparisons need. It never
//! changes, and its name is the SHA-256 of its encoded bytes.

mod alarm;
mod facts;
#[cfg(test)]
mod tests;

pub use facts::{FeatureFacts, Presence, SnapshotFacts, YearFacts};

use crate::features::{CATEGORY_RULE, EXTENDED, FEATURES, FeatureRow, is_category, older_codes};
use crate::record::AdmissionDataPoint;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// The usable rows at one moment. They are sorted by `row_ids`, so that equal data gives an equal snapshot whatever
/// order it arrived in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Names of the columns.
    pub feature_names: Vec<String>,
    /// One vector per feature, each `rows` long; NaN is missing.
    pub columns: Vec<Vec<f32>>,
    /// Class label of each row: 1 is accepted, 0 is rejected.
    pub labels: Vec<u8>,
    /// First 128 bits of the SHA-256 of each row's `data_point_id`, by which a row is found in another snapshot.
    pub row_ids: Vec<u128>,
    /// Stable hash of each row's applicant.
    pub applicants: Vec<u64>,
    /// Hash of each row's university and program, for clustered tests.
    pub clusters: Vec<u64>,
    /// Application year of each row; `i32::MIN` where unknown.
    pub years: Vec<i32>,
    /// What readers should know of the data.
    pub warnings: Vec<String>,
    /// Version of the rule that turned names into codes (`CATEGORY_RULE`). In an artifact, the format's version states
    /// it.
    #[serde(skip, default = "todays_rule")]
    pub category_rule: u32,
    /// Codes of categories that differ under version 1 of the rule, for models that were trained under it. They are at
    /// the end of an artifact.
    #[serde(skip)]
    pub older_codes: Vec<OlderCode>,
    /// For each row, the day on which the outcomes of its cohort are final. Empty in a snapshot that was read back.
    #[serde(skip)]
    pub settled_on: Vec<Option<NaiveDate>>,
}

fn todays_rule() -> u32 {
    CATEGORY_RULE
}

/// The code of one cell of a snapshot under version 1 of the rule for categories.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OlderCode {
    /// Index of the row, from 0.
    pub row: u32,
    /// Index into the snapshot's columns.
    pub column: u32,
    /// The code; NaN is missing.
    pub code: f32,
}

impl Snapshot {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }
    /// Whether a column holds codes of categories.
    pub fn has_categories(&self) -> bool {
        self.feature_names.iter().any(|name| is_category(name))
    }
}

/// One usable row that is not in a snapshot yet.
#[derive(Debug, Clone)]
struct Row {
    id: u128,
    seq: u64,
    applicant: u64,
    cluster: u64,
    year: i32,
    label: u8,
    settled_on: Option<NaiveDate>,
    values: [f32; FEATURES.len()],
    extended: Option<Box<[f32; EXTENDED.len()]>>,
    older: Vec<(usize, f32)>,
    program: alarm::Program,
}

/// Collects usable rows in any order.
#[derive(Debug, Clone, Default)]
pub struct SnapshotBuilder {
    rows: Vec<Row>,
}

impl SnapshotBuilder {
    /// A snapshot without rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a point with its features, and returns whether the point is usable (accepted or rejected). The snapshot has
    /// the extended columns if every row has `extended` values.
    pub fn add(
        &mut self,
        point: &AdmissionDataPoint,
        features: &FeatureRow,
        extended: Option<[f32; EXTENDED.len()]>,
    ) -> bool {
        let Some(label) = point.decision.label() else { return false };
        self.rows.push(Row {
            id: point.row_id(),
            seq: point.seq,
            applicant: point.applicant_key(),
            cluster: point.cluster_key(),
            year: point.application_year.unwrap_or(i32::MIN),
            label,
            settled_on: point.settled_on(),
            values: features.values,
            older: if extended.is_some() { older_codes(point) } else { Vec::new() },
            extended: extended.map(Box::new),
            program: alarm::Program::of(point),
        });
        true
    }

    /// The snapshot, sorted by row id. Of several rows with one id, the one with the highest `seq` is kept; of equal
    /// ones, the one that was added first.
    pub fn finish(mut self) -> Snapshot {
        self.rows.sort_by(|a, b| a.id.cmp(&b.id).then(b.seq.cmp(&a.seq)));
        self.rows.dedup_by_key(|r| r.id);
        let rows = &self.rows;
        let mut feature_names = FEATURES.map(str::to_owned).to_vec();
        let mut columns: Vec<Vec<f32>> =
            (0..FEATURES.len()).map(|j| rows.iter().map(|r| r.values[j]).collect()).collect();
        let mut older = Vec::new();
        if !rows.is_empty() && rows.iter().all(|r| r.extended.is_some()) {
            let cell = |row: usize, (at, code): (usize, f32)| OlderCode {
                row: row as u32,
                column: (FEATURES.len() + at) as u32,
                code,
            };
            older = rows.iter().enumerate().flat_map(|(i, r)| r.older.iter().map(move |o| cell(i, *o))).collect();
            feature_names.extend(EXTENDED.map(str::to_owned));
            let column = |j: usize| rows.iter().filter_map(|r| r.extended.as_ref()).map(|e| e[j]).collect();
            columns.extend((0..EXTENDED.len()).map(column));
        }
        Snapshot {
            feature_names,
            columns,
            labels: rows.iter().map(|r| r.label).collect(),
            row_ids: rows.iter().map(|r| r.id).collect(),
            applicants: rows.iter().map(|r| r.applicant).collect(),
            clusters: rows.iter().map(|r| r.cluster).collect(),
            years: rows.iter().map(|r| r.year).collect(),
            warnings: alarm::warnings(rows),
            category_rule: CATEGORY_RULE,
            older_codes: older,
            settled_on: rows.iter().map(|r| r.settled_on).collect(),
        }
    }
}
