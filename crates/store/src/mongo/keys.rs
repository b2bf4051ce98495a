//! API keys, each with the deeds that it came and went by. A key's document owes its deeds to the audit log until they are there;
//! whoever reads the keys pays what is owed first.

use super::audit;
use super::connection::{Db, Tries};
use super::documents::{self, list, text};
use crate::documents::{decode, encode};
use crate::error::{Result, StoreError};
use chrono::{DateTime, Utc};
use mongodb::bson::{Bson, Document, doc};
use provost_domain::audit::Deed;
use provost_domain::key::ApiKey;

pub const KEYS: &str = "api_keys";

fn read(document: &Document) -> Result<ApiKey> {
    documents::read(document, "document", "a key")
}

/// A key's document, with one deed more that it owes.
fn document(key: &ApiKey, was: Option<&Document>, deed: &Deed) -> Result<Document> {
    let mut owed = was.map_or(&[][..], |was| list(was, "provost.owed")).to_vec();
    let name = format!("{}/{}", key.id, uuid::Uuid::new_v4().simple());
    owed.push(Bson::from(doc! {"name": name, "deed": encode("a deed", deed)?}));
    let at = key.created_at.timestamp_micros();
    let mut document = doc! {"_id": key.id.as_str(), "at": at, "document": encode("a key", key)?};
    documents::set_meta(&mut document, "owed", owed);
    Ok(document)
}

async fn pay(db: &Db, id: &str) -> Result<()> {
    let mut tries = Tries::default();
    loop {
        tries.spend("a key").await?;
        let Some(was) = db.one(KEYS, doc! {"_id": id}).await? else { return Ok(()) };
        let owed = list(&was, "provost.owed");
        if owed.is_empty() {
            return Ok(());
        }
        for entry in owed.iter().filter_map(Bson::as_document) {
            let (name, deed) = (text(entry, "name").unwrap_or_default(), text(entry, "deed").unwrap_or_default());
            audit::append_once(db, name, decode("a deed", deed)?).await?;
        }
        let mut paid = was.clone();
        documents::unset_meta(&mut paid, "owed");
        if db.put(KEYS, Some(&was), paid).await? {
            return Ok(());
        }
    }
}

pub async fn add(db: &Db, key: &ApiKey, deed: &Deed) -> Result<()> {
    if !db.put(KEYS, None, document(key, None, deed)?).await? {
        return Err(StoreError::Conflict { what: "key", id: key.id.clone() });
    }
    pay(db, &key.id).await
}

pub async fn all(db: &Db) -> Result<Vec<ApiKey>> {
    let found = db.all(KEYS, doc! {}, doc! {"at": 1, "_id": 1}, None).await?;
    for document in found.iter().filter(|document| !list(document, "provost.owed").is_empty()) {
        pay(db, text(document, "_id").unwrap_or_default()).await?;
    }
    found.iter().map(read).collect()
}

pub async fn revoke(db: &Db, id: &str, from: DateTime<Utc>, deed: &Deed) -> Result<ApiKey> {
    let mut tries = Tries::default();
    loop {
        tries.spend("a key").await?;
        let was = db.one(KEYS, doc! {"_id": id}).await?;
        let was = was.ok_or_else(|| StoreError::NotFound { what: "key", id: id.to_owned() })?;
        let mut key = read(&was)?;
        key.revoked_at = key.revoked_at.into_iter().chain([from]).min();
        if db.put(KEYS, Some(&was), document(&key, Some(&was), deed)?).await? {
            pay(db, id).await?;
            return Ok(key);
        }
    }
}
