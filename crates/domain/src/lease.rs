//! Leases, by which processes divide the work, and the units of work that workers of a fleet take.

use crate::algorithm::Algorithm;
use crate::ids::JobId;
use crate::words::word_enum;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A claim that its holder keeps alive by raising `beat`. Clocks of different machines are not compared: a process that
/// has seen `epoch` and `beat` unchanged for long enough, by its own clock, may take the lease over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// What is held.
    pub name: String,
    /// Who holds it; empty once it was given up.
    pub holder: String,
    /// Raised whenever the lease is taken.
    pub epoch: u64,
    /// Raised by the holder while it is at work.
    pub beat: u64,
}

impl Lease {
    /// Whether the lease is held.
    pub fn is_held(&self) -> bool {
        !self.holder.is_empty()
    }
}

/// The name of a job's lease.
pub fn of_job(id: &JobId) -> String {
    format!("job:{id}")
}

word_enum!(
    /// How far a unit of work is.
    UnitState {
        Open = "open",
        Done = "done",
        Failed = "failed",
        Withdrawn = "withdrawn",
    }
);

/// One attempt at one algorithm of a job, offered to the fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkUnit {
    /// The unit's id.
    pub id: String,
    /// The job that the unit is part of.
    pub job_id: JobId,
    /// The algorithm to train.
    pub algorithm: Algorithm,
    /// The job's epoch when the unit was offered. Once the epoch was raised, no trials can be recorded for the unit.
    pub job_epoch: u64,
    /// Raised by every save; a save with an old revision is refused.
    pub rev: u64,
    /// How far the unit is.
    pub state: UnitState,
    /// The worker's lease, saved anew with each of the worker's saves.
    pub lease: Lease,
    /// What is to be done, opaque to the store.
    pub order: Value,
    /// The reason why the unit shall stop, if the process that offered the unit has asked for that.
    pub stop: Option<Value>,
    /// Progress, 0 to 1.
    pub progress: f64,
    /// Artifact (SHA-256) of the result, once it is done.
    pub result: Option<String>,
    /// Why it failed.
    pub failure: Option<UnitFailure>,
    /// When the unit was offered.
    pub created_at: DateTime<Utc>,
}

/// Why a unit failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitFailure {
    /// What went wrong.
    pub text: String,
    /// Whether another attempt may succeed.
    pub may_pass: bool,
    /// Whether the unit ended on request.
    pub stopped: bool,
    /// Whether the worker could not reach the store, which is not a fault of the unit.
    #[serde(default)]
    pub store_away: bool,
}

impl UnitFailure {
    /// A failure of the store, with its error's text; `may_pass` if the cause is temporary, and so not the unit's
    /// fault.
    pub fn of_store(text: String, may_pass: bool) -> Self {
        UnitFailure { text, may_pass, store_away: may_pass, ..UnitFailure::default() }
    }
}
