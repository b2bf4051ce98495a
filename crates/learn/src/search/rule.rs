//! How a candidate is scored.

use crate::metrics::{best_threshold, metric};
use provost_domain::TargetMetric;

/// How candidates are scored, and which of the scored ones wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The service's rule: the target metric at the best out-of-fold threshold where it has one; of all candidates
    /// within one standard error of the best, the one with the lowest log loss wins.
    Service(TargetMetric),
    /// scikit-learn's rule: the mean of the folds' F1 at 0.5; the first of the best wins.
    PeerF1,
}

impl Rule {
    /// The threshold to decide at, and the score there.
    pub(crate) fn threshold(self, y: &[u8], p: &[f64]) -> (f64, f64) {
        match self {
            Rule::Service(target) => best_threshold(target, y, p),
            Rule::PeerF1 => (0.5, self.score(y, p, 0.5)),
        }
    }

    pub(crate) fn score(self, y: &[u8], p: &[f64], threshold: f64) -> f64 {
        match self {
            Rule::Service(target) => metric(target, y, p, threshold),
            Rule::PeerF1 => metric(TargetMetric::F1Score, y, p, threshold),
        }
    }

    /// Whether a candidate that makes the same decision for (nearly) all rows is refused; not by the AUC, which has no
    /// decisions, nor by `PeerF1`.
    pub(crate) fn refuses(self) -> bool {
        !matches!(self, Rule::PeerF1 | Rule::Service(TargetMetric::AucRoc))
    }
}
