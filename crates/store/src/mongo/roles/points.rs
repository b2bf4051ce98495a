//! [`PointReader`] and [`PointStore`] on MongoDB.

use crate::error::Result;
use crate::known_outcomes;
use crate::mongo::{MongoStore, points, predictions, totals};
use crate::roles::points::{PointOutcome, PointReader, PointSelection, PointStore, PointTotals};
use async_trait::async_trait;
use provost_domain::AdmissionDataPoint;
use tokio::sync::mpsc;

#[async_trait]
impl PointReader for MongoStore {
    async fn stream_points(
        &self,
        selection: PointSelection,
    ) -> Result<mpsc::Receiver<Result<Vec<AdmissionDataPoint>>>> {
        Ok(points::stream(&self.db, &self.handle()?, &selection))
    }

    async fn point_totals(&self) -> Result<PointTotals> {
        self.run(|db| async move { totals::read(&db).await }).await
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
