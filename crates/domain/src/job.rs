//! The training job: its document (what a client reads), its durable record, and its state machine.

mod events;

pub use events::{JobEvent, JobEventKind, JobLogLine, JobProgress, JobStateChange, JobTrial, TrialStatus};

use crate::algorithm::Algorithm;
use crate::config::TrainingConfig;
use crate::gate::ActivationWish;
use crate::ids::{JobId, ModelId};
use crate::schedule::{Arrivals, TrainingTrigger};
use crate::words::word_enum;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

word_enum!(
    /// The status of a job.
    JobStatus {
    Pending = "pending",
    Running = "running",
    Completed = "completed",
    Failed = "failed",
    Cancelled = "cancelled",
});

/// What can happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// A worker begins.
    Start,
    /// A running job whose process stopped goes back to waiting.
    Interrupt,
    /// All models of the job are registered.
    Complete,
    /// The job cannot go on.
    Fail,
    /// A client cancelled the job.
    Cancel,
}

/// A transition that the present status does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {from} does not allow this transition: {transition:?}")]
pub struct IllegalTransition {
    /// The present status.
    pub from: JobStatus,
    /// What was asked for.
    pub transition: Transition,
}

impl JobStatus {
    /// Whether the job has ended.
    pub fn is_final(self) -> bool {
        matches!(self, JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled)
    }

    /// The status after a transition. All changes of status go through this function.
    ///
    /// # Errors
    /// [`IllegalTransition`] if the present status does not allow the transition.
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
    /// The job's id.
    pub job_id: JobId,
    /// The job's status.
    pub status: JobStatus,
    /// What was asked for.
    pub config: TrainingConfig,
    /// 0 to 100, never goes back.
    pub progress_percentage: f64,
    /// The step at work.
    pub current_step: Option<String>,
    /// Algorithms whose models are registered.
    pub algorithms_completed: Vec<Algorithm>,
    /// Models that came out of the job.
    pub trained_models: Vec<ModelId>,
    /// The best of them.
    pub best_model_id: Option<ModelId>,
    /// The best model's `cv_mean`.
    pub best_score: Option<f64>,
    /// When the job first began to run.
    pub started_at: Option<DateTime<Utc>>,
    /// When the job ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// Estimated seconds until the job ends.
    pub estimated_time_remaining_seconds: Option<f64>,
    /// Why the job failed.
    pub error_message: Option<String>,
    /// What clients should know.
    pub warnings: Vec<String>,
    /// CPU of the process; 100 is one core.
    pub cpu_usage_percent: Option<f64>,
    /// Memory of the process in MiB.
    pub memory_usage_mb: Option<f64>,
    /// The last log lines.
    pub logs: Vec<String>,
    /// When the job was created.
    pub created_at: DateTime<Utc>,
    /// Who asked for the job.
    pub created_by: Option<String>,
    /// The triggers that led to the job.
    pub triggers: Vec<TrainingTrigger>,
}

impl TrainingJob {
    /// A new pending job.
    pub fn new(job_id: JobId, config: TrainingConfig, created_at: DateTime<Utc>) -> Self {
        Self {
            job_id,
            status: JobStatus::Pending,
            config,
            progress_percentage: 0.0,
            current_step: None,
            algorithms_completed: Vec::new(),
            trained_models: Vec::new(),
            best_model_id: None,
            best_score: None,
            started_at: None,
            completed_at: None,
            estimated_time_remaining_seconds: None,
            error_message: None,
            warnings: Vec::new(),
            cpu_usage_percent: None,
            memory_usage_mb: None,
            logs: Vec::new(),
            created_at,
            created_by: None,
            triggers: Vec::new(),
        }
    }
}

/// How far one algorithm of a job has come.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UnitProgress {
    /// Attempts that failed for a temporary reason.
    pub attempts: u32,
    /// How often the process died while this unit ran, since the unit's last progress.
    pub deaths: u32,
    /// The registered model, once the unit is done (none for the hidden members of a lone ensemble).
    pub model_id: Option<ModelId>,
    /// Artifact (SHA-256) of the unit's result: out-of-fold predictions and fitted model.
    pub result: Option<String>,
    /// Whether the unit has ended.
    pub done: bool,
    /// Why the unit failed for good.
    pub error: Option<String>,
}

/// A job as the store keeps it: the client's document and what recovery needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// The document that clients read.
    pub job: TrainingJob,
    /// Raised by every save; a save with an old revision is refused.
    pub rev: u64,
    /// Raised by every claim; a writer with an older epoch is refused.
    pub epoch: u64,
    /// Snapshot (SHA-256 of its artifact) that the job trains on, once it is taken.
    pub snapshot: Option<String>,
    /// Progress of each algorithm.
    pub units: BTreeMap<Algorithm, UnitProgress>,
    /// The request to cancel the job, if there is one.
    pub cancel: Option<CancelWish>,
    /// Seconds in state `running`, summed over processes; time limits are compared with this.
    pub running_seconds: f64,
    /// Hash of the configuration, for single flight and coalescing.
    pub config_hash: String,
    /// Next sequence number of the job's event stream.
    pub next_event: u64,
    /// Counts of arrived points when the snapshot was taken; points that arrive later are new to the job's models.
    #[serde(default)]
    pub arrivals: Option<Arrivals>,
    /// What the gate may do with the best model.
    #[serde(default)]
    pub activation: ActivationWish,
    /// Estimate, made at submission, of the minutes that the job will run. The wait in the queue is not part of it.
    #[serde(default)]
    pub estimated_minutes: Option<f64>,
}

impl JobRecord {
    /// The record of a job that is not stored yet, with the hash of its configuration and no units.
    pub fn new(job: TrainingJob) -> Self {
        Self {
            rev: 0,
            epoch: 0,
            snapshot: None,
            units: BTreeMap::new(),
            cancel: None,
            running_seconds: 0.0,
            config_hash: job.config.content_hash(),
            next_event: 1,
            arrivals: None,
            activation: ActivationWish::default(),
            estimated_minutes: None,
            job,
        }
    }
}

/// A request to cancel a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelWish {
    /// When the request was made.
    pub at: DateTime<Utc>,
    /// Who made the request.
    pub by: Option<String>,
    /// Whether to fit and register the best finished trial before ending.
    pub keep_best: bool,
}

/// A finished trial as the store keeps it, enough to resume a search without refitting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// The job.
    pub job_id: JobId,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Position in the deterministic list of candidates.
    pub index: u32,
    /// The learner crate's own result, opaque to the store.
    pub result: serde_json::Value,
    /// When the trial ended.
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
        assert_eq!(refused.to_string(), "a job that is completed does not allow this transition: Cancel");
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
