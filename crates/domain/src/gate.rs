//! The gate, which decides whether a trained model (the challenger) replaces the active one: its decisions and their
//! evidence.

use crate::algorithm::TargetMetric;
use crate::evaluation::{Difference, McNemarTest};
use crate::ids::{JobId, ModelId};
use crate::words::word_enum;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What may happen to a job's best model without an operator. If a job has several triggers, the most permissive wish
/// counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationWish {
    /// Nothing: a person decides.
    #[default]
    None,
    /// The model is compared with the active one, and waits for an approval.
    Approval,
    /// The model is activated if it is better than the active one.
    IfBetter,
    /// The model is activated if it is not worse than the active one, which is old.
    IfNotWorse,
}

impl ActivationWish {
    /// Whether the model may serve without a person's consent.
    pub fn is_automatic(self) -> bool {
        matches!(self, Self::IfBetter | Self::IfNotWorse)
    }
}

word_enum!(
    /// What the gate decided.
    GateOutcome {
        Activated = "activated",
        Kept = "kept",
        AwaitsApproval = "awaits_approval",
        NotComparable = "not_comparable",
    }
);

/// What the gate measured: the challenger against the champion, or against chance where there is no champion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GateEvidence {
    /// The metric that decides.
    pub metric: TargetMetric,
    /// Held-out rows that neither model was trained, tuned or calibrated on.
    pub rows: u64,
    /// Universities and programs among them.
    pub clusters: u64,
    /// The challenger's score.
    pub challenger_score: f64,
    /// The champion's score on the same rows.
    pub champion_score: Option<f64>,
    /// Challenger minus champion; without a champion, the challenger's AUC minus .5.
    pub improvement: f64,
    /// One-sided lower bound of it at `alpha`.
    pub lower_bound: f64,
    /// Spent on this decision out of the quarter's .05.
    pub alpha: f64,
    /// How many decisions of the quarter this one is.
    pub look: u32,
    /// DeLong's test of the two areas under the curve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delong: Option<Difference>,
    /// McNemar's test of the two classifiers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcnemar: Option<McNemarTest>,
}

/// A decision of the gate; one per job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GateDecision {
    /// The job that trained the challenger.
    pub job_id: JobId,
    /// The best model of the job.
    pub challenger_id: ModelId,
    /// The model that was active when the gate decided.
    pub champion_id: Option<ModelId>,
    /// When the gate decided.
    pub decided_at: DateTime<Utc>,
    /// What the gate decided.
    pub outcome: GateOutcome,
    /// "kept the active model, because …"
    pub reason: String,
    /// The improvement that was asked for.
    pub improvement_threshold: f64,
    /// The comparison; none where there was nothing to compare.
    pub evidence: Option<GateEvidence>,
}
