//! The SQLite backend: one file in the data folder, one writer thread, a few reader threads; and a file of its own for the
//! prediction log.

mod audit;
pub(crate) mod backup;
mod connection;
mod decisions;
mod evaluations;
mod forget;
mod jobs;
mod keys;
mod leases;
mod messages;
mod models;
mod needs;
mod points;
mod prediction_file;
mod predictions;
mod recorded_points;
mod roles;
mod rows;
mod schema;
mod sessions;
mod settings;
mod triggers;
mod watch;

use crate::damage::Damage;
use crate::documents::encode;
use crate::error::{Result, StoreError, io_error};
use crate::layout::DATABASE;
use crate::private;
use crate::roles::installation::Installation;
use crate::store::Store;
use chrono::{DateTime, Utc};
use connection::{Workers, in_transaction};
use prediction_file::PredictionFile;
use rusqlite::{Connection, Transaction};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const READERS: usize = 3;

/// A [`Store`] in a file. Several processes may have one data folder open; SQLite's locks order their writes.
pub struct SqliteStore {
    path: PathBuf,
    /// Dropped before the writer: the last connection to close checkpoints the write-ahead log and removes it, which a read-only
    /// connection cannot.
    readers: Workers,
    writer: Workers,
    damage: Damage,
    log: PredictionFile,
}

impl SqliteStore {
    /// Opens the database in this folder, created if missing, and brings its schema up to date. `now` dates a new
    /// installation. Blocks for some milliseconds, longer when a migration runs.
    pub fn open(data_dir: &Path, now: DateTime<Utc>) -> Result<Self> {
        connection::check_library(rusqlite::version_number(), rusqlite::version())?;
        let path = data_dir.join(DATABASE);
        own_file(data_dir, &path)?;
        let mut writer = connection::open_writer(&path)?;
        schema::migrate(&mut writer, schema::STEPS)?;
        install(&mut writer, now)?;
        let log = PredictionFile::new(data_dir);
        if let Err(error) = log.prepare() {
            // All else is to be served all the same.
            tracing::warn!(%error, "the prediction log cannot be opened; it is tried again when it is used");
        }
        let readers = (0..READERS).map(|_| connection::open_reader(&path)).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            path,
            readers: Workers::start("store-reader", readers)?,
            writer: Workers::start("store-writer", vec![writer])?,
            damage: Damage::default(),
            log,
        })
    }

    /// Checks the whole database in this folder for damage. Blocks for as long as that takes: seconds for each gigabyte.
    ///
    /// # Errors
    /// `Corrupt` with the first damage that was found.
    pub fn examine(data_dir: &Path) -> Result<()> {
        let connection = connection::open_reader(&data_dir.join(DATABASE))?;
        let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        match found.as_str() {
            "ok" => Ok(()),
            _ => Err(StoreError::Corrupt { what: "the database".to_owned(), why: found }),
        }
    }

    /// Runs `f` in a transaction on the writer thread.
    async fn write<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        self.noted(self.writer.call(move |connection| in_transaction(connection, f)).await)
    }

    async fn read<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        self.noted(self.readers.call(move |connection| f(connection)).await)
    }

    /// As `read`, for a list that leaves out corrupt records.
    async fn list<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Damage) -> Result<T> + Send + 'static,
    {
        let damage = self.damage.clone();
        self.read(move |c| f(c, &damage)).await
    }

    fn noted<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| self.damage.note(error))
    }
}

/// Creates the folder and the file, if missing, with private modes. SQLite gives the database's mode to the files that it
/// creates beside it.
fn own_file(data_dir: &Path, path: &Path) -> Result<()> {
    private::make_data_folder(data_dir)?;
    match private::create_new(path) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(io_error(path, e)),
    }
}

/// Writes the installation's salt once; SQLite's generator is seeded by the operating system.
fn install(writer: &mut Connection, now: DateTime<Utc>) -> Result<()> {
    in_transaction(writer, |transaction| {
        let found: i64 = transaction.query_row("SELECT count(*) FROM installation", [], |row| row.get(0))?;
        if found == 0 {
            let salt: i64 = transaction.query_row("SELECT random()", [], |row| row.get(0))?;
            let installation = Installation { salt: salt.cast_unsigned(), created_at: now };
            let document = encode("the installation", &installation)?;
            transaction.execute("INSERT INTO installation (one, document) VALUES (1, ?1)", [document])?;
        }
        Ok(())
    })
}

impl Store for SqliteStore {
    fn close(&self) {
        self.readers.close();
        self.writer.close();
        self.log.close();
    }
}

#[cfg(test)]
mod tests;
