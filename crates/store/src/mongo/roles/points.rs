//! [`PointReader`] and [`PointStore`] on MongoDB.

use crate::error::Result;
use crate::known_outcomes;
use crate::mongo::{MongoStore, points, predictions, recorded_points, totals};
use crate::roles::points::{PointOutcome, PointReader, PointSelection, PointStore, PointTotals, RecordedPoints};
use async_trait::async_trait;
use provost_domain::AdmissionDataPoint;
use provost_domain::watch_record::PointPosition;
use tokio::sync::mpsc;

#[async_trait]
impl PointReader for MongoStore {
    async fn stream_points(
        &self,
        selection: PointSelection,
    ) -> Result<mpsc::Receiver<Result<Vec<AdmissionDataPoint>>>> {
        Ok(points::stream(&self.db, &self.handle()?, &selection))
    }

    async fn points_by_id(&self, ids: &[String]) -> Result<Vec<AdmissionDataPoint>> {
        let ids = ids.to_vec();
        self.run(|db| async move { points::by_id(&db, &ids).await }).await
    }

    async fn point_totals(&self) -> Result<PointTotals> {
        self.run(|db| async move { totals::read(&db).await }).await
    }

    async fn last_point_position(&self) -> Result<PointPosition> {
        self.run(|db| async move { recorded_points::last(&db).await }).await
    }

    async fn count_recorded_points(&self, after: &PointPosition, most: u32) -> Result<u64> {
        let after = after.clone();
        self.run(|db| async move { recorded_points::count(&db, &after, most).await }).await
    }

    async fn recorded_points(&self, after: &PointPosition, limit: u32) -> Result<RecordedPoints> {
        let after = after.clone();
        self.run(|db| async move { recorded_points::list(&db, &after, limit).await }).await
    }
}

#[async_trait]
impl PointStore for MongoStore {
    async fn record_points(&self, points: Vec<AdmissionDataPoint>) -> Result<Vec<PointOutcome>> {
        self.run(|db| async move {
            let known = known_outcomes::of_points(&points);
            let outcomes = points::apply(&db, &points::encode(points)?).await?;
            predictions::join(&db, &known_outcomes::stored(known, &outcomes)).await?;
            Ok(outcomes)
        })
        .await
    }
}
