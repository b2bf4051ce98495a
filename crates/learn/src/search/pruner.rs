//! Racing: a candidate is dropped once a paired test over the folds seen so far says that its mean over all folds will
//! not win.
//!
//! After Hoeffding races (Maron and Moore 1994) and F-Race (Birattari et al. 2002), with Student's t over the
//! differences by fold. Two folds say little about one candidate's variance, so the variance of the differences is
//! pooled over the field.

use super::choice::{Standing, standard_error, winner};
use super::rule::Rule;
use super::trial::{FoldResult, exact, mean};
use crate::error::LearnError;
use provost_predict::control::Control;

/// Critical values of Student's t by degrees of freedom, one-sided at 10 %: the probability of wrongly dropping one
/// candidate at one rung. The effect on the winner's score is in docs/BENCHMARKS.md.
const ONE_SIDED_10_PERCENT: [f64; 30] = [
    3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372, 1.363, 1.356, 1.350, 1.345, 1.341, 1.337,
    1.333, 1.330, 1.328, 1.325, 1.323, 1.321, 1.319, 1.318, 1.316, 1.315, 1.314, 1.313, 1.311, 1.310,
];
const MANY: f64 = 1.282;

/// A candidate still in the race, or a complete trial to compare with; has at least `seen` folds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Runner<'a> {
    pub index: u32,
    pub folds: &'a [FoldResult],
}

/// Runners between two checks of the stop token.
const LOOK: usize = 1 << 10;

/// Indices of the candidates in `alive` that will not win, judged on the first `seen` folds of all. The result depends
/// on the values only, not on the order of `alive` or `finished`.
///
/// # Errors
///
/// `Stopped`.
pub(crate) fn hopeless(
    rule: Rule,
    (seen, folds): (usize, usize),
    alive: &[Runner<'_>],
    finished: &[Runner<'_>],
    control: &Control,
) -> Result<Vec<u32>, LearnError> {
    if seen < 2 || seen >= folds {
        return Ok(Vec::new());
    }
    let mut runners: Vec<Runner<'_>> = alive.iter().chain(finished).copied().collect();
    runners.sort_by_key(|r| r.index);
    // One runner after the other, `seen` numbers each.
    let (mut scores, mut losses) = (Vec::new(), Vec::new());
    for part in runners.chunks(LOOK) {
        control.check()?;
        for fold in part.iter().flat_map(|r| &r.folds[..seen]) {
            scores.push(fold.score);
            losses.push(fold.log_loss);
        }
    }
    let (score, loss) = (|i: usize| &scores[i * seen..][..seen], |i: usize| &losses[i * seen..][..seen]);
    let average = |v: &[f64]| mean(v.iter().copied());
    let mut field = Vec::with_capacity(runners.len());
    for (i, runner) in runners.iter().enumerate() {
        if i % LOOK == 0 {
            control.check()?;
        }
        field.push(Standing {
            index: runner.index,
            scores: score(i),
            log_loss: exact(average(loss(i))),
            one_way: exact(mean(runner.folds[..seen].iter().map(|f| f.one_way))),
        });
    }
    let Some((leader, _)) = winner(rule, &field) else { return Ok(Vec::new()) };
    control.check()?;
    // Within this margin of the leader's score a candidate may still win by a lower log loss.
    let margin = if rule == Rule::PeerF1 { 0.0 } else { standard_error(score(leader)) };
    let behind = |i: usize, to: &mut Vec<f64>| differences(score(leader), score(i), margin, to);
    let worse = |i: usize, to: &mut Vec<f64>| differences(loss(i), loss(leader), 0.0, to);
    let (mut by_score, mut by_loss) = (Pool::default(), Pool::default());
    let mut sample = Vec::with_capacity(seen);
    for i in (0..runners.len()).filter(|i| *i != leader) {
        if i % LOOK == 0 {
            control.check()?;
        }
        behind(i, &mut sample);
        by_score.add(&sample);
        worse(i, &mut sample);
        by_loss.add(&sample);
    }
    let (by_score, by_loss) = (by_score.test(folds), by_loss.test(folds));
    let places = alive.iter().map(|a| runners.partition_point(|r| r.index < a.index));
    let mut out: Vec<usize> = places
        .filter(|i| *i != leader)
        .filter(|i| {
            behind(*i, &mut sample);
            if by_score.significant(&sample) {
                return true;
            }
            worse(*i, &mut sample);
            rule != Rule::PeerF1 && average(score(*i)) <= average(score(leader)) && by_loss.significant(&sample)
        })
        .collect();
    out.sort_unstable();
    Ok(out.into_iter().map(|i| runners[i].index).collect())
}

fn differences(a: &[f64], b: &[f64], margin: f64, to: &mut Vec<f64>) {
    to.clear();
    to.extend(a.iter().zip(b).map(|(a, b)| a - b - margin));
}

/// Sum of the squared deviations of several samples from their means, and its degrees of freedom.
#[derive(Default)]
struct Pool {
    squares: f64,
    freedom: usize,
}

impl Pool {
    fn add(&mut self, sample: &[f64]) {
        let mean = mean(sample.iter().copied());
        self.squares += sample.iter().map(|d| (d - mean).powi(2)).sum::<f64>();
        self.freedom += sample.len() - 1;
    }

    fn test(self, folds: usize) -> Test {
        let critical = match self.freedom {
            0 => f64::INFINITY,
            n => ONE_SIDED_10_PERCENT.get(n - 1).copied().unwrap_or(MANY),
        };
        let variance = if self.freedom == 0 { 0.0 } else { self.squares / self.freedom as f64 };
        Test { variance, critical, folds: folds as f64 }
    }
}

/// A one-sided test that the mean over all folds will be above 0, with a variance that is pooled over several samples.
struct Test {
    variance: f64,
    critical: f64,
    folds: f64,
}

impl Test {
    /// The folds seen are part of the mean over all folds. The folds to come vary around their expectation, which the
    /// seen folds estimate with an error.
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

    fn out(rule: Rule, seen: (usize, usize), alive: &[Runner<'_>], finished: &[Runner<'_>]) -> Vec<u32> {
        hopeless(rule, seen, alive, finished, &Control::default()).unwrap()
    }

    #[test]
    fn the_clearly_worse_leaves_and_the_close_one_stays() {
        let leader = folds(&[0.780, 0.770], &[0.500, 0.510]);
        let close = folds(&[0.779, 0.771], &[0.501, 0.509]);
        let bad = folds(&[0.700, 0.690], &[0.600, 0.610]);
        let runner = |index, folds| Runner { index, folds };
        let alive = [runner(2, &bad[..]), runner(0, &leader[..]), runner(1, &close[..])];
        assert_eq!(out(AUC, (2, 5), &alive, &[]), vec![2]);
        assert_eq!(out(AUC, (1, 5), &alive, &[]), Vec::<u32>::new());
        assert_eq!(out(AUC, (2, 5), &alive[..1], &[runner(0, &leader[..]), runner(1, &close[..])]), vec![2]);
        assert_eq!(out(AUC, (2, 5), &[runner(2, &bad[..])], &[]), Vec::<u32>::new());
    }

    #[test]
    fn a_finished_trial_is_never_named_and_the_leader_never_leaves() {
        let a = folds(&[0.78, 0.77, 0.76], &[0.50, 0.51, 0.52]);
        let b = folds(&[0.60, 0.60, 0.60], &[0.70, 0.70, 0.70]);
        let runner = |index, folds| Runner { index, folds };
        assert_eq!(out(AUC, (3, 5), &[runner(1, &a[..])], &[runner(0, &b[..])]), Vec::<u32>::new());
        assert_eq!(out(Rule::PeerF1, (3, 5), &[runner(0, &b[..])], &[runner(1, &a[..])]), vec![0]);
    }

    #[test]
    fn a_better_log_loss_keeps_a_candidate_within_the_margin() {
        // Lower log loss and a score within a standard error of the best: it may still win.
        let best = folds(&[0.80, 0.76, 0.78], &[0.60, 0.61, 0.62]);
        let calibrated = folds(&[0.79, 0.755, 0.772], &[0.50, 0.51, 0.52]);
        let runner = |index, folds| Runner { index, folds };
        let alive = [runner(0, &best[..]), runner(1, &calibrated[..])];
        assert!(!out(AUC, (3, 5), &alive, &[]).contains(&1));
    }

    #[test]
    fn equal_candidates_all_stay() {
        let a = folds(&[0.7, 0.7], &[0.5, 0.5]);
        let alive: Vec<Runner<'_>> = (0..5).map(|index| Runner { index, folds: &a }).collect();
        assert_eq!(out(AUC, (2, 5), &alive, &[]), Vec::<u32>::new());
    }
}
