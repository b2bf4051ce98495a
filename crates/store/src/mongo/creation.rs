//! Creating a job and joining one: a job, its triggers and its idempotency key are several documents, and become so all or none.
//!
//! A new job is written first, hidden (`preparing`), with everything that it takes. Then its key and its triggers are claimed, in
//! one order for all, so that no two jobs wait for each other. With all of them its document becomes `there`, in one step that
//! decides; if one of them leads elsewhere it becomes `refused` instead. Then the claims are turned into facts, or taken back.
//! Any of this may be done by anyone, again and again: whoever meets a claim leads its job to one end or the other ([`resolve`](super::settlement::resolve)).
//!
//! A joining claims its triggers under a name of its own, and the job's save carries that name: with the name in the job they
//! have led to it. Whoever meets such a claim, and no such name, first moves the job's document on, so that the save cannot
//! come any more, then takes the claim back.

use super::claim::Claim;
use super::connection::{Db, Tries};
use super::documents::{self, list};
use super::jobs::{self, conflict};
use super::settlement::{Fate, Takes, advance, claim_trigger, finish_joinings};
use super::{JOBS, outbox, responses, trigger_documents, triggers};
use crate::documents::encode;
use crate::error::Result;
use crate::roles::jobs::{JobCreation, NewJob, NewJobEvent};
use crate::roles::triggers::TriggerRecord;
use mongodb::bson::{Bson, doc};
use provost_domain::job::JobRecord;

fn sorted(mut triggers: Vec<TriggerRecord>) -> Vec<TriggerRecord> {
    triggers.sort_by(|a, b| a.id.cmp(&b.id));
    triggers
}

pub async fn create(db: &Db, job: NewJob) -> Result<JobCreation> {
    let NewJob { record, events, outbox: announced, triggers, response, max_waiting } = job;
    let id = record.job.job_id.clone();
    let mut tries = Tries::default();
    let mut tried = false;
    loop {
        tries.spend("a new job").await?;
        if let Some(response) = &response
            && let Some(known) = responses::get(db, &response.key, response.at).await?
        {
            return Ok(JobCreation::Known(known));
        }
        if db.count(JOBS, doc! {"provost.state": jobs::THERE, "provost.status": "pending"}).await? >= max_waiting {
            return Ok(JobCreation::QueueFull);
        }
        if triggers::any_settled(db, &triggers).await? {
            return Ok(JobCreation::Settled);
        }
        let (record, mut document) = jobs::first(record.clone(), events.clone())?;
        outbox::embed(&mut document, &outbox::numbered(db, &announced).await?);
        if triggers.is_empty() && response.is_none() {
            documents::set_meta(&mut document, "state", jobs::THERE);
        } else {
            let takes = Takes { response: response.clone(), triggers: sorted(triggers.clone()) };
            documents::set_meta(&mut document, "takes", encode("what a job takes", &takes)?);
            documents::set_meta(&mut document, "state", jobs::PREPARING);
        }
        if !db.put(JOBS, None, document).await? {
            // Of an earlier call that did not come to its end, or really another's.
            if advance(db, id.as_str()).await? == Fate::There || tried {
                return Err(conflict(&id));
            }
            tried = true;
            continue;
        }
        if advance(db, id.as_str()).await? == Fate::There {
            return Ok(JobCreation::Created(Box::new(record)));
        }
        // Refused: what stood in its way shows at the next look, or is gone by now.
    }
}

pub async fn join(
    db: &Db,
    record: JobRecord,
    events: Vec<NewJobEvent>,
    joined: Vec<TriggerRecord>,
) -> Result<JobRecord> {
    let id = record.job.job_id.clone();
    let joined = sorted(joined);
    let mut tries = Tries::default();
    loop {
        tries.spend("a joined job").await?;
        // A new name each time: taking back the claims of the last attempt must not affect later ones.
        let claim = Claim { job: id.to_string(), joining: Some(uuid::Uuid::new_v4().simple().to_string()) };
        match try_join(db, &record, &events, &joined, &claim).await {
            Ok(Some(saved)) => {
                finish_joinings(db, id.as_str()).await?;
                return Ok(saved);
            }
            other => {
                for trigger in &joined {
                    trigger_documents::drop_claim(db, &trigger.id, &claim).await?;
                }
                other?;
            }
        }
    }
}

/// None: others changed the document meanwhile, though not the record.
async fn try_join(
    db: &Db,
    record: &JobRecord,
    events: &[NewJobEvent],
    joined: &[TriggerRecord],
    claim: &Claim,
) -> Result<Option<JobRecord>> {
    let id = &record.job.job_id;
    let was = jobs::find(db, id).await?.ok_or_else(|| jobs::missing(id))?;
    if !jobs::is_present(&was, record) {
        return Err(conflict(id));
    }
    for trigger in joined {
        if !claim_trigger(db, trigger, claim).await? {
            return Err(conflict(id));
        }
    }
    let (saved, mut document) = jobs::next(db, &was, record.clone(), events.to_vec()).await?;
    let mut names = list(&document, "provost.joinings").to_vec();
    let text = encode("the triggers that join", &joined.to_vec())?;
    names.push(Bson::from(doc! {"name": claim.joining.as_deref(), "triggers": text}));
    documents::set_meta(&mut document, "joinings", names);
    Ok(db.put(JOBS, Some(&was), document).await?.then_some(saved))
}
