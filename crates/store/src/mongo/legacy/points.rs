//! Data points of the replaced service are taken over in bulk: each document is read once and written once, with a few commands
//! for thousands of them, whatever the server.
//!
//! One process at a time goes through the documents, the newest first. What it has read is written by one command for each kind
//! of point in a range of ids, while the next range is read. Such a command leaves alone what somebody has written meanwhile.
//! What somebody has put into the range meanwhile, so that nobody has looked at it, is found by the number of documents that
//! were written, and given back.

mod taken;

use super::turn::{SILENCE, Turn};
use super::words::Words;
use crate::error::{Result, StoreError};
use crate::mongo::POINTS;
use crate::mongo::connection::{Db, within};
use crate::mongo::documents::{self, flag, text};
use crate::mongo::points::as_json;
use crate::mongo::totals::{self, Writing};
use mongodb::bson::{Bson, Document, doc};
use provost_domain::AdmissionDataPoint;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use taken::Taken;

/// Documents that are written together. Each command looks at all of them at once.
pub const CHUNK: usize = 20_000;
/// Documents that are judged together, and updates of one document each in one command.
const BATCH: usize = 1000;
/// What others put there meanwhile is gone through as well, so many times.
const PASSES: usize = 3;
/// Between two lines of progress in the log.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Documents that are no point yet, nor refused.
fn new() -> Document {
    doc! {"provost.present": null}
}

/// How far the work is. It is logged at intervals from the beginning, also before the server has sent anything.
struct Progress {
    began: Instant,
    done: AtomicU64,
}

impl Progress {
    fn new() -> Self {
        Self { began: Instant::now(), done: AtomicU64::new(0) } // real time: what the server takes
    }

    async fn told<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(TELL_EVERY) => self.tell(),
            }
        }
    }

    fn tell(&self) {
        let (done, seconds) = (self.done.load(Relaxed), self.began.elapsed().as_secs());
        let per_second = done / seconds.max(1);
        tracing::info!(done, seconds, per_second, "data points of the replaced service are being taken over");
    }
}

/// Converts all points, `chunk` of them at a time; returns how many were read.
pub async fn adopt(db: &Db, chunk: usize, words: &mut Words) -> Result<u64> {
    // Not counted: a server without an index for this reads all documents to count them.
    if db.one(POINTS, new()).await?.is_none() {
        return Ok(0);
    }
    let turn = Turn::take(db, SILENCE).await?;
    let progress = Progress::new();
    turn.during(db, progress.told(all(db, chunk, words, &progress))).await
}

async fn all(db: &Db, chunk: usize, words: &mut Words, progress: &Progress) -> Result<u64> {
    let mut done = 0;
    for _ in 0..PASSES {
        if db.one(POINTS, new()).await?.is_none() {
            break;
        }
        tracing::info!("data points of the replaced service are taken over");
        let begun = totals::is_begun(db).await?;
        let writing = Writing::sign_in(db).await?;
        done += pass(db, chunk, begun, words, progress).await?;
        writing.sign_out(db, None).await?;
    }
    Ok(done)
}

/// The chunk that is being written. Dropped, it is written no further: another process may have the turn by then.
#[derive(Default)]
struct InFlight(Option<tokio::task::JoinHandle<Result<()>>>);

impl InFlight {
    async fn wait(&mut self) -> Result<()> {
        let Some(writing) = &mut self.0 else { return Ok(()) };
        let written = writing.await;
        self.0 = None;
        written.unwrap_or_else(|e| Err(StoreError::Internal(format!("taking points over ended early: {e}"))))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(writing) = &self.0 {
            writing.abort();
        }
    }
}

async fn pass(db: &Db, size: usize, begun: bool, words: &mut Words, progress: &Progress) -> Result<u64> {
    let mut writing = InFlight::default();
    let done = read_and_write(db, size, begun, words, &mut writing, progress).await;
    // Whatever went wrong: nothing is written any more once this has ended.
    let written = writing.wait().await;
    let done = done?;
    written.map(|()| done)
}

async fn read_and_write(
    db: &Db,
    size: usize,
    begun: bool,
    words: &mut Words,
    writing: &mut InFlight,
    progress: &Progress,
) -> Result<u64> {
    let mut done = 0;
    let mut taken = Taken::new(db, begun).await?;
    // The newest of twins comes first.
    let mut read = db.find(POINTS, new(), doc! {"_id": -1}, u32::try_from(2 * BATCH).ok()).await?;
    let mut next = None;
    loop {
        let mut chunk = Chunk::new();
        let mut more = true;
        while more && chunk.ids.len() < size {
            let mut batch: Vec<Document> = Vec::with_capacity(BATCH);
            while batch.len() < BATCH.min(size - chunk.ids.len()) {
                let document = match next.take() {
                    Some(document) => document,
                    None if within(read.advance()).await? => read.deserialize_current()?,
                    None => {
                        more = false;
                        break;
                    }
                };
                // A range of ids is one of ids of one type.
                if chunk.is_other(batch.first(), &document) {
                    (next, more) = (Some(document), false);
                    break;
                }
                batch.push(document);
            }
            progress.done.fetch_add(batch.len() as u64, Relaxed);
            judge_all(db, batch, &mut chunk, &mut taken, words).await?;
        }
        writing.wait().await?;
        if chunk.ids.is_empty() {
            return Ok(done);
        }
        taken.turn();
        done += chunk.ids.len() as u64;
        let db = db.clone();
        writing.0 = Some(tokio::spawn(async move { chunk.write(&db).await }));
    }
}

/// What a document is taken for.
enum Verdict {
    Point(Kind),
    /// A point that is adopted by itself, with the `seq` that it has.
    Single(Box<AdmissionDataPoint>),
    Refused(String),
}

/// Points that one update can adopt together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    usable: bool,
    verified: bool,
}

impl Kind {
    fn meta(self, seq: u64, by: &str) -> Document {
        let (usable, verified) = (self.usable, self.verified);
        // Without a hash of its content, so that a comparison reads the document.
        doc! {
            "w": 1_i64, "by": by, "seq": seq.cast_signed(), "usable": usable, "changes": 1_i64, "present": 1_i64,
            "arrived": i64::from(usable), "arrived_verified": i64::from(usable && verified),
        }
    }
}

fn kind_of(point: &AdmissionDataPoint) -> Kind {
    Kind { usable: point.decision.label().is_some(), verified: point.verified }
}

fn judge(document: &Document) -> std::result::Result<(String, Verdict), String> {
    let point = AdmissionDataPoint::from_value(as_json(document)).map_err(|faults| faults.to_string())?;
    let id = point.data_point_id.clone();
    let plain = point.seq == 0
        && text(document, "decision") == Some(point.decision.as_str())
        && flag(document, "verified") == point.verified;
    let verdict = if plain { Verdict::Point(kind_of(&point)) } else { Verdict::Single(Box::new(point)) };
    Ok((id, verdict))
}

/// Adds what each document is taken for to the chunk.
async fn judge_all(
    db: &Db,
    batch: Vec<Document>,
    chunk: &mut Chunk,
    taken: &mut Taken,
    words: &mut Words,
) -> Result<()> {
    let judged: Vec<_> = batch.iter().map(judge).collect();
    let ids = judged.iter().filter_map(|judged| Some(judged.as_ref().ok()?.0.as_str()));
    let mut twins = taken.among(db, ids).await?;
    for (document, judged) in batch.iter().zip(judged) {
        let verdict = match judged {
            Ok((id, _)) if twins.contains(&id) => {
                Verdict::Refused("a newer document has this data_point_id".to_owned())
            }
            Ok((id, verdict)) => {
                twins.insert(id.clone());
                taken.insert(id);
                verdict
            }
            Err(why) => Verdict::Refused(why),
        };
        if let Verdict::Refused(why) = &verdict {
            words.refused(POINTS, why, document.get("_id"));
        }
        chunk.add(document, verdict);
    }
    Ok(())
}

/// Documents of a range of ids, and what is to be written into them.
struct Chunk {
    /// The newest first of all its documents.
    ids: Vec<Bson>,
    /// The name of this writing.
    by: String,
    /// By kind the decisions that its points have, and how many there are.
    kinds: BTreeMap<Kind, (BTreeSet<String>, u64)>,
    /// Updates of one document each.
    singles: Vec<Document>,
}

impl Chunk {
    fn new() -> Self {
        let by = uuid::Uuid::new_v4().simple().to_string();
        Self { ids: Vec::new(), by, kinds: BTreeMap::new(), singles: Vec::new() }
    }

    /// Whether the document's id is of another type than those of the chunk, or of the batch that is to be added.
    fn is_other(&self, batch: Option<&Document>, document: &Document) -> bool {
        let first = self.ids.first().or_else(|| batch?.get("_id"));
        first.is_some_and(|first| document.get("_id").map(Bson::element_type) != Some(first.element_type()))
    }

    fn range(&self) -> Document {
        doc! {"$gte": self.ids.last().cloned(), "$lte": self.ids.first().cloned()}
    }

    fn add(&mut self, document: &Document, verdict: Verdict) {
        let id = document.get("_id").cloned().unwrap_or(Bson::Null);
        self.ids.push(id.clone());
        let meta = match verdict {
            Verdict::Point(kind) => {
                let (decisions, points) = self.kinds.entry(kind).or_default();
                decisions.extend(text(document, "decision").map(str::to_owned));
                *points += 1;
                return;
            }
            Verdict::Single(point) => kind_of(&point).meta(point.seq, &self.by),
            Verdict::Refused(why) => super::refused(&why),
        };
        self.singles.push(doc! {"q": {"_id": id, "provost.present": null}, "u": {"$set": {documents::META: meta}}});
    }

    async fn write(self, db: &Db) -> Result<()> {
        let mut range = new();
        range.insert("_id", self.range());
        // First: they must not be taken for what the following commands adopt.
        for updates in self.singles.chunks(BATCH) {
            db.update_each(POINTS, updates.to_vec()).await?;
        }
        let mut unseen = false;
        for (kind, (decisions, points)) in &self.kinds {
            let mut filter = range.clone();
            filter.insert("decision", doc! {"$in": Vec::from_iter(decisions)});
            filter.insert("verified", if kind.verified { Bson::from(true) } else { Bson::from(doc! {"$ne": true}) });
            let meta = kind.meta(0, &self.by);
            let written = db.update_all(POINTS, filter, doc! {"$set": {documents::META: meta}}).await?;
            unseen |= written > *points;
        }
        if unseen { self.give_back(db).await } else { Ok(()) }
    }

    /// Makes new again what was written without having been read.
    async fn give_back(&self, db: &Db) -> Result<()> {
        let known: HashSet<String> = self.ids.iter().map(Bson::to_string).collect();
        let written = doc! {"_id": self.range(), "provost.by": self.by.as_str()};
        let written = db.all(POINTS, written, doc! {}, None).await?;
        let unseen =
            written.iter().filter_map(|document| document.get("_id")).filter(|id| !known.contains(&id.to_string()));
        let updates: Vec<Document> = unseen
            .map(|id| {
                let mine = doc! {"_id": id.clone(), "provost.by": self.by.as_str()};
                doc! {"q": mine, "u": {"$unset": {documents::META: ""}}}
            })
            .collect();
        for updates in updates.chunks(BATCH) {
            db.update_each(POINTS, updates.to_vec()).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mongo::server::Server;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_write_ends_with_who_waits_for_it() {
        let (held, ended) = tokio::sync::oneshot::channel::<()>();
        let write = async move {
            let _held = held;
            std::future::pending().await
        };
        let mut writing = InFlight(Some(tokio::spawn(write)));
        assert!(writing.wait().now_or_never().is_none());
        drop(writing);
        assert!(ended.await.is_err(), "it is dropped with all that it holds");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_comes_into_a_range_after_it_was_read_is_left_for_the_next_look() {
        let Some(server) = Server::start() else { return };
        let db = Db::new(&server.database(), None).await.unwrap();
        let document = |id: i32, decision: &str| {
            doc! {"_id": id, "data_point_id": id.to_string(), "profile": {"gpa": 3.7}, "program": {"program_name": "P"}, "decision": decision}
        };
        let mut read = [document(5, "accepted"), document(3, "withdrawn"), document(1, "rejected")];
        read[2].insert("seq", 7); // it is written by itself
        db.insert_all(POINTS, read.to_vec()).await.unwrap();
        let (mut chunk, mut words) = (Chunk::new(), Words::default());
        let mut taken = Taken::new(&db, true).await.unwrap();
        judge_all(&db, read.to_vec(), &mut chunk, &mut taken, &mut words).await.unwrap();
        // An accepted one within the range, which might be a twin or no point at all, and one without.
        db.insert_all(POINTS, vec![document(4, "accepted"), document(6, "accepted")]).await.unwrap();
        chunk.write(&db).await.unwrap();
        let left = db.all(POINTS, new(), doc! {"_id": 1}, None).await.unwrap();
        assert_eq!(left, [document(4, "accepted"), document(6, "accepted")]);
        assert_eq!(db.count(POINTS, doc! {"provost.present": 1}).await.unwrap(), 3);
    }
}
