//! The records that a card is written from.

use provost_actors::evaluator::Audit;
use provost_domain::audit::AuditEntry;
use provost_domain::evaluation::EvaluationResults;
use provost_domain::gate::GateDecision;
use provost_domain::job::TrainingJob;
use provost_domain::model::{Activation, ModelRecord};
use provost_domain::watch_record::WatchedWindow;
use std::sync::Arc;

/// The texts of the section `[card]` of the settings. An empty text is a blank in the card.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CardTexts {
    /// Who provides the system: name and address.
    pub provider: String,
    /// Who answers questions about the system.
    pub contact: String,
    /// What the system is for, and for whom.
    pub purpose: String,
    /// Who reviews predictions before a decision, and how.
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
    /// The number of recorded trials of its algorithm's search, and whether there are more.
    pub trials: (u64, bool),
    /// Its last evaluation.
    pub results: Option<EvaluationResults>,
    /// The gate's decision on its job's best model.
    pub decision: Option<GateDecision>,
    /// The activations of the model and of its successors, the newest first.
    pub activations: Vec<Activation>,
    /// The fairness audit on its held-out rows, or why there is none.
    pub audit: Result<Arc<Audit>, String>,
    /// The newest windows of its predictions and points, the newest first.
    pub windows: Vec<WatchedWindow>,
    /// Entries of the audit log about the model and its job, the oldest first.
    pub log: Vec<AuditEntry>,
    /// Whether older entries of the log were not searched.
    pub log_is_cut: bool,
    /// The settings' texts.
    pub texts: CardTexts,
    /// Whether predictions are logged.
    pub logs_predictions: bool,
    /// Whether the service retrains by its schedule.
    pub is_scheduled: bool,
}
