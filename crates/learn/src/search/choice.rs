//! Chooses the winner among the scored candidates.

use super::rule::Rule;
use super::trial::{TrialResult, TrialStatus, exact, mean};

/// A candidate that makes the same decision for more than this share of the rows is refused as the winner.
const ONE_WAY: f64 = 0.99;

/// What a choice compares of one candidate; the folds are the same for all candidates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing<'a> {
    pub index: u32,
    /// One per fold.
    pub scores: &'a [f64],
    pub log_loss: f64,
    pub one_way: f64,
}

/// The winner's position in `field`, and whether every candidate makes the same decision for (nearly) all rows, so that
/// none could be refused for this. None for an empty field.
pub(crate) fn winner(rule: Rule, field: &[Standing<'_>]) -> Option<(usize, bool)> {
    let sound: Vec<usize> = (0..field.len()).filter(|i| !rule.refuses() || field[*i].one_way <= ONE_WAY).collect();
    let (eligible, one_way) = if sound.is_empty() { ((0..field.len()).collect(), true) } else { (sound, false) };
    let scores: Vec<f64> = field.iter().map(|s| mean(s.scores.iter().copied())).collect();
    let score = |i: usize| scores[i];
    let best = eligible
        .iter()
        .copied()
        .min_by(|a, b| score(*b).total_cmp(&score(*a)).then(field[*a].index.cmp(&field[*b].index)))?;
    if rule == Rule::PeerF1 {
        return Some((best, false));
    }
    let floor = score(best) - standard_error(field[best].scores);
    let at = eligible
        .into_iter()
        .filter(|i| score(*i) >= floor)
        .min_by(|a, b| field[*a].log_loss.total_cmp(&field[*b].log_loss).then(field[*a].index.cmp(&field[*b].index)))?;
    Some((at, one_way))
}

/// The standard error of the mean of `values`; 0 for fewer than two.
pub(crate) fn standard_error(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    if n < 2.0 {
        return 0.0;
    }
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt()
}

/// The complete trial to fit, with a warning where every candidate makes the same decision for (nearly) all rows. None
/// without complete trials.
pub fn choose(rule: Rule, trials: &[TrialResult]) -> Option<(&TrialResult, Option<String>)> {
    let complete: Vec<&TrialResult> = trials.iter().filter(|t| t.status == TrialStatus::Complete).collect();
    let field: Vec<Standing<'_>> = complete
        .iter()
        .map(|t| Standing { index: t.index, scores: &t.fold_scores, log_loss: exact(t.log_loss), one_way: t.one_way })
        .collect();
    let (at, one_way) = winner(rule, &field)?;
    let warning = one_way.then(|| {
        format!(
            "every candidate decides over {:.0} % of the out-of-fold rows one way; the best of them was kept",
            100.0 * ONE_WAY
        )
    });
    Some((complete[at], warning))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use provost_domain::TargetMetric;

    const F1: Rule = Rule::Service(TargetMetric::F1Score);

    fn standing(index: u32, scores: &[f64], log_loss: f64, one_way: f64) -> Standing<'_> {
        Standing { index, scores, log_loss, one_way }
    }

    #[test]
    fn lowest_log_loss_within_one_standard_error() {
        let field = [
            standing(0, &[0.70, 0.72, 0.74], 0.60, 0.6),
            standing(1, &[0.71, 0.72, 0.72], 0.55, 0.6),
            standing(2, &[0.60, 0.61, 0.62], 0.40, 0.6),
        ];
        assert_eq!(winner(F1, &field), Some((1, false)));
        assert_eq!(winner(Rule::PeerF1, &field), Some((0, false)));
        assert_eq!(winner(F1, &[]), None);
    }

    #[test]
    fn one_way_is_refused_unless_all_are() {
        let field = [standing(0, &[0.8, 0.8], 0.5, 0.995), standing(1, &[0.7, 0.7], 0.6, 0.9)];
        assert_eq!(winner(F1, &field), Some((1, false)));
        assert_eq!(winner(F1, &field[..1]), Some((0, true)));
        assert_eq!(winner(Rule::Service(TargetMetric::AucRoc), &field), Some((0, false)));
        assert_eq!(winner(Rule::PeerF1, &field), Some((0, false)));
    }

    #[test]
    fn ties_go_to_the_earlier_candidate() {
        let field = [standing(7, &[0.7, 0.7], 0.6, 0.5), standing(3, &[0.7, 0.7], 0.6, 0.5)];
        assert_eq!(winner(F1, &field), Some((1, false)));
        assert_eq!(winner(Rule::PeerF1, &field), Some((1, false)));
    }
}
