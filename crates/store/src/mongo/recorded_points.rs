//! Points in the order in which they were first recorded: by the time that their writer noted, and of one time by id. Those that
//! were there before that was noted come before all others.

use super::POINTS;
use super::connection::Db;
use super::documents::{Part, number, text};
use super::points::decode;
use crate::error::Result;
use crate::roles::points::RecordedPoints;
use mongodb::bson::{Document, doc};
use provost_domain::watch_record::PointPosition;

fn position(document: &Document) -> PointPosition {
    PointPosition {
        number: number(document, "provost.recorded").unwrap_or(0),
        id: text(document, "data_point_id").unwrap_or_default().to_owned(),
    }
}

/// The points after this place that are there.
fn later(after: &PointPosition) -> Document {
    let same = doc! {"provost.recorded": after.number, "data_point_id": {"$gt": after.id.as_str()}};
    doc! {"provost.present": 1, "$or": [{"provost.recorded": {"$gt": after.number}}, same]}
}

fn newest_first() -> Document {
    doc! {"provost.recorded": -1, "data_point_id": -1}
}

pub async fn last(db: &Db) -> Result<PointPosition> {
    let noted = doc! {"provost.recorded": {"$gt": 0}};
    let last = db.all(POINTS, noted, newest_first(), Some(1)).await?;
    Ok(last.first().map(position).unwrap_or_default())
}

pub async fn count(db: &Db, after: &PointPosition, most: u32) -> Result<u64> {
    Ok(db.count(POINTS, later(after)).await?.min(u64::from(most)))
}

pub async fn list(db: &Db, after: &PointPosition, limit: u32) -> Result<RecordedPoints> {
    let Part { documents, more } = db.part(POINTS, later(after), newest_first(), limit, "provost").await?;
    let read = |document: &Document| Ok((position(document), decode(document)?));
    let points = documents.iter().rev().map(read).collect::<Result<Vec<_>>>()?;
    Ok(RecordedPoints { points, cut: more })
}
