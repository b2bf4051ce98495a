//! What a snapshot holds, in numbers: the data that a model was made of.

use super::Snapshot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How much of a feature a snapshot has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureFacts {
    /// The feature.
    pub feature: String,
    /// Rows that have it.
    pub present: u64,
}

/// The rows of one application year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct YearFacts {
    /// The year.
    pub year: i32,
    /// Its rows.
    pub rows: u64,
    /// Accepted rows among them.
    pub accepted: u64,
}

/// The data that a model was trained and tested on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotFacts {
    /// SHA-256 of the snapshot's artifact.
    pub sha256: String,
    /// Rows with an outcome.
    pub rows: u64,
    /// Accepted rows among them.
    pub accepted: u64,
    /// Rows of the test part.
    pub test_rows: u64,
    /// Different applicants.
    pub applicants: u64,
    /// Different programs of universities.
    pub programs: u64,
    /// Years that are known, the earliest first.
    pub years: Vec<YearFacts>,
    /// Rows without a year.
    pub rows_without_year: u64,
    /// In the snapshot's order.
    pub features: Vec<FeatureFacts>,
    /// What was found when it was taken.
    pub warnings: Vec<String>,
}

impl SnapshotFacts {
    /// Of a snapshot's rows; `columns` and `labels` may have moved out of it. `present` has the present cells of each feature.
    pub fn of(sha256: &str, snapshot: &Snapshot, labels: &[u8], test_rows: u64, present: &[u64]) -> Self {
        let mut years: Vec<YearFacts> = Vec::new();
        let mut known: Vec<(i32, u8)> =
            snapshot.years.iter().copied().zip(labels.iter().copied()).filter(|(y, _)| *y != i32::MIN).collect();
        known.sort_unstable();
        for of_year in known.chunk_by(|a, b| a.0 == b.0) {
            let accepted = of_year.iter().filter(|(_, label)| *label == 1).count() as u64;
            years.extend(of_year.first().map(|(year, _)| YearFacts {
                year: *year,
                rows: of_year.len() as u64,
                accepted,
            }));
        }
        let different = |keys: &[u64]| keys.iter().collect::<BTreeSet<_>>().len() as u64;
        Self {
            sha256: sha256.to_owned(),
            rows: labels.len() as u64,
            accepted: labels.iter().filter(|label| **label == 1).count() as u64,
            test_rows,
            applicants: different(&snapshot.applicants),
            programs: different(&snapshot.clusters),
            years,
            rows_without_year: (labels.len() - known.len()) as u64,
            features: snapshot
                .feature_names
                .iter()
                .zip(present)
                .map(|(feature, present)| FeatureFacts { feature: feature.clone(), present: *present })
                .collect(),
            warnings: snapshot.warnings.clone(),
        }
    }
}
