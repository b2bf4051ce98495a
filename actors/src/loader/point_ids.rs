//! Finds the ids of points; snapshots have only their hashes.

use super::scan::Sink;
use crate::error::LoadError;
use actix::Message;
use provost_domain::mapping::Unread;
use provost_domain::{AdmissionDataPoint, TrainingConfig};
use std::collections::BTreeMap;
use std::fmt::Display;

/// Requests the ids of rows from the source that a configuration names.
pub struct PointIds {
    pub config: TrainingConfig,
    /// The hashes, as in a snapshot.
    pub rows: Vec<u128>,
}
impl Message for PointIds {
    type Result = Result<BTreeMap<u128, String>, LoadError>;
}

/// The ids of wanted rows found in a pass.
pub struct Ids(BTreeMap<u128, Option<String>>);

impl Ids {
    pub fn new(rows: Vec<u128>) -> Self {
        Self(rows.into_iter().map(|row| (row, None)).collect())
    }

    pub fn finish(self) -> BTreeMap<u128, String> {
        self.0.into_iter().filter_map(|(row, id)| Some((row, id?))).collect()
    }
}

impl Sink for Ids {
    fn take(&mut self, point: &AdmissionDataPoint) {
        if let Some(place) = self.0.get_mut(&point.row_id()) {
            *place = Some(point.data_point_id.clone());
        }
    }

    fn reject(&mut self, _: u64, _: &dyn Display) {}

    fn unread(&mut self, _: &[Unread], _: u64) {}
}
