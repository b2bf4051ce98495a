//! Evaluations: asked for, finished, and read. The one that a model was registered with is in the model's document too.

use super::connection::{Db, Tries};
use super::documents::{self, at, number, text};
use super::model_documents;
use crate::documents::encode;
use crate::error::{Result, StoreError};
use crate::roles::evaluations::EvaluationRecord;
use mongodb::bson::{Bson, Document, doc};
use provost_domain::ModelId;

pub const EVALUATIONS: &str = "evaluations";
const COUNTER: &str = "evaluation number";

fn what(record: &EvaluationRecord) -> String {
    format!("evaluation {}", record.task_id)
}

fn is_finished(record: &EvaluationRecord) -> bool {
    record.results.is_some() || record.error.is_some()
}

/// Finished evaluations are numbered in the order in which they finished.
async fn document(db: &Db, record: &EvaluationRecord) -> Result<Document> {
    let finished = if is_finished(record) { Some(db.next(COUNTER, 1).await?) } else { None };
    Ok(doc! {
        "_id": record.task_id.as_str(),
        "model_id": record.model_id.as_str(),
        "finished": finished,
        "scored": i64::from(record.results.is_some()),
        "document": encode(&what(record), record)?,
    })
}

/// What errors call it.
fn named(document: &Document) -> String {
    format!("evaluation {}", text(document, "_id").unwrap_or_default())
}

fn read(document: &Document) -> Result<EvaluationRecord> {
    documents::read(document, "document", &named(document))
}

/// Records an evaluation; one that was recorded before stays as it is.
pub async fn start(db: &Db, record: &EvaluationRecord) -> Result<()> {
    if model_documents::find(db, &record.model_id).await?.is_none() {
        return Err(StoreError::NotFound { what: "model", id: record.model_id.to_string() });
    }
    if db.one(EVALUATIONS, doc! {"_id": record.task_id.as_str()}).await?.is_none() {
        db.put(EVALUATIONS, None, document(db, record).await?).await?;
    }
    Ok(())
}

/// Adds the outcome of an evaluation that runs; one that is finished stays as it is.
pub async fn finish(db: &Db, record: &EvaluationRecord) -> Result<()> {
    if !is_finished(record) {
        return Err(StoreError::Invalid(format!("{} has neither results nor an error", what(record))));
    }
    let mut tries = Tries::default();
    loop {
        tries.spend(&what(record)).await?;
        let filter = doc! {"_id": record.task_id.as_str(), "model_id": record.model_id.as_str()};
        let Some(was) = db.one(EVALUATIONS, filter).await? else {
            return Err(StoreError::NotFound { what: "evaluation", id: record.task_id.clone() });
        };
        if number(&was, "finished").is_some() || db.put(EVALUATIONS, Some(&was), document(db, record).await?).await? {
            return Ok(());
        }
    }
}

/// The last that finished with results; if none did, the last that failed.
pub async fn last(db: &Db, model: &ModelId) -> Result<Option<EvaluationRecord>> {
    let filter = doc! {"model_id": model.as_str(), "finished": {"$gt": 0}};
    let found = db.all(EVALUATIONS, filter, doc! {"scored": -1, "finished": -1}, Some(1)).await?;
    let last = found.first().map(read).transpose()?;
    if last.as_ref().is_some_and(|record| record.results.is_some()) {
        return Ok(last);
    }
    // Of a model whose registration was cut off.
    let Some(model) = model_documents::find(db, model).await? else { return Ok(last) };
    if at(&model, "provost.evaluation").and_then(Bson::as_str).is_none() {
        return Ok(last);
    }
    let registered: EvaluationRecord = documents::read(&model, "provost.evaluation", "an evaluation")?;
    Ok(if registered.results.is_some() { Some(registered) } else { last })
}

pub async fn unfinished(db: &Db) -> Result<Vec<EvaluationRecord>> {
    let found = db.all(EVALUATIONS, doc! {"finished": null}, doc! {"_id": 1}, None).await?;
    documents::intact(&db.damage, &found, named, read)
}
