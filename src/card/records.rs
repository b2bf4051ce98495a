//! What a card is written from.

use provost_actors::evaluator::Audit;
use provost_domain::audit::AuditEntry;
use provost_domain::evaluation::EvaluationResults;
use provost_domain::gate::GateDecision;
use provost_domain::job::TrainingJob;
use provost_domain::model::{Activation, ModelRecord};
use provost_domain::watch_record::WatchedWindow;
use std::sync::Arc;

/// What people have said in the settings: the section `[card]`. An empty text is a blank in the card.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CardTexts {
    /// Who provides the system: name and address.
    pub provider: String,
    /// Who answers questions about it.
    pub contact: String,
    /// What it is for, and for whom.
    pub purpose: String,
    /// Who looks at what it says before anything is decided, and how.
    pub oversight: String,
    /// `sme`, `mid` or `large`.
    pub enterprise_size: String,
}

/// The records of a model.
#[derive(Debug, Clone)]
pub struct Records {
    /// The version.
    pub model: ModelRecord,
    /// The job that trained it.
    pub job: Option<TrainingJob>,
    /// Trials of its algorithm's search that are on record, and whether there are more.
    pub trials: (u64, bool),
    /// Its last evaluation.
    pub results: Option<EvaluationResults>,
    /// What the gate decided on its job's best model.
    pub decision: Option<GateDecision>,
    /// Those that it came by, and that it was replaced by, the newest first.
    pub activations: Vec<Activation>,
    /// The audit on its held-out rows, or why there is none.
    pub audit: Result<Arc<Audit>, String>,
    /// What its newest windows of predictions and points were like, the newest first.
    pub windows: Vec<WatchedWindow>,
    /// Entries of the audit log about it and its job, the oldest first.
    pub log: Vec<AuditEntry>,
    /// Whether older entries were not looked at.
    pub log_is_cut: bool,
    /// The settings' texts.
    pub texts: CardTexts,
    /// Whether predictions are logged.
    pub logs_predictions: bool,
    /// Whether the service retrains by its schedule.
    pub is_scheduled: bool,
}
