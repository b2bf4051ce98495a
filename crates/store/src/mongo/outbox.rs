//! Announcements: written into the document whose change they announce, then moved into the outbox. An id is in the outbox
//! once, so that moving twice changes nothing.

use super::connection::{Db, Tries};
use super::documents::{self, flag, list, number, text};
use super::{JOBS, MODELS, STATE, TRIGGERS, UNITS};
use crate::documents::encode;
use crate::error::{Result, StoreError};
use crate::roles::outbox::OutboxMessage;
use mongodb::bson::{Bson, Document, doc};

pub const OUTBOX: &str = "outbox";
/// Collections whose documents may carry announcements.
pub const ANNOUNCERS: [&str; 5] = [JOBS, MODELS, TRIGGERS, UNITS, STATE];
/// Positions of the outbox.
const COUNTER: &str = "outbox position";
const PENDING: i32 = 0;
const SENT: i32 = 1;
const GIVEN_UP: i32 = 2;

/// Announcements with their positions, made before the document that will carry them is written.
pub async fn numbered(db: &Db, messages: &[OutboxMessage]) -> Result<Vec<Bson>> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let texts = messages.iter().map(|m| encode(&format!("outbox message {}", m.id), m)).collect::<Result<Vec<_>>>()?;
    let count = i64::try_from(messages.len()).unwrap_or(i64::MAX);
    let first = db.next(COUNTER, count).await?;
    let rows = messages.iter().zip(texts).zip(first..).map(|((message, text), position)| {
        doc! {"_id": message.id.as_str(), "position": position, "channel": message.channel.as_str(), "sent": PENDING, "document": text}
    });
    Ok(rows.map(Bson::Document).collect())
}

/// Lets a document carry them.
pub fn embed(document: &mut Document, numbered: &[Bson]) {
    if numbered.is_empty() {
        return;
    }
    let mut all = list(document, "provost.outbox").to_vec();
    all.extend_from_slice(numbered);
    documents::set_meta(document, "outbox", all);
    documents::set_meta(document, "announces", true);
}

/// Moves what a document carries into the outbox.
pub async fn flush(db: &Db, collection: &str, id: Bson) -> Result<()> {
    let mut tries = Tries::default();
    loop {
        tries.spend("an announcing document").await?;
        let Some(was) = db.one(collection, doc! {"_id": id.clone()}).await? else { return Ok(()) };
        if !flag(&was, "provost.announces") {
            return Ok(());
        }
        let rows = list(&was, "provost.outbox").iter().filter_map(|row| row.as_document().cloned()).collect();
        db.insert_all(OUTBOX, rows).await?;
        let mut document = was.clone();
        documents::unset_meta(&mut document, "outbox");
        documents::unset_meta(&mut document, "announces");
        if db.put(collection, Some(&was), document).await? {
            return Ok(());
        }
    }
}

/// What writers left in their documents when they died.
pub async fn flush_all(db: &Db) -> Result<()> {
    for collection in ANNOUNCERS {
        // A job that is not there yet announces nothing yet.
        let filter = doc! {"provost.announces": true, "provost.state": {"$nin": ["preparing", "refused"]}};
        for left in db.all(collection, filter, doc! {"_id": 1}, None).await? {
            flush(db, collection, left.get("_id").cloned().unwrap_or(Bson::Null)).await?;
        }
    }
    Ok(())
}

fn pending_in(channel: &str) -> Document {
    doc! {"channel": channel, "sent": PENDING}
}

pub async fn pending(db: &Db, channel: &str, limit: u32) -> Result<Vec<OutboxMessage>> {
    flush_all(db).await?;
    let named = |row: &Document| format!("outbox message {}", text(row, "_id").unwrap_or_default());
    let (mut messages, mut filter) = (Vec::new(), pending_in(channel));
    loop {
        let left = limit.saturating_sub(messages.len() as u32);
        let rows = db.all(OUTBOX, filter.clone(), doc! {"position": 1}, Some(left)).await?;
        messages
            .extend(documents::intact(&db.damage, &rows, named, |row| documents::read(row, "document", &named(row)))?);
        // Damaged ones take no place: enough of them would keep all others from being sent.
        let Some(last) = rows.last().filter(|_| rows.len() == left as usize) else { return Ok(messages) };
        filter.insert("position", doc! {"$gt": number(last, "position").unwrap_or(i64::MIN)});
    }
}

pub async fn count(db: &Db, channel: &str) -> Result<u64> {
    flush_all(db).await?;
    db.count(OUTBOX, pending_in(channel)).await
}

pub async fn sent(db: &Db, ids: Vec<String>) -> Result<()> {
    if !ids.is_empty() {
        db.update_all(OUTBOX, doc! {"_id": {"$in": ids}}, doc! {"$set": {"sent": SENT}}).await?;
    }
    Ok(())
}

pub async fn trim(db: &Db, channel: &str, keep: u64) -> Result<u64> {
    flush_all(db).await?;
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    if let Some(newest) = db.all(OUTBOX, doc! {}, doc! {"position": -1}, Some(1)).await?.first() {
        let last = number(newest, "position").unwrap_or(0).saturating_sub(keep);
        db.remove(OUTBOX, doc! {"position": {"$lte": last}, "sent": {"$ne": PENDING}}).await?;
    }
    let surplus = db.count(OUTBOX, pending_in(channel)).await?.saturating_sub(keep.cast_unsigned());
    let limit = u32::try_from(surplus).unwrap_or(u32::MAX);
    let oldest = db.all(OUTBOX, pending_in(channel), doc! {"position": 1}, Some(limit)).await?;
    let ids: Vec<&str> = oldest.iter().filter_map(|row| text(row, "_id")).collect();
    if ids.len() != oldest.len() {
        return Err(StoreError::Corrupt { what: "the outbox".to_owned(), why: "a row has no id".to_owned() });
    }
    if ids.is_empty() {
        return Ok(0);
    }
    db.update_all(OUTBOX, doc! {"_id": {"$in": ids}, "sent": PENDING}, doc! {"$set": {"sent": GIVEN_UP}}).await
}
