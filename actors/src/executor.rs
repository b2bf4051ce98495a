//! Runs attempts at units of work, never on an actor's thread.

mod local;

pub use local::LocalExecutor;

use crate::snapshot::LoadedSnapshot;
use provost_domain::lease::UnitFailure;
use provost_domain::{Algorithm, JobId, TrainingConfig};
use provost_learn::ensemble;
use provost_learn::split::Parts;
use provost_learn::train::{self, Journal, TrainSpec, Trained};
use provost_learn::{Control, LearnError};
use std::sync::Arc;
use tokio::sync::oneshot;

/// The work to do on the rows.
#[derive(Clone)]
pub enum Work {
    /// Search, then fit the best.
    Search,
    /// Fit the best of the trials that are finished.
    Finish,
    /// Combine these into an ensemble.
    Combine(Vec<Arc<Trained>>),
}

/// One attempt at one unit of work.
#[derive(Clone)]
pub struct Attempt {
    pub job: JobId,
    /// The job's epoch when the attempt began.
    pub epoch: u64,
    pub algorithm: Algorithm,
    pub work: Work,
    pub data: Arc<LoadedSnapshot>,
    pub parts: Arc<Parts>,
    /// The whole job's configuration; `spec` is the algorithm's part.
    pub config: TrainingConfig,
    pub spec: TrainSpec,
    pub journal: Arc<dyn Journal>,
    pub control: Control,
    /// How many threads it may use; 0 is the whole core budget.
    pub threads: usize,
}

impl Attempt {
    /// The name of its thread, and of the attempt in the report of a shutdown.
    pub fn name(&self) -> String {
        format!("fit-{}", self.algorithm)
    }

    /// Runs the work on the calling thread's rayon pool.
    pub fn run(&self) -> Result<Trained, LearnError> {
        let (data, parts, journal) = (&self.data.dataset, &*self.parts, &*self.journal);
        match &self.work {
            Work::Search => train::train(data, parts, &self.spec, journal, &self.control),
            Work::Finish => train::finish(data, parts, &self.spec, journal, &self.control),
            Work::Combine(members) => {
                let members: Vec<&Trained> = members.iter().map(|m| &**m).collect();
                ensemble::combine(data, parts, &self.spec, &members, &self.control)
            }
        }
    }
}

/// Why an attempt has no result.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    #[error(transparent)]
    Learn(#[from] LearnError),
    /// The fit panicked, with this text.
    #[error("the fit panicked: {0}")]
    Panic(String),
    /// No thread or no memory was available.
    #[error("the fit could not start: {0}")]
    NotStarted(String),
    /// The attempt failed on another machine.
    #[error("{}", .0.text)]
    Elsewhere(UnitFailure),
}

impl AttemptError {
    /// Whether another attempt may succeed. An attempt that was told to stop did not fail.
    pub fn may_pass(&self) -> bool {
        match self {
            AttemptError::Learn(e) => matches!(e, LearnError::Journal(_) | LearnError::Xgboost(_)),
            AttemptError::Panic(_) | AttemptError::NotStarted(_) => true,
            AttemptError::Elsewhere(e) => e.may_pass,
        }
    }
}

pub type Outcome = Result<Trained, AttemptError>;

pub trait Executor: Send + Sync + 'static {
    /// Starts at once; the receiver gets the outcome, or an error if the executor itself ended.
    fn start(&self, attempt: Attempt) -> oneshot::Receiver<Outcome>;
    /// Names of the attempts that have not ended.
    fn running(&self) -> Vec<String>;
}
