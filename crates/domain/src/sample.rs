//! Synthetic data points drawn from a documented model with known truth, so that a learner can be compared with the
//! Bayes-optimal AUC.

use crate::AdmissionDataPoint;

/// One drawn point and the true probability of acceptance behind its label.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    pub point: AdmissionDataPoint,
    pub probability: f64,
}

/// `rows` points; the same seed gives the same points, and the first n of a longer sample are the n-row sample.
pub fn draw(rows: usize, seed: u64) -> impl Iterator<Item = Drawn> {
    let _ = (rows, seed);
    std::iter::empty()
}

/// AUC of the best possible ranking (by the true probabilities) on these labels.
pub fn bayes_auc(drawn: &[(f64, u8)]) -> f64 {
    let _ = drawn;
    todo!()
}
