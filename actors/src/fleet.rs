//! A fleet: processes that take units of work from the store. RabbitMQ tells them at once that there is one; the store says
//! who has it. A unit's lease lies in the unit itself, so that its every save is fenced by one compare-and-set.

mod executor;
mod unit_run;
mod worker;

pub use executor::FleetExecutor;
pub use worker::{Fleet, FleetMetrics, start};

use crate::executor::{Attempt, Work};
use provost_domain::lease::{Lease, UnitState, WorkUnit};
use provost_domain::{Algorithm, TrainingConfig};
use provost_learn::StopReason;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a unit of work says is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnitSpec {
    /// Stored as `errand`, which workers of older versions know.
    #[serde(rename = "errand")]
    pub kind: UnitKind,
    /// Artifact (SHA-256) of the rows.
    pub snapshot: String,
    /// With the grid that holds for the algorithm, whoever configured it.
    pub config: TrainingConfig,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnitKind {
    Search,
    Finish,
}

impl UnitSpec {
    /// None for a unit that is done where the job is driven: combining an ensemble needs the members' results and takes little
    /// time.
    pub fn of(attempt: &Attempt) -> Option<Self> {
        let kind = match attempt.work {
            Work::Search => UnitKind::Search,
            Work::Finish => UnitKind::Finish,
            Work::Combine(_) => return None,
        };
        let mut config = attempt.config.clone();
        if let Some(grid) = &attempt.spec.grid {
            config.grids.get_or_insert_default().insert(attempt.algorithm, grid.clone());
        }
        Some(Self { kind, snapshot: attempt.data.sha.clone(), config })
    }
}

/// A unit for this attempt, not offered yet.
pub(crate) fn unit(attempt: &Attempt, spec: &UnitSpec, at: chrono::DateTime<chrono::Utc>) -> WorkUnit {
    let id = format!("unit_{}", uuid::Uuid::now_v7().simple());
    WorkUnit {
        lease: Lease { name: id.clone(), holder: String::new(), epoch: 0, beat: 0 },
        id,
        job_id: attempt.job.clone(),
        algorithm: attempt.algorithm,
        job_epoch: attempt.epoch,
        rev: 0,
        state: UnitState::Open,
        // A specification is plain data: it always serialises.
        order: serde_json::to_value(spec).unwrap_or_default(),
        stop: None,
        progress: 0.0,
        result: None,
        failure: None,
        created_at: at,
    }
}

pub(crate) fn wish(reason: StopReason) -> Value {
    json!(match reason {
        StopReason::Cancelled => "cancelled",
        StopReason::TimeLimit => "time_limit",
        StopReason::Shutdown => "shutdown",
    })
}

pub(crate) fn reason(wish: &Value) -> StopReason {
    match wish.as_str() {
        Some("time_limit") => StopReason::TimeLimit,
        Some("shutdown") => StopReason::Shutdown,
        _ => StopReason::Cancelled,
    }
}

/// Algorithms that a worker takes; the ensemble is put together where the job is driven.
pub fn algorithms() -> impl Iterator<Item = Algorithm> {
    Algorithm::ALL.iter().copied().filter(|a| *a != Algorithm::Ensemble)
}
