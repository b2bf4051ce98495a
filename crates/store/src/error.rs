//! One error type for all backends; it knows no transport.

use provost_domain::visible;
use std::io::ErrorKind;
use std::path::Path;

/// Why a call of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached or is busy; the same call may succeed later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store refuses the login, or the login lacks a right; the same call succeeds once an administrator has corrected that.
    #[error("the store refuses the login: {0}")]
    Denied(String),
    /// A save with an old revision or an old epoch.
    #[error("{what} {} was changed by another writer", visible::line(id))]
    Conflict {
        /// The kind of record.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// There is no such record.
    #[error("no {what} {}", visible::line(id))]
    NotFound {
        /// The kind of record.
        what: &'static str,
        /// The id that was asked for.
        id: String,
    },
    /// A document or an artifact that is not what it was when it was written.
    #[error("{what} is corrupt: {why}")]
    Corrupt {
        /// The record or artifact, by its id.
        what: String,
        /// What is wrong with it; may be a text of the database.
        why: String,
    },
    /// The store was written by a newer version of Provost.
    #[error("the store's schema is version {found}; this binary knows up to {known}: use a newer binary")]
    NewerSchema {
        /// The schema's version in the store.
        found: u32,
        /// The newest version that this binary knows.
        known: u32,
    },
    /// Another process holds the data folder.
    #[error("{folder} is in use by process {pid}")]
    Locked {
        /// The data folder.
        folder: String,
        /// The process that holds it.
        pid: String,
    },
    /// A model of the service that Provost replaced: its record was taken over, but there is no artifact that could predict.
    #[error(
        "model {model} is one of the replaced service and has no artifact: it can be listed and compared by its stored metrics, \
         and nothing else; train a new model"
    )]
    NoArtifact {
        /// Id of the model.
        model: String,
    },
    /// The request itself is wrong: a bad cursor, name or document.
    #[error("{0}")]
    Invalid(String),
    /// A fault of the store itself (a panic in a command, a statement that should not fail); nothing was changed.
    #[error("fault in the store: {0}")]
    Internal(String),
    /// The disk, a quota or the database is full; nothing was changed.
    #[error("no space left: {0}")]
    Full(String),
}

impl StoreError {
    /// The error as clients may read it: without paths, hosts or texts of a driver.
    pub fn for_callers(&self) -> String {
        match self {
            StoreError::Unavailable(_) => "the store is unavailable".to_owned(),
            StoreError::Denied(_) => "the store refuses the service's login".to_owned(),
            StoreError::Full(_) => "no space left".to_owned(),
            StoreError::Internal(_) => "fault in the store".to_owned(),
            // `what` is a record or an artifact by its id; `why` may be a text of the database.
            StoreError::Corrupt { what, .. } => format!("{what} is corrupt"),
            StoreError::Locked { .. } => "the data folder is in use".to_owned(),
            StoreError::Conflict { .. }
            | StoreError::NoArtifact { .. }
            | StoreError::NotFound { .. }
            | StoreError::NewerSchema { .. }
            | StoreError::Invalid(_) => self.to_string(),
        }
    }

    /// Whether a later try may succeed.
    pub fn may_pass(&self) -> bool {
        matches!(self, StoreError::Unavailable(_) | StoreError::Denied(_) | StoreError::Full(_))
    }
}

/// The result of a call of the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// An error of the file at `path`: `Full` where the disk or a quota is, else `Unavailable`.
pub(crate) fn io_error(path: &Path, e: std::io::Error) -> StoreError {
    let text = format!("{}: {e}", path.display());
    match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => StoreError::Full(text),
        _ => StoreError::Unavailable(text),
    }
}
