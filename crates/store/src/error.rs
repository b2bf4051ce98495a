//! One error type for all backends; it knows no transport.

use provost_domain::visible;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached or is busy; the same call may succeed later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store refuses the login, or the login lacks a right: the same call succeeds once somebody has seen to it.
    #[error("the store refuses the login: {0}")]
    Denied(String),
    /// A save with an old revision or an old epoch.
    #[error("{what} {} was changed by another writer", visible::line(id))]
    Conflict { what: &'static str, id: String },
    #[error("no {what} {}", visible::line(id))]
    NotFound { what: &'static str, id: String },
    /// A document or an artifact that is not what it was when it was written.
    #[error("{what} is corrupt: {why}")]
    Corrupt { what: String, why: String },
    #[error("the store's schema is version {found}; this binary knows up to {known}: use a newer binary")]
    NewerSchema { found: u32, known: u32 },
    /// Another process holds the data folder.
    #[error("{folder} is in use by process {pid}")]
    Locked { folder: String, pid: String },
    /// A model of the service that Provost replaced: its record is here, and nothing that could predict.
    #[error(
        "model {model} is one of the replaced service and has no artifact: it can be listed and compared by its stored metrics, \
         and nothing else; train a new model"
    )]
    NoArtifact { model: String },
    /// What was asked for cannot be done as it stands: a bad cursor, name or document.
    #[error("{0}")]
    Invalid(String),
    /// A fault of the store itself (a panic in a command, a statement that should not fail): nothing of the call was kept.
    #[error("fault in the store: {0}")]
    Internal(String),
    /// The device, a quota or the database's own limit is full; nothing of the call was kept.
    #[error("no space left: {0}")]
    Full(String),
}

impl StoreError {
    /// What somebody elsewhere may be told: no path, no host, no text of a driver.
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

pub type Result<T> = std::result::Result<T, StoreError>;
