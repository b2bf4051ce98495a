//! Points in the order in which they were first recorded, which is that of their rows: no row of a point is ever removed.

use crate::documents::{decode, page_size};
use crate::error::Result;
use crate::roles::points::RecordedPoints;
use provost_domain::watch_record::PointPosition;
use rusqlite::{Connection, params};

fn position(number: i64) -> PointPosition {
    PointPosition { number, id: String::new() }
}

pub fn last(c: &Connection) -> Result<PointPosition> {
    let sql = "SELECT coalesce(max(position), 0) FROM points";
    Ok(position(c.prepare_cached(sql)?.query_row([], |row| row.get(0))?))
}

pub fn count(c: &Connection, after: i64, most: u32) -> Result<u64> {
    let sql = "SELECT count(*) FROM (SELECT 1 FROM points WHERE position > ?1 AND NOT retracted LIMIT ?2)";
    let count: i64 = c.prepare_cached(sql)?.query_row(params![after, most], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

pub fn list(c: &Connection, after: i64, limit: u32) -> Result<RecordedPoints> {
    let limit = page_size(limit) as usize;
    let mut statement = c.prepare_cached(
        "SELECT position, data_point_id, document FROM points WHERE position > ?1 AND NOT retracted
         ORDER BY position DESC LIMIT ?2",
    )?;
    let mut rows = statement.query(params![after, limit as i64 + 1])?;
    let mut points = Vec::new();
    let mut cut = false;
    while let Some(row) = rows.next()? {
        cut = points.len() == limit;
        if cut {
            break;
        }
        let id: String = row.get(1)?;
        let document = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
        points.push((position(row.get(0)?), decode(&format!("data point {id}"), document)?));
    }
    points.reverse();
    Ok(RecordedPoints { points, cut })
}
