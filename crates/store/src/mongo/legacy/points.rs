//! Data points of the replaced service are taken over in bulk: a few commands for thousands of documents, whatever the server.
//!
//! A chunk is claimed first: one command writes a name of this process's own into every new document of a range of ids. What is
//! read under that name stays as it was read, since whoever writes a point replaces the name; so one command more for each
//! kind of point does the rest. A claim that a crash leaves is an unfinished document, as the next start sees it.

use super::words::Words;
use crate::error::Result;
use crate::mongo::POINTS;
use crate::mongo::connection::{Db, within};
use crate::mongo::documents::{self, flag, text};
use crate::mongo::mark::Writing;
use crate::mongo::points::as_json;
use mongodb::bson::{Bson, Document, doc};
use provost_domain::AdmissionDataPoint;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

/// Documents that are claimed together. Each command looks at all of them at once.
const CHUNK: usize = 20_000;
/// Updates of one document each in one command.
const UPDATES: usize = 1000;
/// Between two lines of progress in the log.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Documents that are no point yet, nor refused.
fn new() -> Document {
    doc! {"provost.present": null}
}

/// How many were looked at.
pub async fn adopt(db: &Db, words: &mut Words) -> Result<u64> {
    let all = db.count(POINTS, new()).await?;
    if all == 0 {
        return Ok(0);
    }
    tracing::info!(points = all, "data points of the replaced service are taken over");
    let began = Instant::now(); // real time: what the server takes
    let mut told = began;
    let writing = Writing::sign_in(db).await?;
    let mut taken = Taken::new(db).await?;
    let mut done = 0;
    // The newest of twins comes first.
    let mut ids = db.find_ids(POINTS, new(), doc! {"_id": -1}, 10_000).await?;
    let mut next = None;
    loop {
        // Ids of one type: a range of ids holds no others.
        let mut chunk: Vec<Bson> = next.take().into_iter().collect();
        while chunk.len() < CHUNK && within(ids.advance()).await? {
            let id = ids.deserialize_current()?.remove("_id").unwrap_or(Bson::Null);
            if chunk.first().is_some_and(|first| first.element_type() != id.element_type()) {
                next = Some(id);
                break;
            }
            chunk.push(id);
        }
        let (Some(newest), Some(oldest)) = (chunk.first(), chunk.last()) else { break };
        let range = doc! {"$gte": oldest.clone(), "$lte": newest.clone()};
        done += adopt_range(db, range, &mut taken, words).await?;
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            let per_second = (done as f64 / began.elapsed().as_secs_f64()) as u64;
            tracing::info!(done, of = all, per_second, "data points of the replaced service are being taken over");
        }
    }
    writing.sign_out(db, None).await?;
    Ok(done)
}

/// Ids of points that are there. Of those that were seen in earlier chunks only hashes are kept: the database is asked
/// whether a hit is one.
struct Taken {
    /// Whether the database had points before.
    recorded: bool,
    earlier: HashSet<u64>,
    /// Of the chunk at hand, whose points the database does not count yet.
    present: HashSet<String>,
}

impl Taken {
    async fn new(db: &Db) -> Result<Self> {
        let counted = doc! {"provost.present": {"$in": [0, 1]}, "provost.refused": {"$exists": false}};
        let recorded = db.one(POINTS, counted).await?.is_some();
        Ok(Self { recorded, earlier: HashSet::new(), present: HashSet::new() })
    }

    fn hash(id: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        hasher.finish()
    }

    /// Those of these ids that a point has.
    async fn among(&self, db: &Db, ids: impl Iterator<Item = &str>) -> Result<HashSet<String>> {
        let (mut there, mut asked) = (HashSet::new(), Vec::new());
        for id in ids {
            if self.present.contains(id) {
                there.insert(id.to_owned());
            } else if self.recorded || self.earlier.contains(&Self::hash(id)) {
                asked.push(id);
            }
        }
        if !asked.is_empty() {
            let counted = doc! {
                "data_point_id": {"$in": asked}, "provost.present": {"$in": [0, 1]}, "provost.refused": {"$exists": false},
            };
            let found = db.all(POINTS, counted, doc! {}, None).await?;
            there.extend(found.iter().filter_map(|document| Some(text(document, "data_point_id")?.to_owned())));
        }
        Ok(there)
    }

    fn extend(&mut self, ids: &HashSet<String>) {
        self.present.extend(ids.iter().cloned());
    }

    /// The chunk at hand is done.
    fn settle(&mut self) {
        self.earlier.extend(self.present.drain().map(|id| Self::hash(&id)));
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
    fn meta(self, seq: u64) -> Document {
        let (usable, verified) = (self.usable, self.verified);
        // Without a hash of its content: whoever compares reads the document.
        doc! {
            "w": 2_i64, "seq": seq.cast_signed(), "usable": usable, "changes": 1_i64, "present": 1_i64,
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

async fn adopt_range(db: &Db, range: Document, taken: &mut Taken, words: &mut Words) -> Result<u64> {
    let token = uuid::Uuid::new_v4().simple().to_string();
    let mut claimable = new();
    claimable.insert("_id", range.clone());
    let claimed = doc! {"_id": range, "provost.by": token.as_str(), "provost.present": null};
    let claim = doc! {"w": 1_i64, "by": token.as_str()};
    db.update_all(POINTS, claimable, doc! {"$set": {documents::META: claim}}).await?;
    let mut kinds: BTreeMap<Kind, BTreeSet<String>> = BTreeMap::new();
    let mut singles = Vec::new();
    let mut seen = 0;
    let mut read = db.find(POINTS, claimed.clone(), doc! {"_id": -1}, Some(2000)).await?;
    let mut more = true;
    while more {
        let mut batch = Vec::with_capacity(UPDATES);
        while batch.len() < UPDATES && more {
            more = within(read.advance()).await?;
            if more {
                let document = read.deserialize_current()?;
                batch.push((judge(&document), document));
            }
        }
        seen += batch.len() as u64;
        let ids = batch.iter().filter_map(|(judged, _)| Some(judged.as_ref().ok()?.0.as_str()));
        let mut twins = taken.among(db, ids).await?;
        for (judged, document) in batch {
            let verdict = match judged {
                Ok((id, _)) if twins.contains(&id) => {
                    Verdict::Refused("a newer document has this data_point_id".to_owned())
                }
                Ok((id, verdict)) => {
                    twins.insert(id);
                    verdict
                }
                Err(why) => Verdict::Refused(why),
            };
            let meta = match verdict {
                Verdict::Point(kind) => {
                    kinds.entry(kind).or_default().extend(text(&document, "decision").map(str::to_owned));
                    continue;
                }
                Verdict::Single(point) => kind_of(&point).meta(point.seq),
                Verdict::Refused(why) => {
                    words.refused(POINTS, &why, document.get("_id"));
                    super::refused(&why)
                }
            };
            let id = document.get("_id").cloned().unwrap_or(Bson::Null);
            let mine = doc! {"_id": id, "provost.by": token.as_str()};
            singles.push(doc! {"q": mine, "u": {"$set": {documents::META: meta}}});
        }
        taken.extend(&twins);
    }
    // First: they must not be taken for what the following commands adopt.
    for updates in singles.chunks(UPDATES) {
        db.update_each(POINTS, updates.to_vec()).await?;
    }
    for (kind, decisions) in kinds {
        let mut filter = claimed.clone();
        filter.insert("decision", doc! {"$in": Vec::from_iter(decisions)});
        filter.insert("verified", if kind.verified { Bson::from(true) } else { Bson::from(doc! {"$ne": true}) });
        db.update_all(POINTS, filter, doc! {"$set": {documents::META: kind.meta(0)}}).await?;
    }
    taken.settle();
    Ok(seen)
}
