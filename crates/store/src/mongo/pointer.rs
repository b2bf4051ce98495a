//! Which model is active, how it became so, and what the gate decided.
//!
//! One document points to the active model; a switch is a change of it that compares. Every decision of the gate goes through
//! it too, so that a decision is about the model that is active at that moment. The document carries the last activation and
//! the last decision until they are in their collections: whoever changes it next copies them there first, and whoever reads
//! looks into the document first.

use super::connection::{Db, Tries};
use super::documents::{self, number, text};
use super::{STATE, audit, model_documents, outbox};
use crate::documents::{Cursor, encode, page_size};
use crate::error::{Result, StoreError};
use crate::page::Page;
use crate::roles::outbox::OutboxMessage;
use chrono::{DateTime, Utc};
use mongodb::bson::{Bson, Document, doc};
use provost_domain::audit::Deed;
use provost_domain::gate::{GateDecision, GateOutcome};
use provost_domain::model::{Activation, ModelRecord};
use provost_domain::{JobId, ModelId, limits};
use std::collections::BTreeMap;

pub const POINTER: &str = "active_model";
pub const ACTIVATIONS: &str = "activations";
pub const DECISIONS: &str = "decisions";
/// Who the history says has activated what the gate let through.
const GATE: &str = "gate";

async fn read(db: &Db) -> Result<Option<Document>> {
    db.one(STATE, doc! {"_id": POINTER}).await
}

fn active_in(pointer: Option<&Document>) -> Result<Option<ModelId>> {
    let Some(id) = pointer.and_then(|p| text(p, "active_version")) else { return Ok(None) };
    let corrupt = |e: provost_domain::ids::BadId| StoreError::Corrupt {
        what: "the active model's pointer".to_owned(),
        why: e.to_string(),
    };
    ModelId::parse(id).map(Some).map_err(corrupt)
}

pub async fn active(db: &Db) -> Result<Option<ModelId>> {
    active_in(read(db).await?.as_ref())
}

/// Who makes a model the active one, why and when.
pub struct Switch {
    pub by: Option<String>,
    pub reason: Option<String>,
    pub at: DateTime<Utc>,
}

/// The pointer's next state; the active model if `to` is None.
fn next(was: Option<&Document>, to: Option<(&ModelId, Switch)>) -> Result<Document> {
    let mut document = was.cloned().unwrap_or_else(|| doc! {"_id": POINTER, "active_version": null, "rev": 0_i64});
    for settled in ["activation", "decision"] {
        documents::unset_meta(&mut document, settled);
    }
    if let Some((id, switch)) = to {
        let activation = Activation {
            rev: number(&document, "rev").unwrap_or(0).cast_unsigned() + 1,
            model_id: id.clone(),
            previous_model_id: active_in(was)?,
            activated_at: switch.at,
            activated_by: switch.by,
            reason: switch.reason,
        };
        document.insert("active_version", id.as_str());
        document.insert("rev", activation.rev.cast_signed());
        documents::set_meta(&mut document, "activation", activation_row(&activation)?);
    }
    Ok(document)
}

fn activation_row(activation: &Activation) -> Result<Document> {
    let text = encode("an activation", activation)?;
    Ok(doc! {"_id": activation.rev.cast_signed(), "document": text})
}

/// Copies what the pointer carries to where it stays.
async fn settle(db: &Db, pointer: Option<&Document>) -> Result<()> {
    for (member, collection) in [("activation", ACTIVATIONS), ("decision", DECISIONS)] {
        let carried = pointer.and_then(|p| documents::at(p, &format!("provost.{member}")));
        if let Some(row) = carried.and_then(Bson::as_document) {
            db.insert(collection, row.clone()).await?;
            if member == "decision" {
                audited(db, row).await?;
            }
        }
    }
    Ok(())
}

/// An activation by the gate is in the audit log, once.
async fn audited(db: &Db, row: &Document) -> Result<()> {
    let decision: GateDecision = documents::read(row, "document", "a decision")?;
    if decision.outcome == GateOutcome::Activated {
        let name = format!("decision/{}", decision.job_id);
        audit::append_once(db, &name, Deed::activated_by_gate(&decision)).await?;
    }
    Ok(())
}

/// After a change: what it carries goes to its places, and the documents' flags follow.
async fn finish(db: &Db, changed: &Document, switched: Option<&ModelId>, announced: bool) -> Result<()> {
    settle(db, Some(changed)).await?;
    if let Some(active) = switched {
        model_documents::show_active(db, active).await?;
    }
    if announced {
        outbox::flush(db, STATE, Bson::from(POINTER)).await?;
    }
    Ok(())
}

pub async fn activate(db: &Db, id: &ModelId, switch: Switch, announced: &[OutboxMessage]) -> Result<ModelRecord> {
    let Switch { by, reason, at } = switch;
    let mut record = model_documents::loadable(db, id).await?;
    record.version.is_active = true;
    let announced = outbox::numbered(db, announced).await?;
    let mut tries = Tries::default();
    loop {
        tries.spend("the active model").await?;
        let was = read(db).await?;
        if active_in(was.as_ref())?.as_ref() == Some(id) {
            return Ok(record);
        }
        settle(db, was.as_ref()).await?;
        let switch = Switch { by: by.clone(), reason: reason.clone(), at };
        let mut document = next(was.as_ref(), Some((id, switch)))?;
        outbox::embed(&mut document, &announced);
        if db.put(STATE, was.as_ref(), document.clone()).await? {
            finish(db, &document, Some(id), !announced.is_empty()).await?;
            return Ok(record);
        }
    }
}

/// What was active in the replaced service is active here, until another is.
pub async fn adopt(db: &Db, id: &ModelId, at: DateTime<Utc>) -> Result<()> {
    let was = read(db).await?;
    if was.is_none() {
        let reason = Some("it was active in the replaced service".to_owned());
        let document = next(None, Some((id, Switch { by: None, reason, at })))?;
        db.put(STATE, None, document).await?;
    }
    Ok(())
}

/// What a process that died had left in the pointer.
pub async fn finish_all(db: &Db) -> Result<()> {
    if let Some(pointer) = read(db).await? {
        finish(db, &pointer, active_in(Some(&pointer))?.as_ref(), true).await?;
    }
    Ok(())
}

pub async fn activations(db: &Db, before: Option<u64>, limit: u32) -> Result<Page<Activation>> {
    let before = before.map_or(i64::MAX, |rev| i64::try_from(rev).unwrap_or(i64::MAX));
    let limit = page_size(limit);
    let pointer = read(db).await?;
    let found = db.part(ACTIVATIONS, doc! {"_id": {"$lt": before}}, doc! {"_id": -1}, limit, "document").await?;
    // What lies after this part is on a later page.
    let end = found.documents.last().and_then(|row| number(row, "_id")).filter(|_| found.more);
    let mut all = BTreeMap::new();
    for row in found.documents.iter().chain(carried(pointer.as_ref(), "activation")) {
        let rev = number(row, "_id").unwrap_or(0);
        if rev < before && end.is_none_or(|end| rev >= end) {
            all.insert(rev, documents::read::<Activation>(row, "document", "an activation")?);
        }
    }
    let more = found.more || all.len() > limit as usize;
    let items: Vec<Activation> = all.into_values().rev().take(limit as usize).collect();
    let next = items.last().filter(|_| more).map(|last| last.rev.to_string());
    Ok(Page { items, next })
}

fn carried<'p>(pointer: Option<&'p Document>, member: &str) -> Option<&'p Document> {
    documents::at(pointer?, &format!("provost.{member}"))?.as_document()
}

/// The newest that is not later: looked for page by page, since times need not rise with the numbers.
pub async fn activation_at(db: &Db, at: DateTime<Utc>) -> Result<Option<Activation>> {
    let mut before = None;
    loop {
        let Page { items, next } = activations(db, before, limits::PAGE as u32).await?;
        before = items.last().map(|last| last.rev);
        let found = items.into_iter().find(|activation| activation.activated_at <= at);
        if found.is_some() || next.is_none() {
            return Ok(found);
        }
    }
}

pub async fn decide(db: &Db, decision: GateDecision, announced: &[OutboxMessage]) -> Result<GateDecision> {
    let row = doc! {
        "_id": decision.job_id.as_str(),
        "at": decision.decided_at.timestamp_micros(),
        "document": encode("a decision", &decision)?,
    };
    let mut numbered = None;
    let mut tries = Tries::default();
    loop {
        tries.spend("the active model").await?;
        let was = read(db).await?;
        settle(db, was.as_ref()).await?;
        if let Some(known) = db.one(DECISIONS, doc! {"_id": decision.job_id.as_str()}).await? {
            return documents::read(&known, "document", "a decision");
        }
        let active = active_in(was.as_ref())?;
        if active != decision.champion_id {
            return Err(StoreError::Conflict { what: "the active model, on which", id: decision.job_id.to_string() });
        }
        let challenger = &decision.challenger_id;
        let switches = decision.outcome == GateOutcome::Activated && active.as_ref() != Some(challenger);
        if decision.outcome == GateOutcome::Activated {
            model_documents::loadable(db, challenger).await?;
        }
        let switch = switches.then(|| Switch {
            by: Some(GATE.to_owned()),
            reason: Some(decision.reason.clone()),
            at: decision.decided_at,
        });
        let mut document = next(was.as_ref(), switch.map(|switch| (challenger, switch)))?;
        documents::set_meta(&mut document, "decision", row.clone());
        if numbered.is_none() {
            numbered = Some(outbox::numbered(db, announced).await?);
        }
        outbox::embed(&mut document, numbered.as_deref().unwrap_or_default());
        if db.put(STATE, was.as_ref(), document.clone()).await? {
            finish(db, &document, switches.then_some(challenger), !announced.is_empty()).await?;
            return Ok(decision);
        }
    }
}

pub async fn decision(db: &Db, job: &JobId) -> Result<Option<GateDecision>> {
    let pointer = read(db).await?;
    let stored = db.one(DECISIONS, doc! {"_id": job.as_str()}).await?;
    let carried = carried(pointer.as_ref(), "decision").filter(|row| text(row, "_id") == Some(job.as_str()));
    stored.as_ref().or(carried).map(|row| documents::read(row, "document", "a decision")).transpose()
}

pub async fn decisions(
    db: &Db,
    since: Option<DateTime<Utc>>,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<GateDecision>> {
    let since = since.map_or(i64::MIN, |at| at.timestamp_micros());
    let cursor = Cursor::parse('d', cursor)?;
    let before = (cursor.at, cursor.id.clone());
    let limit = page_size(limit);
    let pointer = read(db).await?;
    let mut filter = doc! {"at": {"$gte": since}};
    if cursor != Cursor::start() {
        let same = doc! {"at": cursor.at, "_id": {"$lt": cursor.id}};
        filter.insert("$or", vec![doc! {"at": {"$lt": cursor.at}}, same]);
    }
    let found = db.part(DECISIONS, filter, doc! {"at": -1, "_id": -1}, limit, "document").await?;
    let key = |row: &Document| (number(row, "at").unwrap_or(0), text(row, "_id").unwrap_or_default().to_owned());
    // What lies after this part is on a later page.
    let end = found.documents.last().filter(|_| found.more).map(key);
    let mut all = BTreeMap::new();
    for row in found.documents.iter().chain(carried(pointer.as_ref(), "decision")) {
        let key = key(row);
        if key.0 >= since && key < before && end.as_ref().is_none_or(|end| key >= *end) {
            all.insert(key, documents::read::<GateDecision>(row, "document", "a decision")?);
        }
    }
    let more = found.more || all.len() > limit as usize;
    let shown: Vec<_> = all.into_iter().rev().take(limit as usize).collect();
    let next = shown.last().filter(|_| more).map(|((at, id), _)| Cursor { at: *at, id: id.clone() }.encode('d'));
    Ok(Page { items: shown.into_iter().map(|(_, decision)| decision).collect(), next })
}
