//! Data points: recording them by id and `seq`, streaming them in order, and their totals.

use super::connection::open_reader;
use crate::documents::decode;
use crate::error::{Result, StoreError};
use crate::roles::points::{PointOutcome, PointSelection, PointTotals};
use provost_domain::AdmissionDataPoint;
use provost_domain::event::Retraction;
use provost_domain::schedule::Arrivals;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
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

    pub fn id(&self) -> &str {
        &self.point.data_point_id
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

/// Records points in order within the caller's transaction, and updates the totals.
pub fn record(transaction: &Transaction<'_>, points: &[Encoded]) -> Result<Vec<PointOutcome>> {
    let mut moved = Moved::default();
    let outcomes = add(transaction, points, &mut moved)?;
    moved.save(transaction)?;
    Ok(outcomes)
}

/// Records points. The caller updates the totals, once for its transaction.
pub fn add(transaction: &Transaction<'_>, points: &[Encoded], moved: &mut Moved) -> Result<Vec<PointOutcome>> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO points (data_point_id, seq, content, verified, usable, document) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (data_point_id) DO NOTHING",
    )?;
    let mut outcomes = Vec::with_capacity(points.len());
    for encoded in points {
        let Encoded { point, document, content } = encoded;
        // `seq` has 64 bits without a sign, SQLite's integers one with: stored as these bits, compared here.
        let (seq, usable) = (point.seq.cast_signed(), usable(point));
        let row = params![point.data_point_id, seq, content, point.verified, usable, document];
        outcomes.push(if insert.execute(row)? == 1 {
            moved.version += 1;
            moved.total += 1;
            moved.arrived(point, Before::default());
            PointOutcome::Inserted
        } else {
            update(transaction, encoded, moved)?
        });
    }
    Ok(outcomes)
}

/// Whether a point is one to learn from.
fn usable(point: &AdmissionDataPoint) -> bool {
    point.decision.label().is_some()
}

/// What a transaction adds to the totals.
#[derive(Default)]
pub struct Moved {
    version: i64,
    total: i64,
    usable: i64,
    verified: i64,
}

/// What a stored point counted as.
#[derive(Default)]
struct Before {
    usable: bool,
    verified: bool,
}

impl Moved {
    /// Counts a point that is usable now and was not before.
    fn arrived(&mut self, point: &AdmissionDataPoint, before: Before) {
        if usable(point) {
            self.usable += i64::from(!before.usable);
            self.verified += i64::from(point.verified && !(before.usable && before.verified));
        }
    }

    pub fn save(&self, transaction: &Transaction<'_>) -> Result<()> {
        if self.version > 0 {
            transaction
                .prepare_cached(
                    "UPDATE points_mark SET version = version + ?1, total = total + ?2, usable = usable + ?3,
                     verified = verified + ?4",
                )?
                .execute([self.version, self.total, self.usable, self.verified])?;
        }
        Ok(())
    }
}

/// Takes a point out of the data from `seq` on. What was never there is remembered too: its record may still be on its
/// way.
pub fn retract(transaction: &Transaction<'_>, retraction: &Retraction, moved: &mut Moved) -> Result<PointOutcome> {
    let (id, seq) = (&retraction.data_point_id, retraction.seq.cast_signed());
    let stored: Option<(i64, bool)> = transaction
        .prepare_cached("SELECT seq, retracted FROM points WHERE data_point_id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match stored {
        None => {
            transaction
                .prepare_cached(
                    "INSERT INTO points (data_point_id, seq, content, verified, retracted, document)
                     VALUES (?1, ?2, x'', 0, 1, '')",
                )?
                .execute(params![id, seq])?;
        }
        Some((stored, gone)) => {
            if stored.cast_unsigned() > retraction.seq || (gone && stored == seq) {
                return Ok(PointOutcome::Stale);
            }
            transaction
                .prepare_cached(
                    "UPDATE points SET seq = ?2, content = x'', verified = 0, usable = 0, retracted = 1, document = ''
                     WHERE data_point_id = ?1",
                )?
                .execute(params![id, seq])?;
            if !gone {
                moved.version += 1;
                moved.total -= 1;
            }
        }
    }
    Ok(PointOutcome::Superseded)
}

/// What happens to a point whose id exists already.
fn update(transaction: &Transaction<'_>, encoded: &Encoded, moved: &mut Moved) -> Result<PointOutcome> {
    let Encoded { point, document, content } = encoded;
    let (seq, same, gone, before): (i64, bool, bool, Before) = transaction
        .prepare_cached("SELECT seq, content = ?2, retracted, usable, verified FROM points WHERE data_point_id = ?1")?
        .query_row(params![point.data_point_id, content], |row| {
            let before = Before { usable: row.get(3)?, verified: row.get(4)? };
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, before))
        })?;
    let seq = seq.cast_unsigned();
    if point.seq < seq || (gone && point.seq == seq) {
        return Ok(PointOutcome::Stale);
    }
    if point.seq == seq {
        let same = same || same_content(transaction, point)?;
        return Ok(if same { PointOutcome::Unchanged } else { PointOutcome::Conflict });
    }
    transaction
        .prepare_cached(
            "UPDATE points SET seq = ?2, content = ?3, verified = ?4, usable = ?5, retracted = 0, document = ?6
             WHERE data_point_id = ?1",
        )?
        .execute(params![
            point.data_point_id,
            point.seq.cast_signed(),
            content,
            point.verified,
            usable(point),
            document
        ])?;
    moved.version += 1;
    moved.total += i64::from(gone);
    moved.arrived(point, before);
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

/// Those of these ids whose point was retracted.
pub fn retracted(c: &Connection, ids: &[String]) -> Result<BTreeSet<String>> {
    let mut select = c.prepare_cached("SELECT 1 FROM points WHERE data_point_id = ?1 AND retracted")?;
    let mut found = BTreeSet::new();
    for id in ids {
        if select.exists([id])? {
            found.insert(id.clone());
        }
    }
    Ok(found)
}

/// The points of these ids that are there.
pub fn by_id(c: &Connection, ids: &[String]) -> Result<Vec<AdmissionDataPoint>> {
    let mut select = c.prepare_cached("SELECT document FROM points WHERE data_point_id = ?1 AND NOT retracted")?;
    let mut found = Vec::new();
    for id in ids {
        let text: Option<String> = select.query_row([id], |row| row.get(0)).optional()?;
        if let Some(text) = text {
            found.push(decode(&format!("data point {id}"), &text)?);
        }
    }
    Ok(found)
}

pub fn totals(c: &Connection) -> Result<PointTotals> {
    let totals =
        c.prepare_cached("SELECT version, total, usable, verified FROM points_mark")?.query_row([], |row| {
            let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            let arrivals = Arrivals { usable: number(2)?, verified: number(3)? };
            Ok(PointTotals { version: number(0)?, total: number(1)?, arrivals })
        })?;
    Ok(totals)
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
        "SELECT data_point_id, document FROM points WHERE verified AND NOT retracted ORDER BY data_point_id"
    } else {
        "SELECT data_point_id, document FROM points WHERE NOT retracted ORDER BY data_point_id"
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
