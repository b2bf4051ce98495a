//! The groups of held-out rows, for audits. Snapshots do not have them, so they are read from the source of the rows.

use super::scan::Sink;
use super::source_key::SourceKey;
use crate::error::LoadError;
use actix::Message;
use provost_domain::mapping::Unread;
use provost_domain::{AdmissionDataPoint, TrainingConfig};
use provost_learn::watch::fairness::AuditColumn;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

/// Requests the audit attributes of rows from the source that a configuration names.
pub struct AuditGroups {
    pub config: TrainingConfig,
    /// The rows' ids, as in a snapshot.
    pub rows: Arc<Vec<u128>>,
    /// The attributes' names.
    pub names: Vec<String>,
}
impl Message for AuditGroups {
    type Result = Result<FoundGroups, LoadError>;
}

/// Requests the present state of the source that a configuration names: equal states mean equal rows.
pub struct SourceState(pub TrainingConfig);
impl Message for SourceState {
    type Result = Result<SourceKey, LoadError>;
}

/// The attributes of rows.
#[derive(Debug)]
pub struct FoundGroups {
    /// For each name, the group of each row in the caller's order.
    pub columns: Vec<AuditColumn>,
    /// How many of the rows the source has.
    pub found: u64,
}

/// The groups of the wanted rows, collected in a pass over their source.
pub struct Collector {
    /// Each wanted id with its position, ascending.
    places: Vec<(u128, u32)>,
    /// The `seq` that a row was read with.
    read: Vec<Option<u64>>,
    columns: Vec<AuditColumn>,
    /// For each column, the number of each word.
    numbers: Vec<BTreeMap<String, u32>>,
}

impl Collector {
    pub fn new(rows: Arc<Vec<u128>>, names: Vec<String>) -> Self {
        let mut places: Vec<(u128, u32)> = rows.iter().copied().zip(0..).collect();
        places.sort_unstable();
        let empty = |name| AuditColumn { name, words: Vec::new(), groups: vec![None; rows.len()] };
        let columns: Vec<AuditColumn> = names.into_iter().map(empty).collect();
        Self { places, read: vec![None; rows.len()], numbers: vec![BTreeMap::new(); columns.len()], columns }
    }

    /// Sorts the words, so that the result does not depend on the order of the rows.
    pub fn finish(self) -> FoundGroups {
        let ordered = |(mut column, numbers): (AuditColumn, BTreeMap<String, u32>)| {
            let mut place_of = vec![0u32; numbers.len()];
            for (place, number) in (0..).zip(numbers.values()) {
                place_of[*number as usize] = place;
            }
            column.groups.iter_mut().flatten().for_each(|group| *group = place_of[*group as usize]);
            column.words = numbers.into_keys().collect();
            column
        };
        let found = self.read.iter().flatten().count() as u64;
        FoundGroups { columns: self.columns.into_iter().zip(self.numbers).map(ordered).collect(), found }
    }
}

impl Sink for Collector {
    fn take(&mut self, point: &AdmissionDataPoint) {
        let id = point.row_id();
        let Ok(at) = self.places.binary_search_by_key(&id, |(id, _)| *id) else { return };
        let place = self.places[at].1 as usize;
        // As in a snapshot, the highest `seq` counts, the first among equals.
        if self.read[place].is_some_and(|seq| seq >= point.seq) {
            return;
        }
        self.read[place] = Some(point.seq);
        for (column, numbers) in self.columns.iter_mut().zip(&mut self.numbers) {
            column.groups[place] = point.audit_group(&column.name).map(|word| match numbers.get(word) {
                Some(number) => *number,
                None => {
                    let number = numbers.len() as u32;
                    numbers.insert(word.to_owned(), number);
                    number
                }
            });
        }
    }

    fn reject(&mut self, _: u64, _: &dyn Display) {}

    fn unread(&mut self, _: &[Unread], _: u64) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn point(id: &str, seq: u64, gender: Option<&str>) -> AdmissionDataPoint {
        let document = json!({"data_point_id": id, "seq": seq, "profile": {"gender": gender}, "program": {},
            "decision": "accepted", "attributes": {"degree": "MSc"}});
        AdmissionDataPoint::from_value(document).unwrap()
    }

    #[test]
    fn rows_are_found_by_id_whatever_the_order_and_the_newest_version_counts() {
        let ids = ["b", "a", "c"].map(|id| point(id, 0, None).row_id());
        let found = |points: &[AdmissionDataPoint]| {
            let names = ["gender", "degree"].map(str::to_owned).to_vec();
            let mut collector = Collector::new(Arc::new(ids.to_vec()), names);
            points.iter().for_each(|point| collector.take(point));
            let found = collector.finish();
            assert_eq!(found.found, 2);
            found.columns
        };
        let mut points = vec![
            point("a", 0, Some("m")),
            point("b", 1, Some("f")),
            point("b", 0, Some("x")),
            point("z", 0, Some("y")),
        ];
        let once = found(&points);
        let word = |column: &AuditColumn, row: usize| column.groups[row].map(|g| column.words[g as usize].clone());
        assert_eq!([0, 1, 2].map(|row| word(&once[0], row)), [Some("f".to_owned()), Some("m".to_owned()), None]);
        assert_eq!(word(&once[1], 0).as_deref(), Some("MSc"));
        points.swap(0, 1);
        let other = found(&points);
        assert_eq!([0, 1, 2].map(|row| word(&other[0], row)), [0, 1, 2].map(|row| word(&once[0], row)));
    }
}
