//! How a step, a unit of work and a job's work end.

use super::writer::WriteError;
use crate::journal::ReadError;
use provost_store::StoreError;

/// Why a step of a unit of work has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepError {
    /// Worth another attempt.
    MayPass(String),
    /// The store was away: no fault of the step, and so no attempt of it.
    StoreAway(String),
    /// Would fail again.
    Final(String),
    /// Stopped by a cancel or a shutdown.
    Stopped,
    /// The time limit was reached before there was anything to keep.
    OutOfTime,
    /// The hard limit was reached.
    HardLimit,
    /// Another writer has the job.
    Lost,
}

impl From<WriteError> for StepError {
    fn from(e: WriteError) -> Self {
        match e {
            WriteError::Lost => StepError::Lost,
            WriteError::Store(e) => store_failed(&e),
        }
    }
}

impl From<ReadError> for StepError {
    fn from(e: ReadError) -> Self {
        match e {
            ReadError::Store(e) => store_failed(&e),
            ReadError::Unreadable(why) => StepError::Final(why),
            ReadError::Stopped(_) => StepError::Stopped,
        }
    }
}

pub fn store_failed(e: &StoreError) -> StepError {
    match e {
        StoreError::Conflict { .. } | StoreError::NotFound { .. } => StepError::Lost,
        e if e.may_pass() => StepError::StoreAway(e.to_string()),
        e => StepError::Final(e.to_string()),
    }
}

/// Said where the time limit was reached before there was anything to keep.
pub(super) const OUT_OF_TIME: &str = "the time limit was reached before a trial had finished";

/// How a job's work ended.
pub(super) enum End {
    AllDone,
    Stopped,
    Failed(String),
    Lost,
}

impl From<StepError> for End {
    fn from(e: StepError) -> Self {
        match e {
            StepError::MayPass(why) | StepError::StoreAway(why) | StepError::Final(why) => End::Failed(why),
            StepError::Stopped => End::Stopped,
            StepError::OutOfTime => End::Failed(OUT_OF_TIME.to_owned()),
            StepError::HardLimit => End::Failed("the hard time limit was reached".to_owned()),
            StepError::Lost => End::Lost,
        }
    }
}

/// How a unit of work ended.
pub(super) enum UnitEnd {
    Done,
    /// Permanently; the error is in the record, and the job goes on with the next unit.
    Failed,
    /// The job's work ends with it.
    Ended(End),
}
