//! Which ids of points are there already.

use crate::error::Result;
use crate::mongo::POINTS;
use crate::mongo::connection::Db;
use crate::mongo::documents::text;
use mongodb::bson::{Document, doc};
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// Ids of points that are there. Of those that were written only hashes are kept: the database is asked whether a hit is one.
pub struct Taken {
    /// Whether the database had points before.
    recorded: bool,
    earlier: HashSet<u64>,
    /// Of the chunk that is being written.
    writing: HashSet<String>,
    /// Of the chunk at hand.
    present: HashSet<String>,
}

fn counted() -> Document {
    doc! {"provost.present": {"$in": [0, 1]}, "provost.refused": {"$exists": false}}
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

impl Taken {
    /// `begun`: whether somebody may have recorded points before. A server without an index reads all documents to find out.
    pub async fn new(db: &Db, begun: bool) -> Result<Self> {
        let recorded = begun && db.one(POINTS, counted()).await?.is_some();
        Ok(Self { recorded, earlier: HashSet::new(), writing: HashSet::new(), present: HashSet::new() })
    }

    /// Those of these ids that a point has.
    pub async fn among(&self, db: &Db, ids: impl Iterator<Item = &str>) -> Result<HashSet<String>> {
        let (mut there, mut asked) = (HashSet::new(), Vec::new());
        for id in ids {
            if self.present.contains(id) || self.writing.contains(id) {
                there.insert(id.to_owned());
            } else if self.recorded || self.earlier.contains(&hash(id)) {
                asked.push(id);
            }
        }
        if !asked.is_empty() {
            let mut filter = counted();
            filter.insert("data_point_id", doc! {"$in": asked});
            let found = db.all(POINTS, filter, doc! {}, None).await?;
            there.extend(found.iter().filter_map(|document| Some(text(document, "data_point_id")?.to_owned())));
        }
        Ok(there)
    }

    pub fn insert(&mut self, id: String) {
        self.present.insert(id);
    }

    /// The chunk before the one at hand is written, and this one is next.
    pub fn turn(&mut self) {
        self.earlier.extend(self.writing.drain().map(|id| hash(&id)));
        std::mem::swap(&mut self.writing, &mut self.present);
    }
}
