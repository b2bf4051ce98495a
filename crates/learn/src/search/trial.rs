//! One candidate's results, and the journal that keeps them, so that a later process can go on from them.

use super::rule::Rule;
use crate::metrics::{auc, log_loss};
use crate::params::Params;
pub use provost_domain::job::TrialStatus;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The result of one candidate on one fold's held-out rows. Scores are rounded to multiples of 2^-32, so that they
/// survive any text format that keeps a double to within a unit in the last place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoldResult {
    /// Score in the target metric, at this fold's own best threshold where the metric has one; racing compares these
    /// scores.
    pub score: f64,
    /// Mean log loss over the held-out rows.
    pub log_loss: f64,
    /// Area under the ROC curve.
    pub auc: f64,
    /// Share of the rows that get the more frequent decision at that threshold.
    pub one_way: f64,
    /// Wall-clock time of the fit in seconds; not part of any decision.
    pub seconds: f64,
}

impl FoldResult {
    pub(crate) fn of(rule: Rule, y: &[u8], p: &[f64], seconds: f64) -> Self {
        let (threshold, score) = rule.threshold(y, p);
        Self {
            score: exact(score),
            log_loss: exact(log_loss(y, p)),
            auc: exact(auc(y, p)),
            one_way: exact(one_way(p, threshold)),
            seconds,
        }
    }
}

/// A finished candidate: all that choosing, racing and resuming need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialResult {
    /// Position in the deterministic order of candidates.
    pub index: u32,
    /// The candidate's parameters.
    pub params: Params,
    /// Complete or pruned.
    pub status: TrialStatus,
    /// One score per fold, in the target metric at `threshold`; of a pruned trial, of the folds that it saw.
    pub fold_scores: Vec<f64>,
    /// Mean of `fold_scores`.
    pub score: f64,
    /// The best threshold over all out-of-fold predictions for F1 and accuracy, else 0.5.
    pub threshold: f64,
    /// Mean of the folds' log losses.
    pub log_loss: f64,
    /// Share of the out-of-fold rows that get the more frequent decision.
    pub one_way: f64,
    /// One result for each fold that the trial saw.
    pub folds: Vec<FoldResult>,
    /// Wall-clock time of all fits in seconds, added up; not part of any decision.
    pub seconds: f64,
}

impl TrialResult {
    /// Computes the result from the held-out labels and predictions of the folds that the trial saw.
    pub(crate) fn of(
        rule: Rule,
        index: u32,
        params: &Params,
        status: TrialStatus,
        folds: &[(&[u8], &[f64])],
        results: Vec<FoldResult>,
    ) -> Self {
        let y: Vec<u8> = folds.iter().flat_map(|(y, _)| y.iter().copied()).collect();
        let p: Vec<f64> = folds.iter().flat_map(|(_, p)| p.iter().copied()).collect();
        let (threshold, _) = rule.threshold(&y, &p);
        let fold_scores: Vec<f64> = folds.iter().map(|(y, p)| exact(rule.score(y, p, threshold))).collect();
        Self {
            index,
            params: params.clone(),
            status,
            score: exact(mean(fold_scores.iter().copied())),
            fold_scores,
            threshold: exact(threshold),
            log_loss: exact(mean(results.iter().map(|f| f.log_loss))),
            one_way: exact(one_way(&p, threshold)),
            seconds: results.iter().map(|f| f.seconds).sum(),
            folds: results,
        }
    }

    /// Undoes what a text format may have changed in the last bit of a number.
    pub(crate) fn exact(mut self) -> Self {
        for fold in &mut self.folds {
            for v in [&mut fold.score, &mut fold.log_loss, &mut fold.auc, &mut fold.one_way] {
                *v = exact(*v);
            }
        }
        for v in self.fold_scores.iter_mut().chain([
            &mut self.score,
            &mut self.threshold,
            &mut self.log_loss,
            &mut self.one_way,
        ]) {
            *v = exact(*v);
        }
        self
    }
}

/// The nearest multiple of 2^-32: numbers on this grid add up exactly and round-trip through imprecise parsers.
pub(crate) fn exact(v: f64) -> f64 {
    const GRID: f64 = 4_294_967_296.0;
    if v.is_finite() { (v * GRID).round() / GRID } else { v }
}

pub(crate) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len().max(1) as f64;
    values.sum::<f64>() / n
}

fn one_way(p: &[f64], threshold: f64) -> f64 {
    let accepted = p.iter().filter(|p| **p >= threshold).count();
    accepted.max(p.len() - accepted) as f64 / p.len().max(1) as f64
}

/// Where finished trials are kept across processes.
pub trait Journal: Send + Sync {
    /// The trials recorded before, in any order.
    fn finished(&self) -> Arc<[TrialResult]>;
    /// Called once for each newly finished trial, from the thread that finished it, in finishing order.
    ///
    /// # Errors
    ///
    /// Why the trial could not be recorded.
    fn record(&self, trial: &TrialResult) -> Result<(), String>;
}

/// A journal that keeps nothing.
pub struct NoJournal;

impl Journal for NoJournal {
    fn finished(&self) -> Arc<[TrialResult]> {
        Arc::new([])
    }
    fn record(&self, _: &TrialResult) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use provost_domain::TargetMetric;
    use provost_domain::rng::SplitMix64;

    #[test]
    fn survives_json_bit_for_bit() {
        let mut r = SplitMix64::new(3);
        let y: Vec<u8> = (0..300).map(|i| (i % 3 == 0) as u8).collect();
        for _ in 0..50 {
            let p: Vec<f64> = y.iter().map(|y| 0.3 * f64::from(*y) + 0.7 * r.unit()).collect();
            let rule = Rule::Service(TargetMetric::F1Score);
            let folds = [(&y[..150], &p[..150]), (&y[150..], &p[150..])];
            let results = folds.iter().map(|(y, p)| FoldResult::of(rule, y, p, 0.0)).collect();
            let t = TrialResult::of(rule, 3, &Params::new(), TrialStatus::Complete, &folds, results);
            let mut text: TrialResult = serde_json::from_str(&serde_json::to_string(&t).unwrap()).unwrap();
            text.score = f64::from_bits(text.score.to_bits() + 1);
            text.folds[1].log_loss = f64::from_bits(text.folds[1].log_loss.to_bits() - 1);
            assert_eq!(text.exact(), t);
            assert!(t.score > 0.5 && t.threshold > 0.0 && t.one_way < 1.0, "{t:?}");
        }
    }
}
