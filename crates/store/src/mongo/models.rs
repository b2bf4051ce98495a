//! Model versions.

use super::connection::Db;
use super::documents::{self, text};
use super::model_documents::{find, named, read, what};
use super::{MODELS, evaluations, outbox, pointer};
use crate::documents::{Cursor, encode};
use crate::error::Result;
use crate::page::Page;
use crate::roles::evaluations::EvaluationRecord;
use crate::roles::outbox::OutboxMessage;
use mongodb::bson::{Bson, doc};
use provost_domain::model::ModelRecord;
use provost_domain::{ModelId, ModelVersion};

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
    // The pointer is read once: it determines for the whole page which model is active.
    let active = pointer::active(db).await?;
    let mut filter = doc! {"provost.document": {"$exists": true}};
    if active_only {
        filter.insert("provost.id", active.as_ref().map_or("", ModelId::as_str)); // no model has the id ""
    }
    let (filter, order) = documents::after(filter, &cursor);
    let found = db.part(MODELS, filter, order, limit, documents::DOCUMENT).await?;
    documents::page(&db.damage, 'm', &found, named, |document| {
        let mut version = read(document)?.version;
        version.is_active = active.as_ref() == Some(&version.model_id);
        Ok(version)
    })
}

pub async fn count(db: &Db) -> Result<u64> {
    db.count(MODELS, doc! {"provost.document": {"$exists": true}}).await
}
