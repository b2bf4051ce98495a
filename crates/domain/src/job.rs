//! The training job: its document (what a client reads), its durable record, and its state machine.

mod events;

pub use events::{JobEvent, JobEventKind, JobLogLine, JobProgress, JobStateChange, JobTrial, TrialStatus};

use crate::config::word_enum;
use crate::gate::ActivationWish;
use crate::schedule::{Arrivals, TrainingTrigger};
use crate::{Algorithm, JobId, ModelId, TrainingConfig};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

word_enum!(JobStatus {
    Pending = "pending",
    Running = "running",
    Completed = "completed",
    Failed = "failed",
    Cancelled = "cancelled",
});

/// What can happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    Start,
    /// A running job whose process stopped goes back to waiting.
    Interrupt,
    Complete,
    Fail,
    Cancel,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {from} cannot {transition:?}")]
pub struct IllegalTransition {
    pub from: JobStatus,
    pub transition: Transition,
}

impl JobStatus {
    pub fn is_final(self) -> bool {
        matches!(self, JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled)
    }

    /// The only way from one status to another.
    pub fn after(self, transition: Transition) -> Result<JobStatus, IllegalTransition> {
        use JobStatus::*;
        match (self, transition) {
            (Pending, Transition::Start) => Ok(Running),
            (Running, Transition::Interrupt) => Ok(Pending),
            (Running, Transition::Complete) => Ok(Completed),
            (Pending | Running, Transition::Fail) => Ok(Failed),
            (Pending | Running, Transition::Cancel) => Ok(Cancelled),
            (from, transition) => Err(IllegalTransition { from, transition }),
        }
    }
}

/// A training job as clients read it. Unknown numbers are null, never 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrainingJob {
    pub job_id: JobId,
    pub status: JobStatus,
    pub config: TrainingConfig,
    /// 0 to 100, never goes back.
    pub progress_percentage: f64,
    pub current_step: Option<String>,
    pub algorithms_completed: Vec<Algorithm>,
    pub trained_models: Vec<ModelId>,
    pub best_model_id: Option<ModelId>,
    /// The best model's `cv_mean`.
    pub best_score: Option<f64>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    pub estimated_time_remaining_seconds: Option<f64>,
    pub error_message: Option<String>,
    pub warnings: Vec<String>,
    pub cpu_usage_percent: Option<f64>,
    pub memory_usage_mb: Option<f64>,
    pub logs: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub created_by: Option<String>,
    pub triggers: Vec<TrainingTrigger>,
}

/// How far one algorithm of a job has come.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UnitProgress {
    /// Attempts that failed for a reason that may pass.
    pub attempts: u32,
    /// Deaths of the process while this unit ran, since its last progress.
    pub deaths: u32,
    /// The registered model, once the unit is done (none for the hidden members of a lone ensemble).
    pub model_id: Option<ModelId>,
    /// Artifact (SHA-256) of the unit's result: out-of-fold predictions and fitted model.
    pub result: Option<String>,
    pub done: bool,
    /// Why the unit failed for good.
    pub error: Option<String>,
}

/// A job as the store keeps it: the client's document and what recovery needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    pub job: TrainingJob,
    /// Raised by every save; a save with an old revision is refused.
    pub rev: u64,
    /// Raised by every claim; a writer with an older epoch is refused.
    pub epoch: u64,
    /// Snapshot (SHA-256 of its artifact) that the job trains on, once it is taken.
    pub snapshot: Option<String>,
    pub units: BTreeMap<Algorithm, UnitProgress>,
    /// A client wishes the job to end.
    pub cancel: Option<CancelWish>,
    /// Seconds in state `running`, summed over processes: time limits count these.
    pub running_seconds: f64,
    /// Hash of the configuration, for single flight and coalescing.
    pub config_hash: String,
    /// Next sequence number of the job's event stream.
    pub next_event: u64,
    /// What had come in when the snapshot was taken: what came later is new to the job's models.
    #[serde(default)]
    pub arrivals: Option<Arrivals>,
    /// What becomes of the best model.
    #[serde(default)]
    pub activation: ActivationWish,
    /// Estimate, made at submission, of the minutes that the job will run. The wait in the queue is not part of it.
    #[serde(default)]
    pub estimated_minutes: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelWish {
    pub at: DateTime<Utc>,
    pub by: Option<String>,
    /// Fit and register the best finished trial before ending.
    pub keep_best: bool,
}

/// A finished trial as the store keeps it, enough to resume a search without refitting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    pub job_id: JobId,
    pub algorithm: Algorithm,
    /// Position in the deterministic list of candidates.
    pub index: u32,
    /// The learner crate's own result, opaque to the store.
    pub result: serde_json::Value,
    pub finished_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    const TRANSITIONS: [Transition; 5] =
        [Transition::Start, Transition::Interrupt, Transition::Complete, Transition::Fail, Transition::Cancel];

    #[test]
    fn the_whole_table() {
        use JobStatus::*;
        let rows: [(JobStatus, [Option<JobStatus>; 5]); 5] = [
            (Pending, [Some(Running), None, None, Some(Failed), Some(Cancelled)]),
            (Running, [None, Some(Pending), Some(Completed), Some(Failed), Some(Cancelled)]),
            (Completed, [None; 5]),
            (Failed, [None; 5]),
            (Cancelled, [None; 5]),
        ];
        for (from, expected) in rows {
            for (transition, to) in TRANSITIONS.into_iter().zip(expected) {
                assert_eq!(from.after(transition).ok(), to, "{from} {transition:?}");
            }
        }
        let refused = Completed.after(Transition::Cancel).unwrap_err();
        assert_eq!(refused.to_string(), "a job that is completed cannot Cancel");
    }

    proptest! {
        /// However the transitions come: a refused one changes nothing, a final state absorbs, and a job that completed
        /// was running just before.
        #[test]
        fn no_illegal_path(steps in proptest::collection::vec(0usize..5, 0..40)) {
            let mut status = JobStatus::Pending;
            for step in steps {
                let before = status;
                match before.after(TRANSITIONS[step]) {
                    Ok(next) => {
                        prop_assert!(!before.is_final());
                        prop_assert_ne!(next, before);
                        prop_assert!(next != JobStatus::Completed || before == JobStatus::Running);
                        status = next;
                    }
                    Err(e) => prop_assert_eq!(e, IllegalTransition { from: before, transition: TRANSITIONS[step] }),
                }
            }
        }
    }
}
