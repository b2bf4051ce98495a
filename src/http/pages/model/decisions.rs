//! What a model decides at a threshold, from the counts at the thresholds 0, 0.01, … 1.

use super::super::text::{count, percent};
use provost_domain::evaluation::ThresholdCounts;

pub struct Decisions {
    /// The threshold in per cent.
    pub step: usize,
    pub own: String,
    /// `false positives,true positives` of each step, for the script.
    pub counts: String,
    pub tn: String,
    pub fp: String,
    pub fn_: String,
    pub tp: String,
    pub accuracy: String,
    pub precision: String,
    pub recall: String,
    pub majority: String,
}

impl Decisions {
    /// None if there are no rows. `exact` is the confusion matrix at a threshold between two steps, if that threshold
    /// is shown.
    pub fn of(counts: &ThresholdCounts, step: usize, own: f64, exact: Option<[[u64; 2]; 2]>) -> Option<Self> {
        let (fps, tps) = (&counts.false_positives, &counts.true_positives);
        let (rejected, accepted) = (*fps.first()?, *tps.first()?);
        let (fp, tp) = (*fps.get(step)?, *tps.get(step)?);
        let n = rejected + accepted;
        if n == 0 || fps.len() != 101 || tps.len() != 101 {
            return None;
        }
        let at_step = [[rejected.saturating_sub(fp), fp], [accepted.saturating_sub(tp), tp]];
        let is_of_these = |[[tn, fp], [fn_, tp]]: &[[u64; 2]; 2]| tn + fp == rejected && fn_ + tp == accepted;
        let [[tn, fp], [fn_, tp]] = exact.filter(is_of_these).unwrap_or(at_step);
        let share =
            |part: u64, whole: u64| if whole > 0 { percent(part as f64 / whole as f64) } else { "–".to_owned() };
        let pairs: Vec<String> = fps.iter().zip(tps).map(|(fp, tp)| format!("{fp},{tp}")).collect();
        Some(Self {
            step,
            own: percent(own),
            counts: pairs.join(";"),
            tn: count(tn),
            fp: count(fp),
            fn_: count(fn_),
            tp: count(tp),
            accuracy: share(tn + tp, n),
            precision: share(tp, tp + fp),
            recall: share(tp, accepted),
            majority: share(rejected.max(accepted), n),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_threshold_splits_both_classes() {
        let mut counts = ThresholdCounts { false_positives: vec![60; 101], true_positives: vec![40; 101] };
        counts.false_positives[50..].fill(10);
        counts.true_positives[50..].fill(30);
        let at = Decisions::of(&counts, 50, 0.5, None).unwrap();
        assert_eq!([at.tn, at.fp, at.fn_, at.tp], ["50", "10", "10", "30"]);
        assert_eq!([at.accuracy, at.precision, at.recall, at.majority], ["80.0 %", "75.0 %", "75.0 %", "60.0 %"]);
        let exact = Decisions::of(&counts, 46, 0.462, Some([[55, 5], [8, 32]])).unwrap();
        assert_eq!([exact.tn, exact.fp, exact.fn_, exact.tp, exact.own], ["55", "5", "8", "32", "46.2 %"]);
        let other = Decisions::of(&counts, 50, 0.5, Some([[1, 2], [3, 4]])).unwrap();
        assert_eq!([other.tn, other.fp], ["50", "10"], "of other rows");
        let all = Decisions::of(&counts, 0, 0.5, None).unwrap();
        assert_eq!([all.tn, all.fp, all.fn_, all.tp], ["0", "60", "0", "40"]);
        assert!(Decisions::of(&counts, 101, 0.5, None).is_none());
        let none = ThresholdCounts { false_positives: vec![0; 101], true_positives: vec![0; 101] };
        assert!(Decisions::of(&none, 50, 0.5, None).is_none(), "no rows");
        assert!(
            Decisions::of(&ThresholdCounts { false_positives: vec![], true_positives: vec![] }, 0, 0.5, None).is_none()
        );
    }
}
