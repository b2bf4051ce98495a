//! Claims, and how they come to an end: what [`creation`](super::creation) begins, and whoever meets a claim completes.

use super::claim::{Claim, Claimed};
use super::connection::{Db, Tries};
use super::documents::{self, list, text};
use super::response_documents::{self, RESPONSES};
use super::{JOBS, TRIGGERS, jobs, outbox, trigger_documents};
use crate::documents::decode;
use crate::error::{Result, StoreError};
use crate::roles::responses::StoredResponse;
use crate::roles::triggers::TriggerRecord;
use futures_util::future::BoxFuture;
use mongodb::bson::{Bson, Document, doc};
use provost_domain::JobId;
use serde::{Deserialize, Serialize};

/// What a new job claims besides its own document, in the order of the claims.
#[derive(Serialize, Deserialize)]
pub struct Takes {
    pub response: Option<StoredResponse>,
    pub triggers: Vec<TriggerRecord>,
}

/// The outcome of a new job.
#[derive(PartialEq)]
pub enum Fate {
    There,
    /// It was refused and removed, or never existed.
    Gone,
}

/// Brings a new job to its outcome: created, or refused and removed.
pub fn advance<'a>(db: &'a Db, id: &'a str) -> BoxFuture<'a, Result<Fate>> {
    Box::pin(async move {
        let mut tries = Tries::default();
        let claim = Claim::of(id);
        loop {
            tries.spend("a new job").await?;
            let Some(was) = db.one(JOBS, doc! {"_id": id}).await? else { return Ok(Fate::Gone) };
            let takes =
                text(&was, "provost.takes").map(|text| decode::<Takes>("what a job takes", text)).transpose()?;
            match (text(&was, "provost.state"), takes) {
                (Some(jobs::PREPARING), Some(takes)) => {
                    let mut next = was.clone();
                    let state = if claim_all(db, &takes, &claim).await? { jobs::THERE } else { jobs::REFUSED };
                    documents::set_meta(&mut next, "state", state);
                    db.put(JOBS, Some(&was), next).await?;
                }
                (Some(jobs::REFUSED), Some(takes)) => {
                    release(db, &takes, &claim).await?;
                    if db.take(JOBS, &was).await? {
                        return Ok(Fate::Gone);
                    }
                }
                (_, Some(takes)) => {
                    let job = jobs::id_of(&was)?;
                    for trigger in &takes.triggers {
                        trigger_documents::lead_to(db, trigger, &claim, &job).await?;
                    }
                    if let Some(response) = &takes.response {
                        response_documents::settle(db, response, &claim).await?;
                    }
                    let mut next = was.clone();
                    documents::unset_meta(&mut next, "takes");
                    db.put(JOBS, Some(&was), next).await?;
                }
                (_, None) => {
                    outbox::flush(db, JOBS, Bson::from(id)).await?;
                    return Ok(Fate::There);
                }
            }
        }
    })
}

async fn claim_all(db: &Db, takes: &Takes, claim: &Claim) -> Result<bool> {
    if let Some(response) = &takes.response
        && !claim_key(db, response, claim).await?
    {
        return Ok(false);
    }
    for trigger in &takes.triggers {
        if !claim_trigger(db, trigger, claim).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn release(db: &Db, takes: &Takes, claim: &Claim) -> Result<()> {
    if let Some(response) = &takes.response {
        response_documents::drop_claim(db, &response.key, claim).await?;
    }
    for trigger in &takes.triggers {
        trigger_documents::drop_claim(db, &trigger.id, claim).await?;
    }
    Ok(())
}

/// Completes or refuses the job that holds a claim. If the claim still exists afterwards, it was made by a process that did not
/// know that end, and must be removed.
pub async fn resolve(db: &Db, claim: &Claim) -> Result<()> {
    let Some(joining) = &claim.joining else {
        return advance(db, &claim.job).await.map(|_| ());
    };
    let mut tries = Tries::default();
    loop {
        tries.spend("a joined job").await?;
        let Some(was) = jobs::find_text(db, &claim.job).await? else { return Ok(()) };
        if joinings(&was).any(|(name, _)| name == joining) {
            return finish_joinings(db, &claim.job).await;
        }
        if db.put(JOBS, Some(&was), was.clone()).await? {
            return Ok(());
        }
    }
}

fn joinings(job: &Document) -> impl Iterator<Item = (&str, &str)> {
    list(job, "provost.joinings").iter().filter_map(|entry| {
        let entry = entry.as_document()?;
        Some((entry.get_str("name").ok()?, entry.get_str("triggers").ok()?))
    })
}

/// Turns the claims of joinings that have been saved into facts.
pub async fn finish_joinings(db: &Db, job: &str) -> Result<()> {
    let mut tries = Tries::default();
    loop {
        tries.spend("a joined job").await?;
        let Some(was) = jobs::find_text(db, job).await? else { return Ok(()) };
        if list(&was, "provost.joinings").is_empty() {
            return Ok(());
        }
        let id: JobId = jobs::id_of(&was)?;
        for (name, text) in joinings(&was) {
            let claim = Claim { job: job.to_owned(), joining: Some(name.to_owned()) };
            for trigger in decode::<Vec<TriggerRecord>>("the triggers that join", text)? {
                trigger_documents::lead_to(db, &trigger, &claim, &id).await?;
            }
        }
        let mut next = was.clone();
        documents::unset_meta(&mut next, "joinings");
        if db.put(JOBS, Some(&was), next).await? {
            return Ok(());
        }
    }
}

/// Completes what processes began that have died since.
pub async fn finish_all(db: &Db) -> Result<()> {
    let begun = doc! {"$or": [
        {"provost.state": {"$in": [jobs::PREPARING, jobs::REFUSED]}},
        {"provost.takes": {"$exists": true}},
        {"provost.joinings": {"$exists": true}},
    ]};
    for job in db.all(JOBS, begun, doc! {"_id": 1}, None).await? {
        let id = text(&job, "_id").ok_or_else(|| StoreError::Internal("a job without an id".to_owned()))?;
        advance(db, id).await?;
        finish_joinings(db, id).await?;
    }
    Ok(())
}

/// Reserves a trigger for a job; false if it has led to something else.
pub async fn claim_trigger(db: &Db, trigger: &TriggerRecord, claim: &Claim) -> Result<bool> {
    let mut tries = Tries::default();
    loop {
        tries.spend("a trigger").await?;
        match trigger_documents::claim(db, trigger, claim).await? {
            Claimed::Mine => return Ok(true),
            Claimed::Refused => return Ok(false),
            Claimed::Held(other) => end_trigger_claim(db, &trigger.id, &other).await?,
        }
    }
}

/// Reserves a key for a job; false if it has a response that is not this job's.
async fn claim_key(db: &Db, response: &StoredResponse, claim: &Claim) -> Result<bool> {
    let mut tries = Tries::default();
    loop {
        tries.spend("an idempotency key").await?;
        match response_documents::claim(db, response, claim).await? {
            Claimed::Mine => return Ok(true),
            Claimed::Refused => return Ok(false),
            Claimed::Held(other) => end_key_claim(db, &response.key, &other).await?,
        }
    }
}

/// The document of a trigger that nobody claims.
pub async fn unclaimed_trigger(db: &Db, id: &str) -> Result<Option<Document>> {
    let mut tries = Tries::default();
    loop {
        tries.spend("a trigger").await?;
        let Some(document) = db.one(TRIGGERS, doc! {"_id": id}).await? else { return Ok(None) };
        match Claim::on(&document) {
            None => return Ok(Some(document)),
            Some(claim) => end_trigger_claim(db, id, &claim).await?,
        }
    }
}

/// The document of a key that nobody claims.
pub async fn unclaimed_key(db: &Db, key: &str) -> Result<Option<Document>> {
    let mut tries = Tries::default();
    loop {
        tries.spend("an idempotency key").await?;
        let Some(document) = db.one(RESPONSES, doc! {"_id": key}).await? else { return Ok(None) };
        match Claim::on(&document) {
            None => return Ok(Some(document)),
            Some(claim) => end_key_claim(db, key, &claim).await?,
        }
    }
}

/// Leads the job that claims this trigger to its end; afterwards the claim is gone.
pub async fn end_trigger_claim(db: &Db, id: &str, claim: &Claim) -> Result<()> {
    resolve(db, claim).await?;
    trigger_documents::drop_claim(db, id, claim).await
}

async fn end_key_claim(db: &Db, key: &str, claim: &Claim) -> Result<()> {
    resolve(db, claim).await?;
    response_documents::drop_claim(db, key, claim).await
}
