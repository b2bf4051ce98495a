//! What needs a person, a document each.

use super::connection::{Db, Tries};
use super::documents::{self, text};
use crate::documents::Cursor;
use crate::error::{Result, StoreError};
use crate::page::Page;
use chrono::{DateTime, Utc};
use mongodb::bson::{Document, doc};
use provost_domain::need::{Need, NeedDealing, NeedState};

pub const NEEDS: &str = "needs";

fn what(id: &str) -> String {
    format!("need {id}")
}

fn named(document: &Document) -> String {
    what(text(document, "provost.id").unwrap_or_default())
}

fn read(document: &Document) -> Result<Need> {
    documents::read(document, documents::DOCUMENT, &named(document))
}

/// `dealt` is 0 for what waits, 1 for what somebody has acknowledged, 2 for what was withdrawn.
fn document(need: &Need, was: Option<&Document>) -> Result<Document> {
    let dealt: i64 = match (&need.acknowledged, need.withdrawn_at) {
        (Some(_), _) => 1,
        (None, Some(_)) => 2,
        (None, None) => 0,
    };
    let mut meta = was.and_then(|was| was.get_document(documents::META).ok().cloned()).unwrap_or_default();
    meta.extend(documents::listed(&need.need_id, need.since, &what(&need.need_id), need)?);
    meta.insert("dealt", dealt);
    meta.insert("snoozed_until", need.snoozed_until.map_or(0, |until| until.timestamp_micros()));
    match need.dealt_at() {
        Some(at) => meta.insert("dealt_at", at.timestamp_micros()),
        None => meta.remove("dealt_at"),
    };
    let mut document = doc! {"_id": need.need_id.as_str(), "kind": need.kind.as_str(), "fact": need.fact.as_str()};
    document.insert(documents::META, meta);
    Ok(document)
}

async fn found(db: &Db, id: &str) -> Result<Option<Document>> {
    db.one(NEEDS, doc! {"_id": id}).await
}

pub async fn get(db: &Db, id: &str) -> Result<Option<Need>> {
    found(db, id).await?.as_ref().map(read).transpose()
}

pub async fn raise(db: &Db, need: &Need) -> Result<bool> {
    let mut tries = Tries::default();
    loop {
        tries.spend(&what(&need.need_id)).await?;
        let was = found(db, &need.need_id).await?;
        let known = was.as_ref().map(read).transpose()?;
        let (becomes, is_new) = match &known {
            None => (need.clone(), true),
            Some(known) => match known.noticed_again(need) {
                None => return Ok(false),
                Some(becomes) => (becomes, known.dealt_at().is_some()),
            },
        };
        if db.put(NEEDS, was.as_ref(), document(&becomes, was.as_ref())?).await? {
            return Ok(is_new);
        }
    }
}

pub async fn withdraw(db: &Db, id: &str, at: DateTime<Utc>) -> Result<bool> {
    let mut tries = Tries::default();
    loop {
        tries.spend(&what(id)).await?;
        let Some(was) = found(db, id).await? else { return Ok(false) };
        let Some(becomes) = read(&was)?.withdrawn(at) else { return Ok(false) };
        if db.put(NEEDS, Some(&was), document(&becomes, Some(&was))?).await? {
            return Ok(true);
        }
    }
}

fn missing(id: &str) -> StoreError {
    StoreError::NotFound { what: "need", id: id.to_owned() }
}

pub async fn acknowledge(db: &Db, id: &str, dealing: NeedDealing) -> Result<Need> {
    let mut tries = Tries::default();
    loop {
        tries.spend(&what(id)).await?;
        let was = found(db, id).await?.ok_or_else(|| missing(id))?;
        let known = read(&was)?;
        let Some(becomes) = known.acknowledged(dealing.clone()) else { return Ok(known) };
        if db.put(NEEDS, Some(&was), document(&becomes, Some(&was))?).await? {
            return Ok(becomes);
        }
    }
}

pub async fn snooze(db: &Db, id: &str, until: DateTime<Utc>, dealing: NeedDealing) -> Result<Need> {
    let mut tries = Tries::default();
    loop {
        tries.spend(&what(id)).await?;
        let was = found(db, id).await?.ok_or_else(|| missing(id))?;
        let becomes = read(&was)?.snoozed(until, dealing.clone());
        let becomes = becomes.ok_or_else(|| StoreError::Conflict { what: "need", id: id.to_owned() })?;
        if db.put(NEEDS, Some(&was), document(&becomes, Some(&was))?).await? {
            return Ok(becomes);
        }
    }
}

fn in_state(state: Option<NeedState>, now: DateTime<Utc>) -> Document {
    let now = now.timestamp_micros();
    match state {
        None => doc! {},
        Some(NeedState::Open) => doc! {"provost.dealt": 0_i64, "provost.snoozed_until": {"$lte": now}},
        Some(NeedState::Snoozed) => doc! {"provost.dealt": 0_i64, "provost.snoozed_until": {"$gt": now}},
        Some(NeedState::Acknowledged) => doc! {"provost.dealt": 1_i64},
        Some(NeedState::Withdrawn) => doc! {"provost.dealt": 2_i64},
    }
}

pub async fn page(
    db: &Db,
    state: Option<NeedState>,
    now: DateTime<Utc>,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<Need>> {
    let cursor = Cursor::parse('n', cursor)?;
    let (filter, order) = documents::after(in_state(state, now), &cursor);
    let found = db.part(NEEDS, filter, order, limit, documents::DOCUMENT).await?;
    documents::page(&db.damage, 'n', &found, named, read)
}

pub async fn open(db: &Db, now: DateTime<Utc>) -> Result<u64> {
    db.count(NEEDS, in_state(Some(NeedState::Open), now)).await
}
