//! A snapshot: the usable rows at one moment, as columns, with what splits and comparisons need. Immutable; named by the
//! SHA-256 of its encoded bytes.

use serde::{Deserialize, Serialize};

/// Rows are sorted by `row_ids`, so equal data gives an equal snapshot whatever order it arrived in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub feature_names: Vec<String>,
    /// One vector per feature, each `rows` long; NaN is missing.
    pub columns: Vec<Vec<f32>>,
    /// 0 or 1.
    pub labels: Vec<u8>,
    /// First 128 bits of SHA-256 of (`data_point_id`), to find a row again in another snapshot.
    pub row_ids: Vec<u128>,
    /// Stable hash of the applicant.
    pub applicants: Vec<u64>,
    /// Hash of university and program, for clustered tests.
    pub clusters: Vec<u64>,
    /// Application year; `i32::MIN` where unknown.
    pub years: Vec<i32>,
    pub warnings: Vec<String>,
}

impl Snapshot {
    pub fn rows(&self) -> usize {
        self.labels.len()
    }
}
