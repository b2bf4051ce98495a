//! Figures of a snapshot: the data that a model was trained and tested on.

use super::Snapshot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// In how many rows of a snapshot a feature is present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureFacts {
    /// The feature.
    pub feature: String,
    /// Rows that have the feature from data, not from a default.
    pub present: u64,
}

/// How many rows have each feature from data, as [`FeatureRow::is_present`](crate::features::FeatureRow::is_present)
/// says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presence {
    rows: u64,
    features: [u64; u32::BITS as usize],
}

impl Presence {
    /// Adds a row. Bit i: feature i is present; the twelve features come first, then the extended ones.
    pub fn add(&mut self, present: u32) {
        self.rows += 1;
        for (at, count) in self.features.iter_mut().enumerate() {
            *count += u64::from(present >> at & 1);
        }
    }

    /// Number of rows that were added.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Number of rows that have the feature of this index.
    pub fn of(&self, feature: usize) -> u64 {
        self.features.get(feature).copied().unwrap_or(0)
    }
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
    /// Rows that are still in their source; `features` counts these.
    pub rows_read: u64,
    /// Presence of each feature, in the snapshot's order.
    pub features: Vec<FeatureFacts>,
    /// Warnings that were found when the snapshot was taken.
    pub warnings: Vec<String>,
}

impl SnapshotFacts {
    /// The figures of a snapshot with these labels. The snapshot's `columns` and `labels` are not read and may be
    /// empty.
    pub fn of(sha256: &str, snapshot: &Snapshot, labels: &[u8], test_rows: u64, presence: &Presence) -> Self {
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
            rows_read: presence.rows(),
            features: snapshot
                .feature_names
                .iter()
                .enumerate()
                .map(|(at, feature)| FeatureFacts { feature: feature.clone(), present: presence.of(at) })
                .collect(),
            warnings: snapshot.warnings.clone(),
        }
    }
}
