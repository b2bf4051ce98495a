//! The totals of the stored points.
//!
//! Each point carries what it adds to the totals (`provost.changes`, `present`, `arrived`, `arrived_verified`), written with the
//! point itself, so the totals can be summed again at any time and nothing is counted twice or missed. One document caches the
//! sum: a writer registers there before its first change and deregisters after its last. A writer that was registered alone
//! adds its changes when it deregisters; if two were registered at once, or one never came back, the next reader sums again.

use super::connection::{Db, Tries};
use super::documents::{flag, list, number};
use super::{POINTS, STATE};
use crate::error::Result;
use crate::roles::points::PointTotals;
use chrono::{DateTime, TimeDelta, Utc};
use mongodb::bson::{Bson, Document, doc};
use provost_domain::schedule::Arrivals;

const ID: &str = "points mark";
/// A writer that registered longer ago than this counts as dead.
const LONGEST_WRITING: TimeDelta = TimeDelta::hours(1);

/// What points add to the totals.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Sums {
    pub version: i64,
    pub total: i64,
    pub usable: i64,
    pub verified: i64,
}

impl Sums {
    pub fn plus(self, other: Self) -> Self {
        Self {
            version: self.version + other.version,
            total: self.total + other.total,
            usable: self.usable + other.usable,
            verified: self.verified + other.verified,
        }
    }

    pub fn minus(self, other: Self) -> Self {
        Self {
            version: self.version - other.version,
            total: self.total - other.total,
            usable: self.usable - other.usable,
            verified: self.verified - other.verified,
        }
    }

    fn read(document: &Document) -> Self {
        let sum = |name| number(document, name).unwrap_or(0);
        Self { version: sum("version"), total: sum("total"), usable: sum("usable"), verified: sum("verified") }
    }

    fn write(self, document: &mut Document) {
        document.insert("version", self.version);
        document.insert("total", self.total);
        document.insert("usable", self.usable);
        document.insert("verified", self.verified);
    }

    fn mark(self) -> PointTotals {
        let arrivals = Arrivals { usable: self.usable.cast_unsigned(), verified: self.verified.cast_unsigned() };
        PointTotals { version: self.version.cast_unsigned(), total: self.total.cast_unsigned(), arrivals }
    }
}

/// A writer that has signed in.
pub struct Writing {
    id: String,
}

impl Writing {
    pub async fn sign_in(db: &Db) -> Result<Self> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let entry = doc! {"id": id.as_str(), "at": Utc::now().timestamp_micros()};
        change(db, |document| {
            let mut writing = list(document, "writing").to_vec();
            // Two at once: none of them knows what the sum will be.
            let valid = flag(document, "valid") && writing.is_empty();
            writing.push(Bson::Document(entry.clone()));
            document.insert("writing", writing);
            document.insert("valid", valid);
        })
        .await?;
        Ok(Self { id })
    }

    /// `added`: what its changes add. None: it does not know.
    pub async fn sign_out(self, db: &Db, added: Option<Sums>) -> Result<()> {
        change(db, |document| {
            let before = list(document, "writing");
            let mut writing = before.to_vec();
            writing.retain(|entry| entry.as_document().and_then(|e| e.get_str("id").ok()) != Some(&self.id));
            let alone = writing.is_empty() && before.len() == 1 && flag(document, "valid");
            if let (true, Some(added)) = (alone, added) {
                Sums::read(document).plus(added).write(document);
            } else {
                document.insert("valid", false);
            }
            document.insert("writing", writing);
        })
        .await
    }
}

/// Whether a writer has ever registered, or a reader summed. If not, no point is recorded.
pub async fn is_begun(db: &Db) -> Result<bool> {
    Ok(db.one(STATE, doc! {"_id": ID}).await?.is_some())
}

async fn change(db: &Db, f: impl Fn(&mut Document)) -> Result<()> {
    let mut tries = Tries::default();
    loop {
        tries.spend("the points' mark").await?;
        let was = db.one(STATE, doc! {"_id": ID}).await?;
        let mut document = was.clone().unwrap_or_else(|| doc! {"_id": ID});
        f(&mut document);
        if db.put(STATE, was.as_ref(), document).await? {
            return Ok(());
        }
    }
}

pub async fn read(db: &Db) -> Result<PointTotals> {
    let was = db.one(STATE, doc! {"_id": ID}).await?;
    let quiet = was.as_ref().is_none_or(|d| list(d, "writing").is_empty());
    if let Some(document) = &was
        && quiet
        && flag(document, "valid")
    {
        return Ok(Sums::read(document).mark());
    }
    let sums = sum(db).await?;
    if quiet {
        let mut document = was.clone().unwrap_or_else(|| doc! {"_id": ID});
        sums.write(&mut document);
        document.insert("valid", true);
        // If somebody signed in meanwhile the sum is as good as any, but not for keeping.
        db.put(STATE, was.as_ref(), document).await?;
    }
    Ok(sums.mark())
}

/// One sum at a time: FerretDB 1, which speaks the protocol too, makes but the first of several.
async fn sum(db: &Db) -> Result<Sums> {
    let mut sums = doc! {};
    for (name, member) in
        [("version", "changes"), ("total", "present"), ("usable", "arrived"), ("verified", "arrived_verified")]
    {
        let group = doc! {"$group": {"_id": null, "sum": {"$sum": format!("$provost.{member}")}}};
        let rows = db.aggregate(POINTS, vec![group]).await?;
        sums.insert(name, rows.first().and_then(|row| number(row, "sum")).unwrap_or(0));
    }
    Ok(Sums::read(&sums))
}

/// Signs out those who will not: without them the sum can be kept again.
pub async fn forget_the_dead(db: &Db, now: DateTime<Utc>) -> Result<()> {
    let oldest = (now - LONGEST_WRITING).timestamp_micros();
    let dead = |entry: &Bson| entry.as_document().and_then(|e| e.get_i64("at").ok()).is_none_or(|at| at < oldest);
    let Some(document) = db.one(STATE, doc! {"_id": ID}).await? else { return Ok(()) };
    if list(&document, "writing").iter().any(dead) {
        change(db, |document| {
            let mut writing = list(document, "writing").to_vec();
            writing.retain(|entry| !dead(entry));
            document.insert("writing", writing);
            document.insert("valid", false);
        })
        .await?;
    }
    Ok(())
}
