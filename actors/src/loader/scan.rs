//! One pass over a source: its quality, and its usable rows as a snapshot.

use super::source::Key;
use provost_domain::config::FeatureSet;
use provost_domain::features::FeatureTables;
use provost_domain::quality::QualityAccumulator;
use provost_domain::snapshot::SnapshotBuilder;
use provost_domain::{AdmissionDataPoint, Snapshot};

/// Rejected rows that are told one by one; the others are counted.
const TOLD: usize = 5;

/// What a source held when it was read.
pub struct Scan {
    pub key: Key,
    pub quality: QualityAccumulator,
    pub snapshot: Snapshot,
    rejected: u64,
    told: Vec<String>,
}

impl Scan {
    /// What was left out, in words; nothing if nothing was.
    pub fn rejects(&self) -> Option<String> {
        let more = if self.rejected > self.told.len() as u64 { ", …" } else { "" };
        (self.rejected > 0)
            .then(|| format!("{} rows of {} were rejected: {}{more}", self.rejected, self.key, self.told.join("; ")))
    }
}

/// A pass under way.
pub struct Scanner<'a> {
    tables: &'a FeatureTables,
    verified_only: bool,
    features: FeatureSet,
    quality: QualityAccumulator,
    rows: SnapshotBuilder,
    rejected: u64,
    told: Vec<String>,
}

impl<'a> Scanner<'a> {
    pub fn new(tables: &'a FeatureTables, verified_only: bool, features: FeatureSet) -> Self {
        let quality = QualityAccumulator::new(tables);
        Self { tables, verified_only, features, quality, rows: SnapshotBuilder::new(), rejected: 0, told: Vec::new() }
    }

    pub fn take(&mut self, point: &AdmissionDataPoint) {
        if self.verified_only && !point.verified {
            return;
        }
        let features = self.tables.row(point);
        self.quality.add(point, &features);
        let extended = (self.features == FeatureSet::Extended).then(|| self.tables.extended(point));
        self.rows.add(point, &features, extended);
    }

    pub fn reject(&mut self, row: u64, why: &dyn std::fmt::Display) {
        self.rejected += 1;
        if self.told.len() < TOLD {
            self.told.push(format!("row {row}: {why}").chars().take(200).collect());
        }
    }

    pub fn finish(self, key: Key) -> Scan {
        Scan { key, quality: self.quality, snapshot: self.rows.finish(), rejected: self.rejected, told: self.told }
    }
}
