//! Single records by name: the schedule, its progress, the shadow selection.

use super::connection::{Db, Tries};
use super::{STATE, documents};
use crate::documents::encode;
use crate::error::Result;
use mongodb::bson::doc;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub async fn get<T: DeserializeOwned>(db: &Db, name: &str) -> Result<Option<T>> {
    let found = db.one(STATE, doc! {"_id": name}).await?;
    found.map(|document| documents::read(&document, "document", &format!("the {name}"))).transpose()
}

pub async fn put<T: Serialize + DeserializeOwned>(db: &Db, name: &str, value: &T) -> Result<()> {
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
