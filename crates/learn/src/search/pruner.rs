//! Racing: a candidate leaves once a paired test over the folds seen so far says that its mean over all of them will not win.
//!
//! After Maron and Moore (1994) and Birattari's F-Race (2002), with Student's t over the folds' differences. Two folds say
//! little about one candidate's variance, so the variance of the differences is pooled over the field.

use super::choice::{Rule, Standing, standard_error, winner};
use super::trial::{FoldResult, exact, mean};

/// Student's t by degrees of freedom, for wrongly dropping one candidate at one rung once in ten times. What that costs the
/// winner's score is in docs/BENCHMARKS.md.
const ONE_SIDED_10_PERCENT: [f64; 30] = [
    3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372, 1.363, 1.356, 1.350, 1.345, 1.341, 1.337,
    1.333, 1.330, 1.328, 1.325, 1.323, 1.321, 1.319, 1.318, 1.316, 1.315, 1.314, 1.313, 1.311, 1.310,
];
const MANY: f64 = 1.282;

/// A candidate still in the race, or a complete one to measure against; at least `seen` folds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Runner<'a> {
    pub index: u32,
    pub folds: &'a [FoldResult],
}

/// Indices of those in `alive` that will not win, judged on the first `seen` folds of all. Depends on the values only, not
/// on the order of `alive` or `finished`.
pub(crate) fn hopeless(
    rule: Rule,
    (seen, folds): (usize, usize),
    alive: &[Runner<'_>],
    finished: &[Runner<'_>],
) -> Vec<u32> {
    if seen < 2 || seen >= folds {
        return Vec::new();
    }
    let mut runners: Vec<Runner<'_>> = alive.iter().chain(finished).copied().collect();
    runners.sort_by_key(|r| r.index);
    let column = |of: fn(&FoldResult) -> f64| -> Vec<Vec<f64>> {
        runners.iter().map(|r| r.folds[..seen].iter().map(of).collect()).collect()
    };
    let (scores, losses) = (column(|f| f.score), column(|f| f.log_loss));
    let field: Vec<Standing<'_>> = runners
        .iter()
        .enumerate()
        .map(|(i, r)| Standing {
            index: r.index,
            scores: &scores[i],
            log_loss: exact(mean(losses[i].iter().copied())),
            one_way: exact(mean(r.folds[..seen].iter().map(|f| f.one_way))),
        })
        .collect();
    let Some((leader, _)) = winner(rule, &field) else { return Vec::new() };
    // Outside the margin within which a lower log loss may still win.
    let margin = if rule == Rule::PeerF1 { 0.0 } else { standard_error(&scores[leader]) };
    let behind = |i: usize| differences(&scores[leader], &scores[i], margin);
    let worse = |i: usize| differences(&losses[i], &losses[leader], 0.0);
    let by_score = Test::pooled(folds, (0..runners.len()).filter(|i| *i != leader).map(behind));
    let by_loss = Test::pooled(folds, (0..runners.len()).filter(|i| *i != leader).map(worse));
    let average = |v: &[f64]| mean(v.iter().copied());
    (0..runners.len())
        .filter(|i| *i != leader && alive.iter().any(|a| a.index == runners[*i].index))
        .filter(|i| {
            by_score.significant(&behind(*i))
                || (rule != Rule::PeerF1
                    && average(&scores[*i]) <= average(&scores[leader])
                    && by_loss.significant(&worse(*i)))
        })
        .map(|i| runners[i].index)
        .collect()
}

fn differences(a: &[f64], b: &[f64], margin: f64) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b - margin).collect()
}

/// A one-sided test that the mean over all folds will be above 0, with a variance that is pooled over several samples.
struct Test {
    variance: f64,
    critical: f64,
    folds: f64,
}

impl Test {
    fn pooled(folds: usize, samples: impl Iterator<Item = Vec<f64>>) -> Self {
        let (mut squares, mut freedom) = (0.0, 0usize);
        for sample in samples {
            let mean = mean(sample.iter().copied());
            squares += sample.iter().map(|d| (d - mean).powi(2)).sum::<f64>();
            freedom += sample.len() - 1;
        }
        let critical = match freedom {
            0 => f64::INFINITY,
            n => ONE_SIDED_10_PERCENT.get(n - 1).copied().unwrap_or(MANY),
        };
        let variance = if freedom == 0 { 0.0 } else { squares / freedom as f64 };
        Self { variance, critical, folds: folds as f64 }
    }

    /// The folds seen are part of the mean; those to come vary about their mean, which the seen ones tell with an error.
    fn significant(&self, sample: &[f64]) -> bool {
        let (mean, seen) = (mean(sample.iter().copied()), sample.len() as f64);
        let coming = self.folds - seen;
        let error = (self.variance * (1.0 / seen + 1.0 / coming)).sqrt() * coming / self.folds;
        self.critical.is_finite() && mean > 1e-9 && mean > self.critical * error
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use provost_domain::TargetMetric;

    const AUC: Rule = Rule::Service(TargetMetric::AucRoc);

    fn folds(scores: &[f64], losses: &[f64]) -> Vec<FoldResult> {
        let fold = |(s, l): (&f64, &f64)| FoldResult { score: *s, log_loss: *l, auc: *s, one_way: 0.6, seconds: 0.0 };
        scores.iter().zip(losses).map(fold).collect()
    }

    #[test]
    fn the_clearly_worse_leaves_and_the_close_one_stays() {
        let leader = folds(&[0.780, 0.770], &[0.500, 0.510]);
        let close = folds(&[0.779, 0.771], &[0.501, 0.509]);
        let bad = folds(&[0.700, 0.690], &[0.600, 0.610]);
        let runner = |index, folds| Runner { index, folds };
        let alive = [runner(2, &bad[..]), runner(0, &leader[..]), runner(1, &close[..])];
        assert_eq!(hopeless(AUC, (2, 5), &alive, &[]), vec![2]);
        assert_eq!(hopeless(AUC, (1, 5), &alive, &[]), Vec::<u32>::new());
        assert_eq!(hopeless(AUC, (2, 5), &alive[..1], &[runner(0, &leader[..]), runner(1, &close[..])]), vec![2]);
        assert_eq!(hopeless(AUC, (2, 5), &[runner(2, &bad[..])], &[]), Vec::<u32>::new());
    }

    #[test]
    fn a_finished_trial_is_never_named_and_the_leader_never_leaves() {
        let a = folds(&[0.78, 0.77, 0.76], &[0.50, 0.51, 0.52]);
        let b = folds(&[0.60, 0.60, 0.60], &[0.70, 0.70, 0.70]);
        let runner = |index, folds| Runner { index, folds };
        assert_eq!(hopeless(AUC, (3, 5), &[runner(1, &a[..])], &[runner(0, &b[..])]), Vec::<u32>::new());
        assert_eq!(hopeless(Rule::PeerF1, (3, 5), &[runner(0, &b[..])], &[runner(1, &a[..])]), vec![0]);
    }

    #[test]
    fn a_better_log_loss_keeps_a_candidate_within_the_margin() {
        // Lower log loss and a score within a standard error of the best: it may still win.
        let best = folds(&[0.80, 0.76, 0.78], &[0.60, 0.61, 0.62]);
        let calibrated = folds(&[0.79, 0.755, 0.772], &[0.50, 0.51, 0.52]);
        let runner = |index, folds| Runner { index, folds };
        let alive = [runner(0, &best[..]), runner(1, &calibrated[..])];
        assert!(!hopeless(AUC, (3, 5), &alive, &[]).contains(&1));
    }

    #[test]
    fn equal_candidates_all_stay() {
        let a = folds(&[0.7, 0.7], &[0.5, 0.5]);
        let alive: Vec<Runner<'_>> = (0..5).map(|index| Runner { index, folds: &a }).collect();
        assert_eq!(hopeless(AUC, (2, 5), &alive, &[]), Vec::<u32>::new());
    }
}
