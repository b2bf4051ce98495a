//! Data points. Each is one document, readable, its id `data_point_id` (that of a document of the replaced service stays); what
//! was retracted keeps its `seq` in a document without content.

use super::POINTS;
use super::connection::{Db, Tries, within};
use super::documents::{self, at, flag, number, text};
use super::totals::{Sums, Writing};
use crate::error::{Result, StoreError};
use crate::roles::points::{PointOutcome, PointSelection};
use chrono::{DateTime, Utc};
use mongodb::bson::{Bson, Document, doc};
use provost_domain::AdmissionDataPoint;
use provost_domain::event::Retraction;
use provost_domain::hash::hex;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::mpsc;

/// Points per batch of a stream.
const STREAM_BATCH: usize = 2000;
/// Batches that a stream reads ahead.
const STREAM_AHEAD: usize = 2;
/// Updates in one command: far below the largest message.
const UPDATES: usize = 1000;

/// A point, checked and in the form that its document will have.
pub struct Encoded {
    point: AdmissionDataPoint,
    document: Document,
    content: String,
}

impl Encoded {
    pub fn new(mut point: AdmissionDataPoint) -> Result<Self> {
        let refused =
            |why: String| StoreError::Invalid(format!("data point `{}` cannot be stored: {why}", point.data_point_id));
        if !point.profile.gpa_scale.is_finite() {
            return Err(refused(format!(
                "profile.gpa_scale is {}; a finite number is needed",
                point.profile.gpa_scale
            )));
        }
        let document = documents::readable(&point)?;
        let exact = (point.created_at.take(), point.updated_at.take());
        // What makes two points the same: all of it but when it was written.
        let json = serde_json::to_vec(&point).map_err(|e| StoreError::Invalid(e.to_string()))?;
        let content = hex(&Sha256::digest(&json)[..16]);
        (point.created_at, point.updated_at) = exact;
        Ok(Self { point, document, content })
    }

    pub fn id(&self) -> &str {
        &self.point.data_point_id
    }

    /// Its times where BSON's milliseconds are too coarse for them.
    fn exact(&self) -> Document {
        let fine = |time: &DateTime<Utc>| !time.timestamp_subsec_nanos().is_multiple_of(1_000_000);
        let times = [("created_at", self.point.created_at), ("updated_at", self.point.updated_at)];
        let text = |time: DateTime<Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        times.into_iter().filter_map(|(name, t)| Some((name.to_owned(), Bson::from(text(t.filter(fine)?))))).collect()
    }
}

/// What is done to a point.
pub enum Change {
    Record(Box<Encoded>),
    Retract(Retraction),
}

impl Change {
    fn id(&self) -> &str {
        match self {
            Self::Record(encoded) => encoded.id(),
            Self::Retract(retraction) => &retraction.data_point_id,
        }
    }
}

/// What is known of a point.
#[derive(Default, Clone)]
struct Held<'c> {
    there: bool,
    seq: u64,
    content: String,
    gone: bool,
    usable: bool,
    verified: bool,
    adds: Sums,
    /// What its document is to become; None: it stays.
    next: Option<Next<'c>>,
}

#[derive(Clone, Copy)]
enum Next<'c> {
    Point(&'c Encoded),
    Tombstone,
}

impl<'c> Held<'c> {
    fn read(document: &Document) -> Self {
        Self {
            there: true,
            seq: number(document, "provost.seq").unwrap_or(0).cast_unsigned(),
            content: text(document, "provost.content").unwrap_or_default().to_owned(),
            gone: flag(document, "provost.retracted"),
            usable: flag(document, "provost.usable"),
            verified: flag(document, "verified"),
            adds: adds(document),
            next: None,
        }
    }

    fn apply(&mut self, change: &'c Change, was: Option<&Document>) -> Result<PointOutcome> {
        match change {
            Change::Record(encoded) => self.record(encoded, was),
            Change::Retract(retraction) => Ok(self.retract(retraction.seq)),
        }
    }

    fn record(&mut self, encoded: &'c Encoded, was: Option<&Document>) -> Result<PointOutcome> {
        let point = &encoded.point;
        if self.there && (point.seq < self.seq || (self.gone && point.seq == self.seq)) {
            return Ok(PointOutcome::Stale);
        }
        if self.there && point.seq == self.seq {
            let same = self.content == encoded.content
                || match self.next {
                    Some(Next::Point(next)) => same(&next.point, point),
                    Some(Next::Tombstone) => false,
                    None => was.map(decode).transpose()?.is_some_and(|stored| same(&stored, point)),
                };
            return Ok(if same { PointOutcome::Unchanged } else { PointOutcome::Conflict });
        }
        let outcome = if self.there { PointOutcome::Superseded } else { PointOutcome::Inserted };
        let usable = point.decision.label().is_some();
        self.adds.version += 1;
        self.adds.total = 1;
        if usable {
            self.adds.usable += i64::from(!self.usable);
            self.adds.verified += i64::from(point.verified && !(self.usable && self.verified));
        }
        *self = Self {
            there: true,
            seq: point.seq,
            content: encoded.content.clone(),
            gone: false,
            usable,
            verified: point.verified,
            adds: self.adds,
            next: Some(Next::Point(encoded)),
        };
        Ok(outcome)
    }

    /// What was never there is remembered too: its record may still be on its way.
    fn retract(&mut self, seq: u64) -> PointOutcome {
        if self.there && (self.seq > seq || (self.gone && self.seq == seq)) {
            return PointOutcome::Stale;
        }
        if self.there && !self.gone {
            self.adds.version += 1;
            self.adds.total = 0;
        }
        *self = Self { there: true, seq, gone: true, adds: self.adds, next: Some(Next::Tombstone), ..Self::default() };
        PointOutcome::Superseded
    }

    /// The document that it becomes, if it changes.
    fn document(&self, id: &str, was: Option<&Document>, by: &str) -> Option<Document> {
        let w = was.and_then(|was| number(was, "provost.w")).unwrap_or(0) + 1;
        // Of the first record, which later ones keep.
        let recorded = was.map_or_else(|| Some(Utc::now().timestamp_micros()), |was| number(was, "provost.recorded"));
        let mut meta = doc! {
            "w": w,
            "by": by,
            "seq": self.seq.cast_signed(),
            "content": self.content.as_str(),
            "usable": self.usable,
            "changes": self.adds.version,
            "present": self.adds.total,
            "arrived": self.adds.usable,
            "arrived_verified": self.adds.verified,
        };
        if let Some(recorded) = recorded {
            meta.insert("recorded", recorded);
        }
        let own = was.and_then(|was| was.get("_id").cloned()).unwrap_or_else(|| Bson::from(id));
        let mut document = doc! {"_id": own};
        match self.next? {
            Next::Point(encoded) => {
                let exact = encoded.exact();
                if !exact.is_empty() {
                    meta.insert("exact", exact);
                }
                document.extend(encoded.document.clone());
            }
            Next::Tombstone => {
                meta.insert("retracted", true);
                document.insert("data_point_id", id);
            }
        }
        document.insert(documents::META, meta);
        Some(document)
    }
}

fn adds(document: &Document) -> Sums {
    let sum = |name: &str| number(document, &format!("provost.{name}")).unwrap_or(0);
    Sums { version: sum("changes"), total: sum("present"), usable: sum("arrived"), verified: sum("arrived_verified") }
}

/// Whether two points say the same, whenever they were written.
fn same(stored: &AdmissionDataPoint, point: &AdmissionDataPoint) -> bool {
    let mut stored = stored.clone();
    (stored.created_at, stored.updated_at) = (point.created_at, point.updated_at);
    stored == *point
}

pub fn encode(points: Vec<AdmissionDataPoint>) -> Result<Vec<Change>> {
    points.into_iter().map(|point| Ok(Change::Record(Box::new(Encoded::new(point)?)))).collect()
}

/// Applies changes, those of one point in order; an outcome for each. Every point is changed in one step of its own: a crash in
/// between leaves some of them changed, and to apply all of them again does what is left.
pub async fn apply(db: &Db, changes: &[Change]) -> Result<Vec<PointOutcome>> {
    let mut of_point: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, change) in changes.iter().enumerate() {
        of_point.entry(change.id()).or_default().push(i);
    }
    let mut outcomes = vec![PointOutcome::Stale; changes.len()];
    let mut writing = None;
    let mut added = Sums::default();
    let mut tries = Tries::default();
    let by = uuid::Uuid::new_v4().simple().to_string();
    let work = async {
        let mut left: BTreeSet<&str> = of_point.keys().copied().collect();
        while !left.is_empty() {
            tries.spend("a data point").await?;
            let stored = stored(db, &left).await?;
            let mut writes = Vec::new();
            for &id in &left {
                let was = stored.get(id);
                let mut held = was.map(Held::read).unwrap_or_default();
                let before = held.adds;
                for &i in &of_point[id] {
                    outcomes[i] = held.apply(&changes[i], was)?;
                }
                if let Some(document) = held.document(id, was, &by) {
                    writes.push(Write { id, was: was.cloned(), document, adds: held.adds.minus(before) });
                }
            }
            if writes.is_empty() {
                break;
            }
            if writing.is_none() {
                writing = Some(Writing::sign_in(db).await?);
            }
            let refused = write(db, &writes, &by).await?;
            for write in writes.iter().filter(|write| !refused.contains(write.id)) {
                added = added.plus(write.adds);
            }
            left = refused;
        }
        Ok(())
    };
    let done: Result<()> = work.await;
    if let Some(writing) = writing {
        let out = writing.sign_out(db, done.is_ok().then_some(added)).await;
        if done.is_ok() {
            out?;
        }
    }
    done.map(|()| outcomes)
}

struct Write<'i> {
    id: &'i str,
    was: Option<Document>,
    document: Document,
    adds: Sums,
}

/// The documents of these points. One of the replaced service that does not count as a point does not count here.
async fn stored(db: &Db, ids: &BTreeSet<&str>) -> Result<BTreeMap<String, Document>> {
    let ids: Vec<&str> = ids.iter().copied().collect();
    let filter = doc! {"data_point_id": {"$in": ids}, "provost.refused": {"$exists": false}};
    let found = db.all(POINTS, filter, doc! {}, None).await?;
    let mut stored = BTreeMap::new();
    for document in found {
        let id = text(&document, "data_point_id").unwrap_or_default().to_owned();
        // Prefers a document without a twin: points of the replaced service may have a twin that was not converted yet.
        if at(&document, "provost.w").is_some() || !stored.contains_key(&id) {
            stored.insert(id, document);
        }
    }
    Ok(stored)
}

/// Writes the points that no other writer has changed meanwhile; returns the others.
async fn write<'i>(db: &Db, writes: &[Write<'i>], by: &str) -> Result<BTreeSet<&'i str>> {
    let (new, changed): (Vec<_>, Vec<_>) = writes.iter().partition(|write| write.was.is_none());
    let documents = new.iter().map(|write| write.document.clone()).collect();
    let taken = db.insert_all(POINTS, documents).await?;
    let mut refused: BTreeSet<&str> = taken.into_iter().filter_map(|i| new.get(i).map(|write| write.id)).collect();
    for chunk in changed.chunks(UPDATES) {
        let updates = chunk.iter().map(|write| {
            let was = write.was.as_ref();
            let id = was.and_then(|was| was.get("_id").cloned()).unwrap_or(Bson::Null);
            let w = was.and_then(|was| number(was, "provost.w"));
            let unchanged = w.map_or_else(|| Bson::from(doc! {"$exists": false}), Bson::from);
            doc! {"q": {"_id": id, "provost.w": unchanged}, "u": write.document.clone()}
        });
        let matched = db.update_each(POINTS, updates.collect()).await?;
        if matched != chunk.len() as u64 {
            let ids = chunk.iter().map(|write| write.id).collect();
            let now = stored(db, &ids).await?;
            let mine = |id: &&str| now.get(*id).and_then(|d| text(d, "provost.by")) == Some(by);
            refused.extend(ids.into_iter().filter(|id| !mine(id)));
        }
    }
    Ok(refused)
}

/// The point that a document says.
pub fn decode(document: &Document) -> Result<AdmissionDataPoint> {
    let named = || format!("data point {}", text(document, "data_point_id").unwrap_or("without an id"));
    let value = as_json(document);
    serde_json::from_value(value).map_err(|e| StoreError::Corrupt { what: named(), why: e.to_string() })
}

/// A point's document as upstream services would write it.
pub fn as_json(document: &Document) -> Value {
    let mut members = documents::object(document);
    for name in ["created_at", "updated_at"] {
        // Unless the date was changed since, the text says the same moment more finely.
        let fine = at(document, "provost.exact").and_then(|e| e.as_document()?.get_str(name).ok());
        let time = fine.and_then(|fine| DateTime::parse_from_rfc3339(fine).ok());
        let coarse = at(document, name).and_then(Bson::as_datetime).map(|d| d.timestamp_millis());
        if let (Some(fine), Some(time)) = (fine, time)
            && coarse == Some(time.timestamp_millis())
        {
            members.insert(name.to_owned(), Value::from(fine));
        }
    }
    if let Some(seq) = members.get("seq").and_then(Value::as_str).and_then(|digits| digits.parse::<u64>().ok()) {
        members.insert("seq".to_owned(), Value::from(seq));
    }
    Value::Object(members)
}

/// Those of these ids whose point was retracted.
pub async fn retracted(db: &Db, ids: &[&str]) -> Result<BTreeSet<String>> {
    let filter = doc! {"data_point_id": {"$in": ids.to_vec()}, "provost.retracted": true};
    let found = db.members(POINTS, filter, doc! {}, None, &["data_point_id"]).await?;
    Ok(found.iter().filter_map(|document| text(document, "data_point_id")).map(str::to_owned).collect())
}

/// The points of these ids that are there.
pub async fn by_id(db: &Db, ids: &[String]) -> Result<Vec<AdmissionDataPoint>> {
    let filter = doc! {"data_point_id": {"$in": ids}, "provost.present": 1};
    db.all(POINTS, filter, doc! {}, None).await?.iter().map(decode).collect()
}

/// Sends the selected points in id order until the receiver is dropped.
pub fn stream(
    db: &Db,
    runtime: &tokio::runtime::Handle,
    selection: &PointSelection,
) -> mpsc::Receiver<Result<Vec<AdmissionDataPoint>>> {
    let (sender, receiver) = mpsc::channel(STREAM_AHEAD);
    let db = db.clone();
    let mut filter = doc! {"provost.present": 1};
    if selection.verified_only {
        filter.insert("verified", true);
    }
    runtime.spawn(async move {
        if let Err(e) = send(&db, filter, &sender).await {
            let _ = sender.send(Err(e)).await; // the receiver may be gone
        }
    });
    receiver
}

async fn send(db: &Db, filter: Document, to: &mpsc::Sender<Result<Vec<AdmissionDataPoint>>>) -> Result<()> {
    let batch_size = u32::try_from(STREAM_BATCH).ok();
    let mut cursor = db.find(POINTS, filter, doc! {"data_point_id": 1}, batch_size).await?;
    let mut batch = Vec::with_capacity(STREAM_BATCH);
    while within(cursor.advance()).await? {
        batch.push(decode(&cursor.deserialize_current()?)?);
        if batch.len() == STREAM_BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(STREAM_BATCH));
            if to.send(Ok(full)).await.is_err() {
                return Ok(());
            }
        }
    }
    if !batch.is_empty() {
        let _ = to.send(Ok(batch)).await; // the receiver may be gone
    }
    Ok(())
}
