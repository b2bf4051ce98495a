//! The documents of idempotency keys with their responses, and the claims on them.

use super::claim::{Claim, Claimed};
use super::connection::{Db, Tries};
use super::documents::{self, at, number, text};
use crate::documents::encode;
use crate::error::Result;
use crate::roles::responses::{RESPONSE_LIFETIME_HOURS, StoredResponse};
use chrono::{DateTime, TimeDelta, Utc};
use mongodb::bson::{Document, doc};

pub const RESPONSES: &str = "responses";

/// Responses that were stored at this time or before have expired.
pub fn expired_at(now: DateTime<Utc>) -> i64 {
    (now - TimeDelta::hours(RESPONSE_LIFETIME_HOURS)).timestamp_micros()
}

/// The response in a document, unless it has expired.
pub fn valid(document: &Document, now: DateTime<Utc>) -> Result<Option<StoredResponse>> {
    if text(document, "document").is_none() || number(document, "at").is_none_or(|at| at <= expired_at(now)) {
        return Ok(None);
    }
    documents::read(document, "document", "a stored response").map(Some)
}

pub fn document(response: &StoredResponse, job: Option<&str>) -> Result<Document> {
    let text = encode("a response", response)?;
    let bytes = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let mut document = reserved(response);
    document.extend(doc! {"document": text, "bytes": bytes, "job": job});
    Ok(document)
}

/// The document of a key that has no response yet.
pub fn reserved(response: &StoredResponse) -> Document {
    let at = response.at.timestamp_micros();
    doc! {"_id": response.key.as_str(), "at": at, "owner": response.owner.as_str()}
}

/// Reserves the key for a job, unless it has a response that is not this job's.
pub async fn claim(db: &Db, response: &StoredResponse, claim: &Claim) -> Result<Claimed> {
    let mut tries = Tries::default();
    loop {
        tries.spend("an idempotency key").await?;
        let was = db.one(RESPONSES, doc! {"_id": response.key.as_str()}).await?;
        if let Some(document) = &was {
            match Claim::on(document) {
                Some(other) if other == *claim => return Ok(Claimed::Mine),
                Some(other) => return Ok(Claimed::Held(other)),
                None if valid(document, response.at)?.is_some() => {
                    let mine = text(document, "job") == Some(&claim.job);
                    return Ok(if mine { Claimed::Mine } else { Claimed::Refused });
                }
                None => {}
            }
        }
        let mut claimed = was.clone().unwrap_or_else(|| reserved(response));
        claim.put_on(&mut claimed);
        if db.put(RESPONSES, was.as_ref(), claimed).await? {
            return Ok(Claimed::Mine);
        }
    }
}

/// Writes the response of an existing job.
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
