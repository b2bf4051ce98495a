//! Copies the database as it is at one moment, while others write, and checks such a copy.

use super::connection::open_reader;
use super::{forget, prediction_file, schema};
use crate::error::{Result, StoreError};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::path::Path;

/// Writes a copy of the database at `from` to `to`, which must not exist. Other processes read and write meanwhile; the
/// copy has none of what they commit after it began. (SQLite's step-wise backup starts anew with each commit of another
/// process; `VACUUM INTO` is one read transaction.)
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let name = to.to_str().ok_or_else(|| StoreError::Invalid(format!("{} is not UTF-8", to.display())))?;
    open_reader(from)?.execute("VACUUM INTO ?1", [name])?;
    forget_sessions(to)
}

/// Sessions of browsers are no part of a copy: one that was signed out of since would open again.
fn forget_sessions(copy: &Path) -> Result<()> {
    let connection = Connection::open(copy)?;
    // An older schema has none.
    if connection.table_exists(None, "sessions")? {
        connection.execute_batch("DELETE FROM sessions")?;
    }
    Ok(())
}

/// Checks the structure of a copied prediction log; writes nothing, not even temporary files.
pub fn look_at_log(copy: &Path) -> Result<()> {
    checked(copy, prediction_file::known_version()).map(|_| ())
}

/// What a copy says of itself.
pub struct Looked {
    pub schema: u32,
    pub artifacts: BTreeSet<String>,
}

/// Checks a copy's structure and reads the names that it refers to; writes nothing, not even temporary files.
pub fn look(copy: &Path) -> Result<Looked> {
    let (connection, schema) = checked(copy, u32::try_from(schema::STEPS.len()).unwrap_or(u32::MAX))?;
    Ok(Looked { schema, artifacts: forget::artifacts_in_use(&connection)? })
}

/// A copy whose structure is sound and whose schema this binary knows, and the schema's version.
fn checked(copy: &Path, known: u32) -> Result<(Connection, u32)> {
    let connection = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let schema = schema::version(&connection)?;
    if schema > known {
        return Err(StoreError::NewerSchema { found: schema, known });
    }
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(StoreError::Corrupt { what: copy.display().to_string(), why: verdict });
    }
    Ok((connection, schema))
}
