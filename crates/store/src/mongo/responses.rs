//! Responses to repeat for an idempotency key. A key that a new job is about to take carries a claim until the job exists.

use super::connection::{Db, Tries};
use super::documents::number;
use super::response_documents::{RESPONSES, document, expired_at, valid};
use super::settlement;
use crate::error::{Result, StoreError};
use crate::roles::responses::{ResponsesHeld, StoredResponse};
use chrono::{DateTime, Utc};
use mongodb::bson::{Bson, doc};

pub async fn get(db: &Db, key: &str, now: DateTime<Utc>) -> Result<Option<StoredResponse>> {
    match settlement::unclaimed_key(db, key).await? {
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
        let was = settlement::unclaimed_key(db, &response.key).await?;
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
