//! The file of the prediction log, beside the database: it has a writer of its own, so that a thousand predictions a second
//! delay no job. It is created with the first prediction.

use super::connection::{self, Workers, in_transaction};
use super::schema;
use crate::error::{Result, StoreError, io_error};
use crate::layout::PREDICTIONS;
use crate::private;
use rusqlite::{Connection, Transaction};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// As the steps of the database's schema.
const STEPS: &[&str] = &[V1, CALLERS];

/// Models and lists of feature names are numbered, so that an entry is short. Entries of models in the shadow have what the
/// serving model answered. Times are microseconds since 1970; outcomes are 1 (accepted) and 0 (rejected).
const V1: &str = "
CREATE TABLE models (
    model INTEGER PRIMARY KEY,
    model_id TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE columns (
    columns INTEGER PRIMARY KEY,
    names TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE predictions (
    position INTEGER PRIMARY KEY,
    prediction_id TEXT NOT NULL,
    model INTEGER NOT NULL,
    predicted_at INTEGER NOT NULL,
    data_point_id TEXT,
    probability REAL NOT NULL,
    accepted INTEGER NOT NULL,
    outcome INTEGER,
    columns INTEGER NOT NULL,
    features BLOB NOT NULL,
    serving_model INTEGER,
    serving_probability REAL,
    serving_accepted INTEGER
) STRICT;
CREATE UNIQUE INDEX predictions_by_id ON predictions (prediction_id, model);
CREATE INDEX predictions_by_time ON predictions (predicted_at, prediction_id);
CREATE INDEX predictions_by_model ON predictions (model, predicted_at, prediction_id) WHERE serving_model IS NULL;
CREATE INDEX predictions_by_outcome ON predictions (outcome, predicted_at, prediction_id)
    WHERE outcome IS NOT NULL AND serving_model IS NULL;
CREATE INDEX predictions_scored ON predictions (model, predicted_at, probability, outcome) WHERE outcome IS NOT NULL;
CREATE INDEX predictions_in_shadow ON predictions (model, predicted_at, probability, accepted, serving_probability,
    serving_accepted) WHERE serving_model IS NOT NULL;
CREATE INDEX predictions_by_point ON predictions (data_point_id) WHERE data_point_id IS NOT NULL;
";

/// Who asked, and how many entries each caller has: nobody pushes out the entries of others. Older entries are those of a caller
/// without a name. The index has the positions, too.
const CALLERS: &str = "
CREATE TABLE callers (
    caller INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    entries INTEGER NOT NULL
) STRICT;
ALTER TABLE predictions ADD COLUMN caller INTEGER NOT NULL DEFAULT 0;
INSERT INTO callers (caller, name, entries) SELECT 0, '', count(*) FROM predictions;
CREATE INDEX predictions_by_caller ON predictions (caller);
CREATE TRIGGER prediction_added AFTER INSERT ON predictions BEGIN
    UPDATE callers SET entries = entries + 1 WHERE caller = NEW.caller;
END;
CREATE TRIGGER prediction_removed AFTER DELETE ON predictions BEGIN
    UPDATE callers SET entries = entries - 1 WHERE caller = OLD.caller;
END;
";

struct Opened {
    /// Dropped before the writer, as in the store.
    reader: Workers,
    writer: Workers,
}

/// The prediction log of a data folder.
pub struct PredictionFile {
    path: PathBuf,
    opened: Mutex<State>,
}

enum State {
    /// Not opened yet; there may be no file.
    Untouched,
    Open(Arc<Opened>),
    Closed,
}

impl PredictionFile {
    pub fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join(PREDICTIONS), opened: Mutex::new(State::Untouched) }
    }

    pub fn close(&self) {
        let state = std::mem::replace(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner), State::Closed);
        if let State::Open(opened) = state {
            opened.reader.close();
            opened.writer.close();
        }
    }

    /// Opens the file, if there is one, and brings its schema up to date, which takes seconds for millions of entries: before the
    /// store is used, since otherwise the first request would block its thread for as long.
    pub fn prepare(&self) -> Result<()> {
        self.opened(false).map(|_| ())
    }

    /// The open file. None if there is none and `create` is false. Blocks for some milliseconds where the file is created, and for
    /// as long as a migration takes where `prepare` has failed.
    fn opened(&self, create: bool) -> Result<Option<Arc<Opened>>> {
        let mut state = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Open(opened) => return Ok(Some(Arc::clone(opened))),
            State::Closed => return Err(StoreError::Unavailable("the store is closed".to_owned())),
            State::Untouched if !create && !self.path.exists() => return Ok(None),
            State::Untouched => {}
        }
        match private::create_new(&self.path) {
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(io_error(&self.path, e)),
        }
        let mut writer = connection::open_writer(&self.path)?;
        // A power cut may take the last entries; it damages nothing.
        writer.pragma_update(None, "synchronous", "normal")?;
        let found = schema::version(&writer)?;
        if (1..known_version()).contains(&found) {
            tracing::info!(
                from = found,
                to = known_version(),
                "the prediction log is brought to a new schema, which takes longer the more entries it has"
            );
        }
        schema::migrate(&mut writer, STEPS)?;
        let reader = connection::open_reader(&self.path)?;
        let opened = Arc::new(Opened {
            reader: Workers::start("store-log-reader", vec![reader])?,
            writer: Workers::start("store-log-writer", vec![writer])?,
        });
        *state = State::Open(Arc::clone(&opened));
        Ok(Some(opened))
    }

    /// Runs `f` on the reader's thread; None if there is no log yet.
    pub async fn read<T, F>(&self, f: F) -> Result<Option<T>>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let Some(opened) = self.opened(false)? else { return Ok(None) };
        opened.reader.call(move |connection| f(connection)).await.map(Some)
    }

    /// Runs `f` in a transaction on the writer's thread; None if there is no log yet and it is not to be created.
    pub async fn write<T, F>(&self, create: bool, f: F) -> Result<Option<T>>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        let Some(opened) = self.opened(create)? else { return Ok(None) };
        opened.writer.call(move |connection| in_transaction(connection, f)).await.map(Some)
    }
}

/// The newest version of the file's schema that this binary knows.
pub fn known_version() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}
