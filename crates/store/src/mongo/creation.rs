//! Creating a job and joining one: a job, its triggers and its idempotency key are several documents, and become so all or none.
//!
//! A new job is written first, hidden (`preparing`), with everything that it takes. Then its key and its triggers are claimed, in
//! one order for all, so that no two jobs wait for each other. With all of them its document becomes `there`, in one step that
//! decides; if one of them leads elsewhere it becomes `refused` instead. Then the claims are turned into facts, or taken back.
//! Any of this may be done by anyone, again and again: whoever meets a claim leads its job to one end or the other ([`resolve`]).
//!
//! A joining claims its triggers under a name of its own, and the job's save carries that name: with the name in the job they
//! have led to it. Whoever meets such a claim, and no such name, first moves the job's document on, so that the save cannot
//! come any more, then takes the claim back.

use super::connection::{Db, Tries};
use super::documents::{self, list, text};
use super::jobs::{self, conflict};
use super::{JOBS, outbox, responses, triggers};
use crate::error::{Result, StoreError};
use crate::sqlite::documents::{decode, encode};
use crate::store::{JobCreation, NewJobEvent, OutboxMessage, StoredResponse, TriggerRecord};
use futures_util::future::BoxFuture;
use mongodb::bson::{Bson, Document, doc};
use provost_domain::JobId;
use provost_domain::job::JobRecord;
use serde::{Deserialize, Serialize};

/// Who has a trigger or a key in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub job: String,
    /// Of a joining; a creation has none.
    pub joining: Option<String>,
}

impl Claim {
    fn of(job: &str) -> Self {
        Self { job: job.to_owned(), joining: None }
    }

    pub fn on(document: &Document) -> Option<Self> {
        let job = text(document, "provost.claim.job")?.to_owned();
        Some(Self { job, joining: text(document, "provost.claim.joining").map(str::to_owned) })
    }

    pub fn put_on(&self, document: &mut Document) {
        documents::set_meta(document, "claim", doc! {"job": self.job.as_str(), "joining": self.joining.as_deref()});
    }
}

/// What a new job takes besides its own document, in the order in which it is claimed.
#[derive(Serialize, Deserialize)]
struct Takes {
    response: Option<StoredResponse>,
    triggers: Vec<TriggerRecord>,
}

/// What became of a new job.
#[derive(PartialEq)]
enum Fate {
    There,
    /// Or never was.
    Gone,
}

fn sorted(mut triggers: Vec<TriggerRecord>) -> Vec<TriggerRecord> {
    triggers.sort_by(|a, b| a.id.cmp(&b.id));
    triggers
}

pub async fn create(
    db: &Db,
    record: JobRecord,
    events: Vec<NewJobEvent>,
    announced: &[OutboxMessage],
    triggers: Vec<TriggerRecord>,
    response: Option<StoredResponse>,
    max_waiting: u64,
) -> Result<JobCreation> {
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
        outbox::embed(&mut document, &outbox::numbered(db, announced).await?);
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

/// Leads a job to its end: there, or gone.
fn advance<'a>(db: &'a Db, id: &'a str) -> BoxFuture<'a, Result<Fate>> {
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
                        triggers::lead_to(db, trigger, &claim, &job).await?;
                    }
                    if let Some(response) = &takes.response {
                        responses::settle(db, response, &claim).await?;
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
        && !responses::claim(db, response, claim).await?
    {
        return Ok(false);
    }
    for trigger in &takes.triggers {
        if !triggers::claim(db, trigger, claim).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn release(db: &Db, takes: &Takes, claim: &Claim) -> Result<()> {
    if let Some(response) = &takes.response {
        responses::drop_claim(db, &response.key, claim).await?;
    }
    for trigger in &takes.triggers {
        triggers::drop_claim(db, &trigger.id, claim).await?;
    }
    Ok(())
}

/// Leads whoever has a claim to its end. A claim of theirs that is still there afterwards was made by somebody who did not know
/// of that end: it is to be taken back.
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
        // A new name each time: whoever takes back the claims of the last time takes back no others.
        let claim = Claim { job: id.to_string(), joining: Some(uuid::Uuid::new_v4().simple().to_string()) };
        match try_join(db, &record, &events, &joined, &claim).await {
            Ok(Some(saved)) => {
                finish_joinings(db, id.as_str()).await?;
                return Ok(saved);
            }
            other => {
                for trigger in &joined {
                    triggers::drop_claim(db, &trigger.id, &claim).await?;
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
        if !triggers::claim(db, trigger, claim).await? {
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

fn joinings(job: &Document) -> impl Iterator<Item = (&str, &str)> {
    list(job, "provost.joinings").iter().filter_map(|entry| {
        let entry = entry.as_document()?;
        Some((entry.get_str("name").ok()?, entry.get_str("triggers").ok()?))
    })
}

/// Turns the claims of joinings that have been saved into facts.
async fn finish_joinings(db: &Db, job: &str) -> Result<()> {
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
                triggers::lead_to(db, &trigger, &claim, &id).await?;
            }
        }
        let mut next = was.clone();
        documents::unset_meta(&mut next, "joinings");
        if db.put(JOBS, Some(&was), next).await? {
            return Ok(());
        }
    }
}

/// Sees to what processes that died had begun.
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
