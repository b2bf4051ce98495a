//! Who is at work on what: leases, and units of work that a fleet's workers take.

use crate::algorithm::Algorithm;
use crate::ids::JobId;
use crate::words::word_enum;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A claim that is kept alive by counting on. Nobody compares clocks: whoever has watched `epoch` and `beat` stand still
/// for long enough, by a clock of their own, may take it over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// What is held.
    pub name: String,
    /// Who holds it; empty once it was given up.
    pub holder: String,
    /// Raised whenever it is taken.
    pub epoch: u64,
    /// Raised by its holder while at work.
    pub beat: u64,
}

impl Lease {
    /// Whether somebody holds the lease.
    pub fn is_held(&self) -> bool {
        !self.holder.is_empty()
    }
}

/// What the lease of a job is called.
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
    /// The job's epoch when it was offered: under a later one nobody may record trials for it.
    pub job_epoch: u64,
    /// Raised by every save; a save with an old revision is refused.
    pub rev: u64,
    /// How far the unit is.
    pub state: UnitState,
    /// The worker's; it moves with the worker's every save.
    pub lease: Lease,
    /// What is to be done, opaque to the store.
    pub order: Value,
    /// Whoever offered it wishes it to end, for this reason.
    pub stop: Option<Value>,
    /// From 0 to 1.
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
    /// It was told to end, and has.
    pub stopped: bool,
    /// The worker's store was away, which is no fault of the unit.
    #[serde(default)]
    pub store_away: bool,
}

impl UnitFailure {
    /// What the store's error says; one that may pass is the store's, not the unit's.
    pub fn of_store(text: String, may_pass: bool) -> Self {
        UnitFailure { text, may_pass, store_away: may_pass, ..UnitFailure::default() }
    }
}
