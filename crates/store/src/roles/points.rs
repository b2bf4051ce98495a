//! Admission data points.

use crate::error::Result;
use async_trait::async_trait;
use provost_domain::AdmissionDataPoint;
use provost_domain::schedule::Arrivals;
use provost_domain::watch_record::PointPosition;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// What became of one data point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PointOutcome {
    /// No point of this id was stored before.
    Inserted,
    /// Same id, `seq` and content as before.
    Unchanged,
    /// A higher `seq` superseded the stored one.
    Superseded,
    /// A lower `seq` than the stored one: ignored.
    Stale,
    /// The same `seq` with other content: refused.
    Conflict,
}

/// Which points to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PointSelection {
    /// Only points whose outcome is verified.
    pub verified_only: bool,
}

/// Counts of the stored points. Equal totals mean equal points: `version` grows with every change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointTotals {
    /// Grows with every change.
    pub version: u64,
    /// Points that are stored.
    pub total: u64,
    /// Points that ever arrived, which triggers count.
    pub arrivals: Arrivals,
}

/// Points in the order in which they were first recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedPoints {
    /// The points as they are now, each with its place.
    pub points: Vec<(PointPosition, AdmissionDataPoint)>,
    /// Whether older ones were left out because of the limit.
    pub cut: bool,
}

/// Reads data points.
#[async_trait]
pub trait PointReader: Send + Sync + 'static {
    /// Batches of points in `data_point_id` order, as they all were at one moment; the channel closes after the last, or
    /// after an error. Dropping the receiver ends the reading.
    async fn stream_points(&self, selection: PointSelection)
    -> Result<mpsc::Receiver<Result<Vec<AdmissionDataPoint>>>>;
    /// The stored points of these ids, in no certain order. An id without a point, or whose point was retracted, has none.
    async fn points_by_id(&self, ids: &[String]) -> Result<Vec<AdmissionDataPoint>>;
    /// The present totals.
    async fn point_totals(&self) -> Result<PointTotals>;
    /// The place of the point that was first recorded last. A correction has the place of what it corrects.
    async fn last_point_position(&self) -> Result<PointPosition>;
    /// How many points were first recorded after this place and are still there; counting ends at `most`.
    async fn count_recorded_points(&self, after: &PointPosition, most: u32) -> Result<u64>;
    /// The last `limit` of these points, in the order in which they were recorded. A point that another process records at the
    /// same moment may have a place before one that was read already.
    async fn recorded_points(&self, after: &PointPosition, limit: u32) -> Result<RecordedPoints>;
}

/// Reads and records data points. Events record theirs with the inbox: [`InboxStore`](crate::InboxStore).
#[async_trait]
pub trait PointStore: PointReader {
    /// An outcome per point, in order. Points of one batch may share an id. Two points are the same when all but
    /// `created_at` and `updated_at` is equal. A point that was retracted at this `seq` or a higher one is `Stale`.
    async fn record_points(&self, points: Vec<AdmissionDataPoint>) -> Result<Vec<PointOutcome>>;
}
