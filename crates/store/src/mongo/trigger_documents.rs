//! The documents of triggers, and the claims on them.

use super::TRIGGERS;
use super::claim::{Claim, Claimed};
use super::connection::{Db, Tries};
use super::documents::{self, flag, text};
use crate::error::Result;
use crate::roles::triggers::TriggerRecord;
use mongodb::bson::{Document, doc};
use provost_domain::JobId;

pub fn what(id: &str) -> String {
    format!("trigger {id}")
}

/// The document of a record; what an earlier one carries stays with it.
pub fn document(record: &TriggerRecord, was: Option<&Document>) -> Result<Document> {
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
pub fn named(document: &Document) -> String {
    what(text(document, "provost.id").unwrap_or_default())
}

pub fn read(document: &Document) -> Result<TriggerRecord> {
    documents::read(document, "provost.document", &named(document))
}

/// Reserves a trigger for a job, unless it has led to something, other than to that job itself.
pub async fn claim(db: &Db, trigger: &TriggerRecord, claim: &Claim) -> Result<Claimed> {
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
                Some(other) if other == *claim => return Ok(Claimed::Mine),
                Some(other) => return Ok(Claimed::Held(other)),
                None => {
                    let record = read(document)?;
                    if !record.is_pending() {
                        let mine = record.job_id.as_ref().map(JobId::as_str) == Some(claim.job.as_str());
                        return Ok(if mine && claim.joining.is_none() { Claimed::Mine } else { Claimed::Refused });
                    }
                    document.clone()
                }
            },
        };
        claim.put_on(&mut claimed);
        if db.put(TRIGGERS, was.as_ref(), claimed).await? {
            return Ok(Claimed::Mine);
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
