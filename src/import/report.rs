//! The report of an import: counts of rows, and reasons for rejection.

use super::reading::FileReport;
use serde::Serialize;
use std::path::PathBuf;

/// The most reasons in a report.
pub const MOST_REASONS: usize = 5;

/// Counts of rows by outcome.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Data points found, rejected ones included.
    pub rows: u64,
    pub inserted: u64,
    pub unchanged: u64,
    pub superseded: u64,
    pub stale: u64,
    /// Rows with the id and `seq` of a stored point but other content: refused, and written to the rejects file.
    pub conflicts: u64,
    /// Rows that are not data points, written to the rejects file.
    pub rejected: u64,
    /// Rows that the mapping excludes; not counted in `rows`.
    pub left_out: u64,
    /// Cells that their column's pattern did not match; read as missing.
    pub unmatched: u64,
    /// Ambiguous numbers such as `3,125`, of whose two readings only one lies on the field's scale.
    pub by_scale: u64,
    /// Values outside every scale, kept as missing.
    pub outliers: u64,
}

/// A reason for rejection, and the number of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    pub reason: String,
    pub rows: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub counts: Counts,
    pub seconds: f64,
    pub rows_per_second: f64,
    pub files: Vec<FileReport>,
    /// The rejects file, if a row was rejected.
    pub rejects: Option<PathBuf>,
    /// The most frequent reasons for rejection, up to `MOST_REASONS`, with their numbers of rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

impl Report {
    pub fn broken(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|f| Some((f.file.as_str(), f.error.as_deref()?)))
    }
}
