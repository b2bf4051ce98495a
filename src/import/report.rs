//! What an import reports: counts of rows, and why rows were rejected.

use super::reading::FileReport;
use serde::Serialize;
use std::path::PathBuf;

/// Reasons that a report has.
pub const MOST_REASONS: usize = 5;

/// What became of the rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Data points found, rejected ones included.
    pub rows: u64,
    pub inserted: u64,
    pub unchanged: u64,
    pub superseded: u64,
    pub stale: u64,
    /// Same id and `seq` as a stored point, other content: refused, and in the rejects file.
    pub conflicts: u64,
    /// Rows that are no data points, in the rejects file.
    pub rejected: u64,
    /// Rows that the mapping leaves out; not among `rows`.
    pub left_out: u64,
    /// Cells that their column's pattern did not match: read as missing.
    pub unmatched: u64,
    /// Numbers such as `3,125` that have two readings, of which one is on the field's scale.
    pub by_scale: u64,
    /// Values off every scale, kept as missing.
    pub outliers: u64,
}

/// Why rows were rejected, and how many for this reason.
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
    /// Where the rejected rows are, if there are any.
    pub rejects: Option<PathBuf>,
    /// The most frequent reasons of rejected rows, up to `MOST_REASONS`, and how many rows had each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

impl Report {
    pub fn broken(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|f| Some((f.file.as_str(), f.error.as_deref()?)))
    }
}
