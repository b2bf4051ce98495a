//! Data points: recording them by id and `seq`, streaming them in order, and the mark that moves with them.

use super::connection::open_reader;
use super::documents::decode;
use crate::error::{Result, StoreError};
use crate::store::{PointOutcome, PointSelection, PointsMark};
use provost_domain::AdmissionDataPoint;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};
use std::path::Path;
use tokio::sync::mpsc;

/// Points per batch of a stream.
const STREAM_BATCH: usize = 2000;
/// Batches that a stream reads ahead.
pub const STREAM_AHEAD: usize = 2;

/// A point as its row has it, made before the write lock is taken.
pub struct Encoded {
    point: AdmissionDataPoint,
    document: String,
    content: [u8; 16],
}

impl Encoded {
    pub fn new(mut point: AdmissionDataPoint) -> Result<Self> {
        let (document, content) = encode(&mut point).map_err(|why| {
            StoreError::Invalid(format!("data point `{}` cannot be stored: {why}", point.data_point_id))
        })?;
        Ok(Self { point, document, content })
    }
}

/// The document, and the first half of the SHA-256 of what makes two points the same: all of it but when it was written.
fn encode(point: &mut AdmissionDataPoint) -> std::result::Result<(String, [u8; 16]), String> {
    // JSON has no NaN and no infinity: where a number may be missing it becomes missing, here it could not be read back.
    if !point.profile.gpa_scale.is_finite() {
        return Err(format!("profile.gpa_scale is {}; a finite number is needed", point.profile.gpa_scale));
    }
    let json = |point: &AdmissionDataPoint| serde_json::to_string(point).map_err(|e| e.to_string());
    let times = (point.created_at.take(), point.updated_at.take());
    let mut document = json(point)?;
    let digest = Sha256::digest(document.as_bytes());
    let mut content = [0; 16];
    content.copy_from_slice(&digest[..16]);
    if times != (None, None) {
        (point.created_at, point.updated_at) = times;
        document = json(point)?;
    }
    Ok((document, content))
}

/// Records points in order within the caller's transaction and moves the mark if any changed something.
pub fn record(transaction: &Transaction<'_>, points: &[Encoded]) -> Result<Vec<PointOutcome>> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO points (data_point_id, seq, content, verified, document) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (data_point_id) DO NOTHING",
    )?;
    let mut outcomes = Vec::with_capacity(points.len());
    for encoded in points {
        let Encoded { point, document, content } = encoded;
        // `seq` has 64 bits without a sign, SQLite's integers one with: stored as these bits, compared here.
        let row = params![point.data_point_id, point.seq.cast_signed(), content, point.verified, document];
        outcomes.push(if insert.execute(row)? == 1 { PointOutcome::Inserted } else { update(transaction, encoded)? });
    }
    let count = |outcome| outcomes.iter().filter(|o| **o == outcome).count() as i64;
    let inserted = count(PointOutcome::Inserted);
    let changed = inserted + count(PointOutcome::Superseded);
    if changed > 0 {
        transaction
            .prepare_cached("UPDATE points_mark SET version = version + ?1, total = total + ?2")?
            .execute([changed, inserted])?;
    }
    Ok(outcomes)
}

/// What becomes of a point whose id is there already.
fn update(transaction: &Transaction<'_>, encoded: &Encoded) -> Result<PointOutcome> {
    let Encoded { point, document, content } = encoded;
    let (seq, same): (i64, bool) = transaction
        .prepare_cached("SELECT seq, content = ?2 FROM points WHERE data_point_id = ?1")?
        .query_row(params![point.data_point_id, content], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let seq = seq.cast_unsigned();
    if point.seq < seq {
        return Ok(PointOutcome::Stale);
    }
    if point.seq == seq {
        let same = same || same_content(transaction, point)?;
        return Ok(if same { PointOutcome::Unchanged } else { PointOutcome::Conflict });
    }
    transaction
        .prepare_cached(
            "UPDATE points SET seq = ?2, content = ?3, verified = ?4, document = ?5 WHERE data_point_id = ?1",
        )?
        .execute(params![point.data_point_id, point.seq.cast_signed(), content, point.verified, document])?;
    Ok(PointOutcome::Superseded)
}

/// Settles a differing hash by the documents: a field added since the stored one was written changes its text, not what
/// it says.
fn same_content(transaction: &Transaction<'_>, point: &AdmissionDataPoint) -> Result<bool> {
    let text: Option<String> = transaction
        .prepare_cached("SELECT document FROM points WHERE data_point_id = ?1")?
        .query_row([&point.data_point_id], |row| row.get(0))
        .optional()?;
    let Some(text) = text else { return Ok(false) };
    let mut stored: AdmissionDataPoint = decode(&format!("data point {}", point.data_point_id), &text)?;
    (stored.created_at, stored.updated_at) = (point.created_at, point.updated_at);
    Ok(stored == *point)
}

pub fn mark(c: &Connection) -> Result<PointsMark> {
    let mark = c.prepare_cached("SELECT version, total FROM points_mark")?.query_row([], |row| {
        Ok(PointsMark { version: row.get::<_, i64>(0)?.cast_unsigned(), total: row.get::<_, i64>(1)?.cast_unsigned() })
    })?;
    Ok(mark)
}

/// Sends all selected points in id order, from one consistent view, until the receiver is dropped. Blocking.
pub fn stream(path: &Path, selection: &PointSelection, to: &mpsc::Sender<Result<Vec<AdmissionDataPoint>>>) {
    if let Err(e) = try_stream(path, selection, to) {
        let _ = to.blocking_send(Err(e)); // the receiver may be gone
    }
}

fn try_stream(
    path: &Path,
    selection: &PointSelection,
    to: &mpsc::Sender<Result<Vec<AdmissionDataPoint>>>,
) -> Result<()> {
    let connection = open_reader(path)?;
    // One statement is one read transaction: what others write meanwhile is not seen.
    let mut statement = connection.prepare(if selection.verified_only {
        "SELECT data_point_id, document FROM points WHERE verified ORDER BY data_point_id"
    } else {
        "SELECT data_point_id, document FROM points ORDER BY data_point_id"
    })?;
    let mut rows = statement.query([])?;
    let mut batch = Vec::with_capacity(STREAM_BATCH);
    while let Some(row) = rows.next()? {
        let text = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        match serde_json::from_str(text) {
            Ok(point) => batch.push(point),
            Err(e) => {
                let id: String = row.get(0)?;
                return Err(StoreError::Corrupt { what: format!("data point {id}"), why: e.to_string() });
            }
        }
        if batch.len() == STREAM_BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(STREAM_BATCH));
            if to.blocking_send(Ok(full)).is_err() {
                return Ok(());
            }
        }
    }
    if !batch.is_empty() {
        let _ = to.blocking_send(Ok(batch)); // the receiver may be gone
    }
    Ok(())
}
