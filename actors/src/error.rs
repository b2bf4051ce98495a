//! The errors that callers of the actor system get.

use crate::failures::Kind;
use crate::pool::Busy;
use provost_domain::Faults;
use provost_domain::job::JobStatus;
use provost_domain::quality::DataQualityReport;
use provost_domain::{JobId, ModelId};
use provost_learn::LearnError;
use provost_store::StoreError;
use std::sync::Arc;

/// The actor did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// The actor died while it handled the message; it is being rebuilt.
    #[error("the {0} actor was restarted; try again")]
    Restarted(String),
    #[error("the {0} actor is down")]
    Down(String),
    /// The work behind the answer panicked.
    #[error("the work panicked: {0}")]
    Panicked(String),
}

/// The system could not start.
#[derive(Debug, thiserror::Error)]
pub enum ActorError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("setting {name}: {why}")]
    Setting { name: &'static str, why: String },
}

#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The data does not pass its quality check.
    #[error("the data fails its quality check")]
    Quality(Arc<DataQualityReport>),
    #[error("the job queue is full (jobs.max_queued = {max_queued})")]
    QueueFull { max_queued: u64 },
    /// The idempotency key was used before with another request.
    #[error("this idempotency key was used with another request")]
    Mismatch,
    /// One of its triggers has been settled already: another scheduler was faster.
    #[error("the trigger has led to a job already")]
    Settled,
    /// The data cannot be read; the text names the cause.
    #[error("{0}")]
    Data(String),
    /// The configuration exceeds a limit.
    #[error("{0}")]
    Config(Faults),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error("the service is shutting down")]
    ShuttingDown,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

impl From<LoadError> for SubmitError {
    fn from(e: LoadError) -> Self {
        match e {
            LoadError::Data(why) => SubmitError::Data(why),
            LoadError::Busy(e) => SubmitError::Busy(e),
            LoadError::Store(e) => SubmitError::Store(e),
            LoadError::Unreachable(e) => SubmitError::Unreachable(e),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    #[error("no job {0}")]
    NotFound(JobId),
    #[error("the job is {0} already")]
    AlreadyFinal(JobStatus),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The source cannot be read, or its rows cannot be trained on.
    #[error("{0}")]
    Data(String),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

impl LoadError {
    /// Whether it is waited out or given up.
    pub fn kind(&self) -> Kind {
        if self.is_store_away() { Kind::Outage } else { Kind::Fault }
    }

    /// Whether a later try may succeed.
    pub fn may_pass(&self) -> bool {
        match self {
            LoadError::Data(_) => false,
            LoadError::Store(e) => e.may_pass(),
            LoadError::Busy(_) | LoadError::Unreachable(_) => true,
        }
    }

    /// Whether the store could not be reached; the request itself was not at fault.
    pub fn is_store_away(&self) -> bool {
        matches!(self, LoadError::Store(e) if e.may_pass())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    #[error("no model {0}")]
    NotFound(ModelId),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Learn(#[from] LearnError),
    #[error("plots: {0}")]
    Plot(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

impl EvaluateError {
    /// Whether it is waited out or given up.
    pub fn kind(&self) -> Kind {
        if self.is_store_away() { Kind::Outage } else { Kind::Fault }
    }

    /// Whether a later try may succeed.
    pub fn may_pass(&self) -> bool {
        match self {
            EvaluateError::Store(e) => e.may_pass(),
            EvaluateError::Load(e) => e.may_pass(),
            EvaluateError::Busy(_) | EvaluateError::Unreachable(_) => true,
            _ => false,
        }
    }

    /// Whether the store could not be reached; the request itself was not at fault.
    pub fn is_store_away(&self) -> bool {
        match self {
            EvaluateError::Store(e) => e.may_pass(),
            EvaluateError::Load(e) => e.is_store_away(),
            _ => false,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("no model {0}")]
    NotFound(ModelId),
    /// The model cannot serve, so it was not activated.
    #[error("model {model} cannot serve: {why}")]
    CannotServe { model: ModelId, why: String },
    /// There is no earlier activation to go back to.
    #[error("there is no earlier model to roll back to")]
    NothingBefore,
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The client has disconnected, so the work was stopped.
    #[error("nobody waits for the comparison any more")]
    Abandoned,
    #[error("{0}")]
    Invalid(String),
    #[error("plots: {0}")]
    Plot(String),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Learn(#[from] LearnError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

impl RegistryError {
    /// Whether a later try may succeed.
    pub fn may_pass(&self) -> bool {
        match self {
            RegistryError::Store(e) => e.may_pass(),
            RegistryError::Load(e) => e.may_pass(),
            RegistryError::Busy(_) | RegistryError::Unreachable(_) => true,
            _ => false,
        }
    }

    /// Whether the store could not be reached; the request itself was not at fault.
    pub fn is_store_away(&self) -> bool {
        match self {
            RegistryError::Store(e) => e.may_pass(),
            RegistryError::Load(e) => e.is_store_away(),
            _ => false,
        }
    }
}
