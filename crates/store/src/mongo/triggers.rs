//! Triggers. A trigger that a job is about to take carries a claim; every reader settles the
//! claims that it meets first.

use super::claim::Claim;
use super::connection::{Db, Tries};
use super::documents::{self, text};
use super::trigger_documents::{document, named, read, what};
use super::{TRIGGERS, outbox, settlement};
use crate::documents::Cursor;
use crate::error::Result;
use crate::page::Page;
use crate::roles::outbox::OutboxMessage;
use crate::roles::triggers::TriggerRecord;
use mongodb::bson::{Document, doc};

/// Records a trigger unless there is one of this id; returns whether it is new.
pub async fn add(db: &Db, record: &TriggerRecord, announced: &[OutboxMessage]) -> Result<bool> {
    let mut tries = Tries::default();
    loop {
        tries.spend(&what(&record.id)).await?;
        if settlement::unclaimed_trigger(db, &record.id).await?.is_some() {
            return Ok(false);
        }
        let mut new = document(record, None)?;
        outbox::embed(&mut new, &outbox::numbered(db, announced).await?);
        if db.put(TRIGGERS, None, new).await? {
            if !announced.is_empty() {
                outbox::flush(db, TRIGGERS, record.id.as_str().into()).await?;
            }
            return Ok(true);
        }
    }
}

pub async fn pending(db: &Db) -> Result<Vec<TriggerRecord>> {
    let mut tries = Tries::default();
    loop {
        tries.spend("the pending triggers").await?;
        let order = doc! {"provost.at": 1, "provost.id": 1};
        let found = db.all(TRIGGERS, doc! {"provost.pending": true}, order, None).await?;
        if !end_claims(db, &found).await? {
            return documents::intact(&db.damage, &found, named, read);
        }
    }
}

/// Settles the claims on these triggers; returns whether there were any.
async fn end_claims(db: &Db, found: &[Document]) -> Result<bool> {
    let mut any = false;
    for document in found {
        if let Some(claim) = Claim::on(document) {
            settlement::end_trigger_claim(db, text(document, "_id").unwrap_or_default(), &claim).await?;
            any = true;
        }
    }
    Ok(any)
}

pub async fn settle(db: &Db, id: &str, outcome: String) -> Result<bool> {
    let mut tries = Tries::default();
    loop {
        tries.spend(&what(id)).await?;
        let Some(was) = settlement::unclaimed_trigger(db, id).await? else { return Ok(false) };
        let mut record = read(&was)?;
        if !record.is_pending() {
            return Ok(false);
        }
        record.outcome = Some(outcome.clone());
        if db.put(TRIGGERS, Some(&was), document(&record, Some(&was))?).await? {
            return Ok(true);
        }
    }
}

/// Whether one of these has led to something already.
pub async fn any_settled(db: &Db, triggers: &[TriggerRecord]) -> Result<bool> {
    for trigger in triggers {
        if let Some(document) = settlement::unclaimed_trigger(db, &trigger.id).await?
            && !read(&document)?.is_pending()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

pub async fn list(db: &Db, cursor: Option<&str>, limit: u32) -> Result<Page<TriggerRecord>> {
    let cursor = Cursor::parse('t', cursor)?;
    let mut tries = Tries::default();
    loop {
        tries.spend("the triggers").await?;
        let (filter, order) = documents::after(doc! {"provost.document": {"$exists": true}}, &cursor);
        let found = db.part(TRIGGERS, filter, order, limit, documents::DOCUMENT).await?;
        if !end_claims(db, &found.documents).await? {
            return documents::page(&db.damage, 't', &found, named, read);
        }
    }
}
