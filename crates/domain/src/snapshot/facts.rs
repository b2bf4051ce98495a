//! What a snapshot holds, in numbers: the data that a model was made of.

use super::Snapshot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How much of a feature a snapshot has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureFacts {
    /// The feature.
    pub feature: String,
    /// Rows that have it from data, not from a default.
    pub present: u64,
}

/// How many rows have each feature from data, as [`FeatureRow::is_present`](crate::features::FeatureRow::is_present) says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presence {
    rows: u64,
    features: [u64; u32::BITS as usize],
}

impl Presence {
    /// Takes a row. Bit i: the row has feature i, the twelve first, then the added ones.
    pub fn add(&mut self, present: u32) {
        self.rows += 1;
        for (at, count) in self.features.iter_mut().enumerate() {
            *count += u64::from(present >> at & 1);
        }
    }

    /// How many rows were taken.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many of them have the feature of this index.
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
    /// Rows that their source still has: those that `features` counts.
    pub rows_read: u64,
    /// In the snapshot's order.
    pub features: Vec<FeatureFacts>,
    /// What was found when it was taken.
    pub warnings: Vec<String>,
}

impl SnapshotFacts {
    /// Of a snapshot's rows; `columns` and `labels` may have moved out of it.
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
