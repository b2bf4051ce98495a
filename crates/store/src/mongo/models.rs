//! Model versions.

use super::connection::Db;
use super::documents::{self, flag, text};
use super::{MODELS, evaluations, outbox, pointer};
use crate::error::{Result, StoreError};
use crate::sqlite::documents::{Cursor, encode};
use crate::store::{EvaluationRecord, OutboxMessage, Page};
use mongodb::bson::{Bson, Document, doc};
use provost_domain::model::ModelRecord;
use provost_domain::{ModelId, ModelVersion};

fn what(id: &str) -> String {
    format!("model {id}")
}

pub fn missing(id: &ModelId) -> StoreError {
    StoreError::NotFound { what: "model", id: id.to_string() }
}

pub async fn find(db: &Db, id: &ModelId) -> Result<Option<Document>> {
    match db.one(MODELS, doc! {"_id": id.as_str()}).await? {
        Some(found) => Ok(Some(found)),
        // One of the replaced service keeps its own id.
        None => db.one(MODELS, doc! {"provost.id": id.as_str()}).await,
    }
}

/// What errors call it.
fn named(document: &Document) -> String {
    what(text(document, "provost.id").unwrap_or_default())
}

pub fn read(document: &Document) -> Result<ModelRecord> {
    documents::read(document, "provost.document", &named(document))
}

/// A model to activate: of the replaced service's there is no artifact that this one could load.
pub async fn loadable(db: &Db, id: &ModelId) -> Result<ModelRecord> {
    let document = find(db, id).await?.ok_or_else(|| missing(id))?;
    if flag(&document, "provost.legacy") {
        return Err(StoreError::NoArtifact { model: id.to_string() });
    }
    read(&document)
}

pub async fn register(
    db: &Db,
    mut model: ModelRecord,
    evaluation: &EvaluationRecord,
    announced: &[OutboxMessage],
) -> Result<()> {
    let id = model.version.model_id.clone();
    evaluation.check_is_of(&id)?;
    model.version.is_active = false;
    let mut document = documents::readable(&model.version)?;
    document.insert("_id", id.as_str());
    document.insert(
        documents::META,
        documents::listed(id.as_str(), model.version.training_date, &what(id.as_str()), &model)?,
    );
    documents::set_meta(&mut document, "evaluation", encode("an evaluation", evaluation)?);
    outbox::embed(&mut document, &outbox::numbered(db, announced).await?);
    if db.put(MODELS, None, document).await? || unfinished_registration(db, evaluation).await? {
        evaluations::start(db, evaluation).await?;
        outbox::flush(db, MODELS, Bson::from(id.as_str())).await?;
    }
    Ok(())
}

/// Whether this very registration was begun before and may not have come to its end.
async fn unfinished_registration(db: &Db, evaluation: &EvaluationRecord) -> Result<bool> {
    let Some(model) = find(db, &evaluation.model_id).await? else { return Ok(false) };
    if text(&model, "provost.evaluation").is_none() {
        return Ok(false);
    }
    let registered: EvaluationRecord = documents::read(&model, "provost.evaluation", "an evaluation")?;
    Ok(registered.task_id == evaluation.task_id)
}

pub async fn get(db: &Db, id: &ModelId) -> Result<Option<ModelRecord>> {
    let Some(document) = find(db, id).await? else { return Ok(None) };
    let mut record = read(&document)?;
    record.version.is_active = pointer::active(db).await?.as_ref() == Some(id);
    Ok(Some(record))
}

pub async fn list(db: &Db, active_only: bool, cursor: Option<&str>, limit: u32) -> Result<Page<ModelVersion>> {
    let cursor = Cursor::parse('m', cursor)?;
    // The pointer is looked at once: it says of the whole page which one is active.
    let active = pointer::active(db).await?;
    let mut filter = doc! {"provost.document": {"$exists": true}};
    if active_only {
        filter.insert("provost.id", active.as_ref().map_or("", ModelId::as_str)); // no model has the id ""
    }
    let (filter, order) = documents::after(filter, &cursor);
    let found = db.part(MODELS, filter, order, limit, documents::DOCUMENT).await?;
    documents::page(db, 'm', &found, named, |document| {
        let mut version = read(document)?.version;
        version.is_active = active.as_ref() == Some(&version.model_id);
        Ok(version)
    })
}

pub async fn count(db: &Db) -> Result<u64> {
    db.count(MODELS, doc! {"provost.document": {"$exists": true}}).await
}

/// Lets the flag in the documents say what the pointer says, for those who read it there.
pub async fn show_active(db: &Db, active: &ModelId) -> Result<()> {
    let of = |other: bool| {
        if other {
            doc! {"$ne": active.as_str()}
        } else {
            doc! {"$eq": active.as_str()}
        }
    };
    db.update_all(
        MODELS,
        doc! {"provost.id": of(false), "is_active": {"$ne": true}},
        doc! {"$set": {"is_active": true}},
    )
    .await?;
    db.update_all(MODELS, doc! {"provost.id": of(true), "is_active": true}, doc! {"$set": {"is_active": false}})
        .await?;
    Ok(())
}
