//! The documents of model versions, and the flag in them that shows which one is active.

use super::MODELS;
use super::connection::Db;
use super::documents::{self, flag, text};
use crate::error::{Result, StoreError};
use mongodb::bson::{Document, doc};
use provost_domain::ModelId;
use provost_domain::model::ModelRecord;

pub fn what(id: &str) -> String {
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
pub fn named(document: &Document) -> String {
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
