//! One pass over a source: computes its quality, and its usable rows as a snapshot.

use super::source_key::SourceKey;
use provost_domain::config::FeatureSet;
use provost_domain::features::FeatureTables;
use provost_domain::mapping::{Unread, listed};
use provost_domain::quality::QualityAccumulator;
use provost_domain::snapshot::SnapshotBuilder;
use provost_domain::{AdmissionDataPoint, Snapshot};
use std::fmt::Display;

/// How many rejected rows are listed; the others are counted.
const TOLD: usize = 5;

/// The content of a source when it was read.
pub struct Scan {
    pub key: SourceKey,
    pub quality: QualityAccumulator,
    pub snapshot: Snapshot,
    /// Rows that are not data points.
    pub rejected: u64,
    /// The first of them, with the reason of each.
    pub told: Vec<String>,
    /// Columns that no field was read from, as text.
    unread: Option<String>,
}

impl Scan {
    /// What was left out, as text; empty if nothing was.
    pub fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        let more = if self.rejected > self.told.len() as u64 { "; …" } else { "" };
        let rejected = (self.rejected > 0)
            .then(|| format!("{} rows of {} were rejected: {}{more}", self.rejected, self.key, self.told.join("; ")));
        rejected
            .into_iter()
            .chain(self.unread.iter().map(|columns| format!("columns of {} that were not read: {columns}", self.key)))
    }
}

/// Receives the rows of a pass over a source.
pub trait Sink: Send + 'static {
    /// A data point.
    fn take(&mut self, point: &AdmissionDataPoint);
    /// Takes a row that is not a data point.
    fn reject(&mut self, row: u64, why: &dyn Display);
    /// Takes the columns of a file that no field was read from, and the number of further ones.
    fn unread(&mut self, columns: &[Unread], more: u64);
}

/// A pass in progress.
pub struct Scanner {
    tables: FeatureTables,
    verified_only: bool,
    features: FeatureSet,
    quality: QualityAccumulator,
    rows: SnapshotBuilder,
    rejected: u64,
    told: Vec<String>,
    unread: Option<String>,
}

impl Scanner {
    pub fn new(tables: FeatureTables, verified_only: bool, features: FeatureSet) -> Self {
        let quality = QualityAccumulator::new(&tables);
        Self {
            tables,
            verified_only,
            features,
            quality,
            rows: SnapshotBuilder::new(),
            rejected: 0,
            told: Vec::new(),
            unread: None,
        }
    }

    pub fn finish(self, key: SourceKey) -> Scan {
        let Self { quality, rows, rejected, told, unread, .. } = self;
        Scan { key, quality, snapshot: rows.finish(), rejected, told, unread }
    }
}

impl Sink for Scanner {
    fn take(&mut self, point: &AdmissionDataPoint) {
        if self.verified_only && !point.verified {
            return;
        }
        let features = self.tables.row(point);
        self.quality.add(point, &features);
        let extended = (self.features == FeatureSet::Extended).then(|| self.tables.extended(point));
        self.rows.add(point, &features, extended);
    }

    fn reject(&mut self, row: u64, why: &dyn Display) {
        self.rejected += 1;
        if self.told.len() < TOLD {
            self.told.push(format!("row {row}: {why}").chars().take(200).collect());
        }
    }

    fn unread(&mut self, columns: &[Unread], more: u64) {
        self.unread = (!columns.is_empty()).then(|| listed(columns, more));
    }
}
