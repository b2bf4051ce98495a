//! [`PointReader`] and [`PointStore`] on SQLite.

use crate::error::{Result, StoreError};
use crate::known_outcomes;
use crate::roles::points::{PointOutcome, PointReader, PointSelection, PointStore, PointTotals, RecordedPoints};
use crate::sqlite::connection::in_transaction;
use crate::sqlite::points::Encoded;
use crate::sqlite::{SqliteStore, points, predictions, recorded_points};
use async_trait::async_trait;
use provost_domain::AdmissionDataPoint;
use provost_domain::watch_record::PointPosition;
use tokio::sync::mpsc;

#[async_trait]
impl PointReader for SqliteStore {
    async fn stream_points(
        &self,
        selection: PointSelection,
    ) -> Result<mpsc::Receiver<Result<Vec<AdmissionDataPoint>>>> {
        let (sender, receiver) = mpsc::channel(points::STREAM_AHEAD);
        let path = self.path.clone();
        // A thread of its own: a slow consumer holds no reader of the pool.
        std::thread::Builder::new()
            .name("store-stream".to_owned())
            .spawn(move || points::stream(&path, &selection, &sender))
            .map_err(|e| StoreError::Unavailable(format!("thread store-stream: {e}")))?;
        Ok(receiver)
    }

    async fn points_by_id(&self, ids: &[String]) -> Result<Vec<AdmissionDataPoint>> {
        let ids = ids.to_vec();
        self.read(move |c| points::by_id(c, &ids)).await
    }

    async fn point_totals(&self) -> Result<PointTotals> {
        self.read(points::totals).await
    }

    async fn last_point_position(&self) -> Result<PointPosition> {
        self.read(recorded_points::last).await
    }

    async fn count_recorded_points(&self, after: &PointPosition, most: u32) -> Result<u64> {
        let after = after.number;
        self.read(move |c| recorded_points::count(c, after, most)).await
    }

    async fn recorded_points(&self, after: &PointPosition, limit: u32) -> Result<RecordedPoints> {
        let after = after.number;
        self.read(move |c| recorded_points::list(c, after, limit)).await
    }
}

#[async_trait]
impl PointStore for SqliteStore {
    async fn record_points(&self, points: Vec<AdmissionDataPoint>) -> Result<Vec<PointOutcome>> {
        let known = known_outcomes::of_points(&points);
        let recorded = self.writer.call(move |connection| {
            let points = points.into_iter().map(Encoded::new).collect::<Result<Vec<_>>>()?; // before the write lock is taken
            in_transaction(connection, |t| points::record(t, &points))
        });
        let outcomes = recorded.await?;
        let known = known_outcomes::stored(known, &outcomes);
        self.log.write(false, move |t| predictions::join(t, &known)).await?;
        Ok(outcomes)
    }
}
