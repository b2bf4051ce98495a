//! Counts of decisions against labels: the confusion matrix.

use provost_domain::TargetMetric;

/// Counts of decisions against labels: the confusion matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Class 0, decided 0.
    pub tn: u64,
    /// Class 0, decided 1.
    pub fp: u64,
    /// Class 1, decided 0.
    pub fn_: u64,
    /// Class 1, decided 1.
    pub tp: u64,
}

impl Counts {
    /// Counts the decisions `p >= threshold`. `y`: labels 0 or 1, `p`: probabilities of the same rows.
    pub fn of(y: &[u8], p: &[f64], threshold: f64) -> Self {
        let mut counts = Self::default();
        for (y, p) in y.iter().zip(p) {
            counts.add(*y, *p >= threshold, 1);
        }
        counts
    }
    pub(crate) fn add(&mut self, label: u8, decision: bool, times: u64) {
        match (label == 1, decision) {
            (false, false) => self.tn += times,
            (false, true) => self.fp += times,
            (true, false) => self.fn_ += times,
            (true, true) => self.tp += times,
        }
    }
    /// `[[tn, fp], [fn, tp]]`
    pub fn matrix(self) -> [[u64; 2]; 2] {
        [[self.tn, self.fp], [self.fn_, self.tp]]
    }
    /// All rows.
    pub fn total(self) -> u64 {
        self.tn + self.fp + self.fn_ + self.tp
    }
    /// Share of the rows that are decided correctly; 0 without rows.
    pub fn accuracy(self) -> f64 {
        ratio(self.tn + self.tp, self.total())
    }
    /// Share of class 1 among positive decisions; 0 without any.
    pub fn precision(self) -> f64 {
        ratio(self.tp, self.tp + self.fp)
    }
    /// Share of positive decisions among class 1; 0 without rows of class 1.
    pub fn recall(self) -> f64 {
        ratio(self.tp, self.tp + self.fn_)
    }
    /// Harmonic mean of precision and recall; 0 where it is undefined.
    pub fn f1(self) -> f64 {
        ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn_)
    }
    /// The same rows with the two classes exchanged: precision and recall of the result are those of class 0.
    pub(crate) fn swapped(self) -> Self {
        Self { tn: self.tp, fp: self.fn_, fn_: self.fp, tp: self.tn }
    }
    /// None for the AUC, which does not depend on a threshold.
    pub(crate) fn metric(self, metric: TargetMetric) -> Option<f64> {
        match metric {
            TargetMetric::Accuracy => Some(self.accuracy()),
            TargetMetric::Precision => Some(self.precision()),
            TargetMetric::Recall => Some(self.recall()),
            TargetMetric::F1Score => Some(self.f1()),
            TargetMetric::AucRoc => None,
        }
    }
}

/// A share; 0 where `whole` is 0.
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
