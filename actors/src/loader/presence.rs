//! Counts the rows that have each feature. Snapshots hold the values that models read, where a default stands for what is missing,
//! so the rows are read from their source.

use super::scan::Sink;
use crate::error::LoadError;
use actix::Message;
use provost_domain::features::{FEATURES, FeatureTables};
use provost_domain::mapping::Unread;
use provost_domain::snapshot::Presence;
use provost_domain::{AdmissionDataPoint, TrainingConfig};
use std::fmt::Display;

/// Requests how many of the rows have each feature, from the source that a configuration names. Points that have changed since the
/// snapshot count as they are now.
pub struct FeaturePresence {
    pub config: TrainingConfig,
    /// The rows' ids, ascending, as in a snapshot.
    pub rows: Vec<u128>,
    /// Whether the snapshot has the added columns.
    pub extended: bool,
}
impl Message for FeaturePresence {
    type Result = Result<Presence, LoadError>;
}

/// What the wanted rows have, collected in a pass over their source.
pub struct Collector {
    tables: FeatureTables,
    extended: bool,
    rows: Vec<u128>,
    /// For each row that was read, its `seq` and a bit for each feature that it has.
    read: Vec<Option<(u64, u32)>>,
}

impl Collector {
    pub fn new(tables: FeatureTables, rows: Vec<u128>, extended: bool) -> Self {
        Self { tables, extended, read: vec![None; rows.len()], rows }
    }

    pub fn finish(self) -> Presence {
        let mut presence = Presence::default();
        self.read.iter().flatten().for_each(|(_, present)| presence.add(*present));
        presence
    }
}

impl Sink for Collector {
    fn take(&mut self, point: &AdmissionDataPoint) {
        let Ok(place) = self.rows.binary_search(&point.row_id()) else { return };
        // As in a snapshot, the highest `seq` counts, the first among equals.
        if self.read[place].is_some_and(|(seq, _)| seq >= point.seq) {
            return;
        }
        let mut present = u32::from(self.tables.row(point).present);
        if self.extended {
            for (at, value) in (FEATURES.len()..).zip(self.tables.extended(point)) {
                present |= u32::from(!value.is_nan()) << at;
            }
        }
        self.read[place] = Some((point.seq, present));
    }

    fn reject(&mut self, _: u64, _: &dyn Display) {}

    fn unread(&mut self, _: &[Unread], _: u64) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_domain::features::EXTENDED;
    use provost_domain::quality::QualityAccumulator;
    use serde_json::{Value, json};

    fn point(id: &str, seq: u64, profile: &Value) -> AdmissionDataPoint {
        let document =
            json!({"data_point_id": id, "seq": seq, "profile": profile, "program": {}, "decision": "accepted"});
        AdmissionDataPoint::from_value(document).unwrap()
    }

    #[test]
    fn defaults_are_not_present_as_in_the_report_of_quality() {
        let tables = FeatureTables::default();
        let ranked = json!({"gpa": 3.5, "gpa_scale": 4.0, "undergraduate_university_ranking": 20});
        let points = [point("a", 0, &ranked), point("b", 0, &json!({})), point("c", 0, &json!({}))];
        let mut rows: Vec<u128> = points.iter().map(AdmissionDataPoint::row_id).collect();
        rows.sort_unstable();
        let mut quality = QualityAccumulator::new(&tables);
        let mut collector = Collector::new(tables.clone(), rows.clone(), false);
        for point in &points {
            quality.add(point, &tables.row(point));
            collector.take(point);
        }
        let presence = collector.finish();
        let config = TrainingConfig::from_json(&json!({})).unwrap();
        let report = quality.finish(&config, false, chrono::DateTime::UNIX_EPOCH);
        assert_eq!(presence.rows(), 3);
        for (at, name) in FEATURES.iter().enumerate() {
            let percent = 100.0 * presence.of(at) as f64 / 3.0;
            assert!((percent - report.feature_completeness[*name]).abs() < 1e-9, "{name}: {percent}");
        }
        let prestige = FEATURES.iter().position(|name| *name == "undergrad_prestige").unwrap();
        assert!(!tables.row(&points[1]).values[prestige].is_nan());
        assert_eq!(presence.of(prestige), 1);
    }

    #[test]
    fn the_newest_version_of_wanted_rows_counts() {
        let (with, without) = (json!({"gpa": 3.5, "gpa_scale": 4.0}), json!({}));
        let points = [point("a", 1, &with), point("a", 0, &without), point("z", 0, &with)];
        let mut collector = Collector::new(FeatureTables::default(), vec![points[0].row_id()], true);
        points.iter().for_each(|point| collector.take(point));
        let presence = collector.finish();
        assert_eq!((presence.rows(), presence.of(0)), (1, 1));
        let scale = FEATURES.len() + EXTENDED.iter().position(|name| *name == "gpa_scale").unwrap();
        let writing = FEATURES.len() + EXTENDED.iter().position(|name| *name == "gre_writing").unwrap();
        assert_eq!((presence.of(scale), presence.of(writing)), (1, 0));
    }
}
