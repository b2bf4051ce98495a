//! Responses to repeat for an idempotency key. A key that a job's creation has in hand carries a claim until the job is there.

use super::connection::{Db, Tries};
use super::creation::{self, Claim};
use super::documents::{self, at, number, text};
use crate::error::{Result, StoreError};
use crate::sqlite::documents::encode;
use crate::store::{RESPONSE_LIFETIME_HOURS, ResponsesHeld, StoredResponse};
use chrono::{DateTime, TimeDelta, Utc};
use mongodb::bson::{Bson, Document, doc};

pub const RESPONSES: &str = "responses";

/// Responses that were stored at this time or before have expired.
fn expired_at(now: DateTime<Utc>) -> i64 {
    (now - TimeDelta::hours(RESPONSE_LIFETIME_HOURS)).timestamp_micros()
}

/// The response in a document, unless it has expired.
fn valid(document: &Document, now: DateTime<Utc>) -> Result<Option<StoredResponse>> {
    if text(document, "document").is_none() || number(document, "at").is_none_or(|at| at <= expired_at(now)) {
        return Ok(None);
    }
    documents::read(document, "document", "a stored response").map(Some)
}

/// The document of a key, once nobody claims it.
async fn settled(db: &Db, key: &str) -> Result<Option<Document>> {
    let mut tries = Tries::default();
    loop {
        tries.spend("an idempotency key").await?;
        let Some(document) = db.one(RESPONSES, doc! {"_id": key}).await? else { return Ok(None) };
        match Claim::on(&document) {
            None => return Ok(Some(document)),
            Some(claim) => see_to(db, key, &claim).await?,
        }
    }
}

async fn see_to(db: &Db, key: &str, claim: &Claim) -> Result<()> {
    creation::resolve(db, claim).await?;
    drop_claim(db, key, claim).await
}

pub async fn get(db: &Db, key: &str, now: DateTime<Utc>) -> Result<Option<StoredResponse>> {
    match settled(db, key).await? {
        Some(document) => valid(&document, now),
        None => Ok(None),
    }
}

/// Stores a response unless its key has one, and removes those that have expired by its time.
pub async fn store(db: &Db, response: StoredResponse) -> Result<StoredResponse> {
    let expired = doc! {"at": {"$lte": expired_at(response.at)}, "provost.claim": {"$exists": false}};
    db.remove(RESPONSES, expired).await?;
    let mut tries = Tries::default();
    loop {
        tries.spend("an idempotency key").await?;
        let was = settled(db, &response.key).await?;
        if let Some(document) = &was
            && let Some(known) = valid(document, response.at)?
        {
            return Ok(known);
        }
        if db.put(RESPONSES, was.as_ref(), document(&response, None)?).await? {
            return Ok(response);
        }
    }
}

fn document(response: &StoredResponse, job: Option<&str>) -> Result<Document> {
    let text = encode("a response", response)?;
    let bytes = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let mut document = reserved(response);
    document.extend(doc! {"document": text, "bytes": bytes, "job": job});
    Ok(document)
}

/// The document of a key that has no response yet.
fn reserved(response: &StoredResponse) -> Document {
    let at = response.at.timestamp_micros();
    doc! {"_id": response.key.as_str(), "at": at, "owner": response.owner.as_str()}
}

pub async fn held(db: &Db, owner: &str, now: DateTime<Utc>) -> Result<ResponsesHeld> {
    let filter = doc! {"owner": owner, "at": {"$gt": expired_at(now)}};
    // One sum at a time: FerretDB 1.24 gives the first accumulator of a group all documents, and the second one none.
    let sum = async |of: Bson| {
        let group = doc! {"$group": {"_id": null, "sum": {"$sum": of}}};
        let rows = db.aggregate(RESPONSES, vec![doc! {"$match": filter.clone()}, group]).await?;
        Ok::<u64, StoreError>(rows.first().and_then(|row| number(row, "sum")).unwrap_or(0).cast_unsigned())
    };
    let keys = sum(Bson::from(1)).await?;
    if keys == 0 {
        return Ok(ResponsesHeld::default());
    }
    let bytes = sum(Bson::from("$bytes")).await?;
    let oldest = db.all(RESPONSES, filter.clone(), doc! {"at": 1}, Some(1)).await?;
    let oldest = oldest.first().and_then(|first| number(first, "at")).and_then(DateTime::from_timestamp_micros);
    Ok(ResponsesHeld { keys, bytes, oldest })
}

/// Reserves the key for a job; false if it has a response that is not this job's.
pub async fn claim(db: &Db, response: &StoredResponse, claim: &Claim) -> Result<bool> {
    let mut tries = Tries::default();
    loop {
        tries.spend("an idempotency key").await?;
        let was = db.one(RESPONSES, doc! {"_id": response.key.as_str()}).await?;
        if let Some(document) = &was {
            match Claim::on(document) {
                Some(other) if other == *claim => return Ok(true),
                Some(other) => {
                    see_to(db, &response.key, &other).await?;
                    continue;
                }
                None if valid(document, response.at)?.is_some() => {
                    return Ok(text(document, "job") == Some(&claim.job));
                }
                None => {}
            }
        }
        let mut claimed = was.clone().unwrap_or_else(|| reserved(response));
        claim.put_on(&mut claimed);
        if db.put(RESPONSES, was.as_ref(), claimed).await? {
            return Ok(true);
        }
    }
}

/// Writes the response of a job that is there.
pub async fn settle(db: &Db, response: &StoredResponse, claim: &Claim) -> Result<()> {
    let mut tries = Tries::default();
    loop {
        tries.spend("an idempotency key").await?;
        let Some(was) = db.one(RESPONSES, doc! {"_id": response.key.as_str()}).await? else { return Ok(()) };
        if Claim::on(&was).as_ref() != Some(claim) {
            return Ok(());
        }
        if db.put(RESPONSES, Some(&was), document(response, Some(&claim.job))?).await? {
            return Ok(());
        }
    }
}

/// Takes back the claim of a job that will not be.
pub async fn drop_claim(db: &Db, key: &str, claim: &Claim) -> Result<()> {
    let mut tries = Tries::default();
    loop {
        tries.spend("an idempotency key").await?;
        let Some(was) = db.one(RESPONSES, doc! {"_id": key}).await? else { return Ok(()) };
        if Claim::on(&was).as_ref() != Some(claim) {
            return Ok(());
        }
        let dropped = if at(&was, "document").is_none() {
            db.take(RESPONSES, &was).await?
        } else {
            let mut document = was.clone();
            documents::unset_meta(&mut document, "claim");
            db.put(RESPONSES, Some(&was), document).await?
        };
        if dropped {
            return Ok(());
        }
    }
}
