//! Single records by name: the schedule, its progress, the shadow selection.

use super::rows;
use crate::documents::encode;
use crate::error::Result;
use rusqlite::{Connection, Transaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub fn get<T: DeserializeOwned>(c: &Connection, name: &str) -> Result<Option<T>> {
    rows::one(c, &format!("the {name}"), "SELECT document FROM settings WHERE name = ?1", [name])
}

pub fn put<T: Serialize + DeserializeOwned>(transaction: &Transaction<'_>, name: &str, value: &T) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO settings (name, document) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET document = ?2",
        )?
        .execute([name, &encode(&format!("the {name}"), value)?])?;
    Ok(())
}
