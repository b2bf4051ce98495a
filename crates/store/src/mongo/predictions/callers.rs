//! How many entries of the prediction log each caller has. The counts are changed behind the entries, so that a crash may leave them
//! a little wrong; where they are far from the size of the log, all entries are counted anew.

use super::PREDICTIONS;
use crate::error::Result;
use crate::mongo::connection::Db;
use crate::mongo::documents::{number, text};
use mongodb::bson::{Document, doc};
use std::collections::BTreeMap;

const CALLERS: &str = "prediction_callers";
/// The member of an entry that names who asked. Older entries have none, and are those of a caller without a name.
pub const CALLER: &str = "caller";

/// Adds these changes to the counts of the callers.
pub async fn count<'a>(db: &Db, changes: impl Iterator<Item = (&'a str, i64)>) -> Result<()> {
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    changes.for_each(|(caller, change)| *sums.entry(caller).or_default() += change);
    let update = |(caller, change): (&str, i64)| {
        doc! {"q": {"_id": caller}, "u": {"$inc": {"entries": change}}, "upsert": true}
    };
    db.update_each(CALLERS, sums.into_iter().map(update).collect()).await.map(|_| ())
}

/// What finds the entries of a caller.
pub fn entries_of(caller: &str) -> Document {
    match caller {
        "" => doc! {CALLER: {"$in": ["", null]}},
        named => doc! {CALLER: named},
    }
}

/// A caller that was thought to have entries has none left.
pub async fn has_none(db: &Db, caller: &str) -> Result<()> {
    db.remove(CALLERS, doc! {"_id": caller}).await.map(|_| ())
}

/// How many entries each caller has.
pub async fn counts(db: &Db) -> Result<Vec<(String, u64)>> {
    let read = |document: &Document, name: &str| {
        let entries = number(document, "entries").and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        (text(document, name).unwrap_or_default().to_owned(), entries)
    };
    db.remove(CALLERS, doc! {"entries": {"$lte": 0}}).await?;
    let known = db.all(CALLERS, doc! {}, doc! {}, None).await?;
    let known: Vec<(String, u64)> = known.iter().map(|document| read(document, "_id")).collect();
    let (size, sum) = (db.size(PREDICTIONS).await?, known.iter().map(|(_, entries)| entries).sum::<u64>());
    if sum.abs_diff(size) <= size / 100 {
        return Ok(known);
    }
    // In the order of the index, so that the index is read and no document.
    let in_order = doc! {"$sort": {CALLER: 1}};
    let by_caller = doc! {"$group": {"_id": format!("${CALLER}"), "entries": {"$sum": 1}}};
    let counted = db.aggregate(PREDICTIONS, vec![in_order, by_caller]).await?;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (caller, entries) in counted.iter().map(|document| read(document, "_id")) {
        *counts.entry(caller).or_default() += entries;
    }
    db.remove(CALLERS, doc! {}).await?;
    let put = |(caller, entries): (&String, &u64)| {
        doc! {"q": {"_id": caller.as_str()}, "u": {"$set": {"entries": entries.cast_signed()}}, "upsert": true}
    };
    db.update_each(CALLERS, counts.iter().map(put).collect()).await?;
    Ok(counts.into_iter().collect())
}
