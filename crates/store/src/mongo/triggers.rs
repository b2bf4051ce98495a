//! Triggers, and the schedule. A trigger that a job's creation or a joining has in hand carries a claim; whoever meets one sees to
//! its end first.

use super::connection::{Db, Tries};
use super::creation::{self, Claim};
use super::documents::{self, flag, text};
use super::outbox;
use super::{STATE, TRIGGERS};
use crate::error::Result;
use crate::sqlite::documents::{Cursor, encode};
use crate::store::{OutboxMessage, Page, TriggerRecord};
use mongodb::bson::{Document, doc};
use provost_domain::JobId;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn what(id: &str) -> String {
    format!("trigger {id}")
}

/// The document of a record; what an earlier one carries stays with it.
fn document(record: &TriggerRecord, was: Option<&Document>) -> Result<Document> {
    let mut document = documents::readable(&record.trigger)?;
    document.insert("job_id", record.job_id.as_ref().map(JobId::as_str));
    document.insert("outcome", record.outcome.as_deref());
    let mut meta = was.and_then(|was| was.get_document(documents::META).ok().cloned()).unwrap_or_default();
    meta.extend(documents::listed(&record.id, record.trigger.triggered_at, &what(&record.id), record)?);
    meta.insert("pending", record.is_pending());
    document.insert("_id", record.id.as_str());
    document.insert(documents::META, meta);
    Ok(document)
}

/// What errors call it.
fn named(document: &Document) -> String {
    what(text(document, "provost.id").unwrap_or_default())
}

fn read(document: &Document) -> Result<TriggerRecord> {
    documents::read(document, "provost.document", &named(document))
}

/// The document of a trigger, once nobody claims it.
async fn unclaimed(db: &Db, id: &str) -> Result<Option<Document>> {
    let mut tries = Tries::default();
    loop {
        tries.spend(&what(id)).await?;
        let Some(document) = db.one(TRIGGERS, doc! {"_id": id}).await? else { return Ok(None) };
        match Claim::on(&document) {
            None => return Ok(Some(document)),
            Some(claim) => see_to(db, id, &claim).await?,
        }
    }
}

async fn see_to(db: &Db, id: &str, claim: &Claim) -> Result<()> {
    creation::resolve(db, claim).await?;
    drop_claim(db, id, claim).await
}

/// Records a trigger unless there is one of this id; answers whether it is new.
pub async fn add(db: &Db, record: &TriggerRecord, announced: &[OutboxMessage]) -> Result<bool> {
    let mut tries = Tries::default();
    loop {
        tries.spend(&what(&record.id)).await?;
        if unclaimed(db, &record.id).await?.is_some() {
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
        if !see_to_all(db, &found).await? {
            return documents::intact(db, &found, named, read);
        }
    }
}

/// Sees to the claims on these; answers whether there were any.
async fn see_to_all(db: &Db, found: &[Document]) -> Result<bool> {
    let mut any = false;
    for document in found {
        if let Some(claim) = Claim::on(document) {
            see_to(db, text(document, "_id").unwrap_or_default(), &claim).await?;
            any = true;
        }
    }
    Ok(any)
}

pub async fn settle(db: &Db, id: &str, outcome: String) -> Result<bool> {
    let mut tries = Tries::default();
    loop {
        tries.spend(&what(id)).await?;
        let Some(was) = unclaimed(db, id).await? else { return Ok(false) };
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
        if let Some(document) = unclaimed(db, &trigger.id).await?
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
        if !see_to_all(db, &found.documents).await? {
            return documents::page(db, 't', &found, named, read);
        }
    }
}

/// Reserves a trigger; false if it has led to something, other than to the new job itself.
pub async fn claim(db: &Db, trigger: &TriggerRecord, claim: &Claim) -> Result<bool> {
    let mut tries = Tries::default();
    loop {
        tries.spend(&what(&trigger.id)).await?;
        let was = db.one(TRIGGERS, doc! {"_id": trigger.id.as_str()}).await?;
        let mut claimed = match &was {
            None => {
                let mut new = document(trigger, None)?;
                documents::set_meta(&mut new, "pending", true);
                documents::set_meta(&mut new, "fresh", true);
                new
            }
            Some(document) => match Claim::on(document) {
                Some(other) if other == *claim => return Ok(true),
                Some(other) => {
                    see_to(db, &trigger.id, &other).await?;
                    continue;
                }
                None => {
                    let record = read(document)?;
                    if !record.is_pending() {
                        let mine = record.job_id.as_ref().map(JobId::as_str) == Some(claim.job.as_str());
                        return Ok(mine && claim.joining.is_none());
                    }
                    document.clone()
                }
            },
        };
        claim.put_on(&mut claimed);
        if db.put(TRIGGERS, was.as_ref(), claimed).await? {
            return Ok(true);
        }
    }
}

/// Records that the claim's job is what the trigger led to.
pub async fn lead_to(db: &Db, trigger: &TriggerRecord, claim: &Claim, job: &JobId) -> Result<()> {
    let mut tries = Tries::default();
    loop {
        tries.spend(&what(&trigger.id)).await?;
        let Some(was) = db.one(TRIGGERS, doc! {"_id": trigger.id.as_str()}).await? else { return Ok(()) };
        if Claim::on(&was).as_ref() != Some(claim) {
            return Ok(());
        }
        let record = TriggerRecord { job_id: Some(job.clone()), ..trigger.clone() };
        let mut settled = document(&record, Some(&was))?;
        documents::unset_meta(&mut settled, "claim");
        documents::unset_meta(&mut settled, "fresh");
        if db.put(TRIGGERS, Some(&was), settled).await? {
            return Ok(());
        }
    }
}

/// Takes back the claim of what will not be; a trigger that was recorded with it alone goes too.
pub async fn drop_claim(db: &Db, id: &str, claim: &Claim) -> Result<()> {
    let mut tries = Tries::default();
    loop {
        tries.spend(&what(id)).await?;
        let Some(was) = db.one(TRIGGERS, doc! {"_id": id}).await? else { return Ok(()) };
        if Claim::on(&was).as_ref() != Some(claim) {
            return Ok(());
        }
        let dropped = if flag(&was, "provost.fresh") {
            db.take(TRIGGERS, &was).await?
        } else {
            let mut document = was.clone();
            documents::unset_meta(&mut document, "claim");
            db.put(TRIGGERS, Some(&was), document).await?
        };
        if dropped {
            return Ok(());
        }
    }
}

pub async fn setting<T: DeserializeOwned>(db: &Db, name: &str) -> Result<Option<T>> {
    let found = db.one(STATE, doc! {"_id": name}).await?;
    found.map(|document| documents::read(&document, "document", &format!("the {name}"))).transpose()
}

pub async fn put_setting<T: Serialize + DeserializeOwned>(db: &Db, name: &str, value: &T) -> Result<()> {
    let text = encode(&format!("the {name}"), value)?;
    let mut tries = Tries::default();
    loop {
        tries.spend(name).await?;
        let was = db.one(STATE, doc! {"_id": name}).await?;
        if db.put(STATE, was.as_ref(), doc! {"_id": name, "document": text.as_str()}).await? {
            return Ok(());
        }
    }
}
