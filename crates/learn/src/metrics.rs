//! Classification metrics. `y` holds labels 0 or 1 and `p` the probability of class 1, one of each per row. A row is
//! decided positive when `p >= threshold`, everywhere. What is undefined (no positive decision, no rows) is 0, as with
//! scikit-learn's `zero_division=0`; only an AUC without both classes is 0.5, the AUC of a random ranking.

use crate::counts::{Counts, ratio};
use crate::intervals::{intervals, wilson};
use crate::losses::log_losses;
use provost_domain::TargetMetric;
use provost_domain::evaluation::{CalibrationBin, ThresholdCounts, TierMetrics};
use provost_domain::model::{SetCoverage, TrainingMetrics};
use provost_predict::Model;
use provost_predict::conformal::ConformalSets;
use provost_predict::serving::DEFAULT_COVERAGE;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const CALIBRATION_BINS: usize = 10;
/// A probability below the first bound is in the tier `reach`, above the second in `safety`, between them (both
/// included) in `target`.
const TIER_BOUNDS: (f64, f64) = (0.25, 0.75);

/// All scores at one threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Share of the rows that are decided correctly.
    pub accuracy: f64,
    /// Share of class 1 among positive decisions.
    pub precision: f64,
    /// Share of positive decisions among class 1.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1_score: f64,
    /// Area under the ROC curve; does not depend on the threshold.
    pub auc_roc: f64,
    /// [[tn, fp], [fn, tp]]
    pub confusion_matrix: [[u64; 2]; 2],
    /// Mean squared error of the probabilities.
    pub brier: f64,
    /// Mean over the rows, by the natural logarithm.
    pub log_loss: f64,
}

/// All scores at one threshold.
pub fn scores(y: &[u8], p: &[f64], threshold: f64) -> Scores {
    let counts = Counts::of(y, p, threshold);
    Scores {
        accuracy: counts.accuracy(),
        precision: counts.precision(),
        recall: counts.recall(),
        f1_score: counts.f1(),
        auc_roc: auc(y, p),
        confusion_matrix: counts.matrix(),
        brier: brier(y, p),
        log_loss: log_loss(y, p),
    }
}

/// One metric; the AUC ignores the threshold.
pub fn metric(metric: TargetMetric, y: &[u8], p: &[f64], threshold: f64) -> f64 {
    Counts::of(y, p, threshold).metric(metric).unwrap_or_else(|| auc(y, p))
}

/// The metrics of the test part, as they are sent to clients. `cv_scores`: one per fold, in the target metric;
/// `seconds`: duration of the training.
pub fn training_metrics(
    y: &[u8],
    p: &[f64],
    threshold: f64,
    cv_scores: &[f64],
    seconds: f64,
    iterations: u64,
) -> TrainingMetrics {
    let s = scores(y, p, threshold);
    let (cv_mean, cv_std) = mean_std(cv_scores);
    TrainingMetrics {
        accuracy: s.accuracy,
        precision: s.precision,
        recall: s.recall,
        f1_score: s.f1_score,
        auc_roc: s.auc_roc,
        confusion_matrix: s.confusion_matrix,
        classification_report: classification_report(y, p, threshold),
        cv_scores: cv_scores.to_vec(),
        cv_mean,
        cv_std,
        training_time_seconds: seconds,
        iterations_completed: iterations,
        threshold: Some(threshold),
        intervals_95: intervals(y, p, threshold),
        set_coverage: None,
    }
}

/// How often the model's conformal sets at the default coverage contain the true outcome, for each outcome. `y`: labels
/// 0 or 1, `p`: the model's probabilities of the same rows. None for an older model without evidence.
pub fn set_coverage(model: &Model, y: &[u8], p: &[f64]) -> Option<SetCoverage> {
    let sets = ConformalSets::new(&model.evidence.as_deref()?.scores);
    let [rejected, accepted] = sets.measured(p, y, DEFAULT_COVERAGE);
    Some(SetCoverage { asked: DEFAULT_COVERAGE, accepted, rejected })
}

/// Mean and population standard deviation (numpy's default); 0 and 0 without values.
pub fn mean_std(values: &[f64]) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

/// Mean squared error of the probabilities (Brier 1950).
pub fn brier(y: &[u8], p: &[f64]) -> f64 {
    mean(y.iter().zip(p).map(|(y, p)| (p - f64::from(*y)).powi(2)), y.len())
}

/// Mean log loss; probabilities are kept 1e-15 from 0 and 1.
pub fn log_loss(y: &[u8], p: &[f64]) -> f64 {
    mean(log_losses(y, p), y.len())
}

fn mean(values: impl Iterator<Item = f64>, n: usize) -> f64 {
    if n == 0 { 0.0 } else { values.sum::<f64>() / n as f64 }
}

/// Rows of equal probability: (probability, negatives, positives), by falling probability.
fn groups(y: &[u8], p: &[f64]) -> Vec<(f64, u64, u64)> {
    let mut rows: Vec<(f64, u8)> = p.iter().copied().zip(y.iter().copied()).collect();
    rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let mut groups: Vec<(f64, u64, u64)> = Vec::new();
    for (p, y) in rows {
        match groups.last_mut() {
            Some(last) if last.0 == p => {
                last.1 += u64::from(y == 0);
                last.2 += u64::from(y == 1);
            }
            _ => groups.push((p, u64::from(y == 0), u64::from(y == 1))),
        }
    }
    groups
}

/// Area under the ROC curve: the share of (positive, negative) pairs in the right order, a tie counting half (Mann and
/// Whitney 1947). O(n log n), exact in integers up to the last division.
pub fn auc(y: &[u8], p: &[f64]) -> f64 {
    let (mut positives, mut negatives, mut twice_won) = (0u128, 0u128, 0u128);
    for (_, n, t) in groups(y, p) {
        let (n, t) = (u128::from(n), u128::from(t));
        twice_won += n * (2 * positives + t);
        positives += t;
        negatives += n;
    }
    if positives == 0 || negatives == 0 { 0.5 } else { twice_won as f64 / (2 * positives * negatives) as f64 }
}

/// (false positive rate, true positive rate) from (0,0) to (1,1), one point per distinct probability, without those in
/// the middle of a straight run of equal steps (as scikit-learn's `drop_intermediate`). Empty without both classes.
pub fn roc_curve(y: &[u8], p: &[f64]) -> Vec<(f64, f64)> {
    let (mut fp, mut tp) = (0u64, 0u64);
    let cumulative: Vec<(u64, u64)> = groups(y, p)
        .into_iter()
        .map(|(_, n, t)| {
            fp += n;
            tp += t;
            (fp, tp)
        })
        .collect();
    if fp == 0 || tp == 0 {
        return Vec::new();
    }
    let step = |at: usize| (cumulative[at].0 - cumulative[at - 1].0, cumulative[at].1 - cumulative[at - 1].1);
    let last = cumulative.len() - 1;
    let kept = (0..=last).filter(|&at| at == 0 || at == last || step(at) != step(at + 1));
    let points = kept.map(|at| (cumulative[at].0 as f64 / fp as f64, cumulative[at].1 as f64 / tp as f64));
    std::iter::once((0.0, 0.0)).chain(points).collect()
}

/// scikit-learn's `classification_report(output_dict=True, zero_division=0)` for the labels 0 and 1.
pub fn classification_report(y: &[u8], p: &[f64], threshold: f64) -> Map<String, Value> {
    let one = Counts::of(y, p, threshold);
    let zero = one.swapped();
    let row = |c: Counts| [c.precision(), c.recall(), c.f1(), (c.tp + c.fn_) as f64];
    let (zero, one, accuracy, n) = (row(zero), row(one), one.accuracy(), one.total() as f64);
    let weighted = |at: usize| if n == 0.0 { 0.0 } else { (zero[at] * zero[3] + one[at] * one[3]) / n };
    let entry = |r: [f64; 4]| json!({ "precision": r[0], "recall": r[1], "f1-score": r[2], "support": r[3] });
    let halves = |at: usize| (zero[at] + one[at]) / 2.0;
    Map::from_iter([
        ("0".to_owned(), entry(zero)),
        ("1".to_owned(), entry(one)),
        ("accuracy".to_owned(), json!(accuracy)),
        ("macro avg".to_owned(), entry([halves(0), halves(1), halves(2), n])),
        ("weighted avg".to_owned(), entry([weighted(0), weighted(1), weighted(2), n])),
    ])
}

/// Ten bins of equal width over [0, 1], a probability on an edge in the lower one (as scikit-learn's
/// `calibration_curve`); only bins with rows, by rising probability.
pub fn calibration_bins(y: &[u8], p: &[f64]) -> Vec<CalibrationBin> {
    let step = 1.0 / CALIBRATION_BINS as f64;
    let edges: Vec<f64> = (1..CALIBRATION_BINS).map(|i| i as f64 * step).collect();
    let mut bins = vec![(0.0, 0u64, 0u64); CALIBRATION_BINS];
    for (y, p) in y.iter().zip(p) {
        let bin = &mut bins[edges.partition_point(|edge| edge < p)];
        bin.0 += p;
        bin.1 += u64::from(*y == 1);
        bin.2 += 1;
    }
    let with_rows = bins.into_iter().filter(|bin| bin.2 > 0);
    with_rows
        .map(|(sum, positives, count)| CalibrationBin {
            mean_predicted: sum / count as f64,
            fraction_of_positives: ratio(positives, count),
            count,
            interval_95: wilson(positives, count),
        })
        .collect()
}

/// Steps between the thresholds 0 and 1 that decisions are counted at.
const THRESHOLD_STEPS: usize = 100;

/// The rows of each class that are decided positive at the thresholds 0, 0.01, … 1.
pub fn threshold_counts(y: &[u8], p: &[f64]) -> ThresholdCounts {
    let thresholds: Vec<f64> = (0..=THRESHOLD_STEPS).map(|step| step as f64 / THRESHOLD_STEPS as f64).collect();
    // First counts each row at the highest threshold that it reaches; then sums from the highest threshold down.
    let mut counts = [vec![0u64; THRESHOLD_STEPS + 1], vec![0u64; THRESHOLD_STEPS + 1]];
    for (y, p) in y.iter().zip(p) {
        let reached = thresholds.partition_point(|threshold| threshold <= p);
        if let Some(last) = reached.checked_sub(1) {
            counts[usize::from(*y == 1)][last] += 1;
        }
    }
    for class in &mut counts {
        for step in (0..THRESHOLD_STEPS).rev() {
            class[step] += class[step + 1];
        }
    }
    let [false_positives, true_positives] = counts;
    ThresholdCounts { false_positives, true_positives }
}

/// `reach` (p below 0.25), `target` (to 0.75) and `safety` (above), each scored at the same threshold; always all
/// three.
pub fn tiers(y: &[u8], p: &[f64], threshold: f64) -> BTreeMap<String, TierMetrics> {
    let names = ["reach", "target", "safety"];
    let mut sums = [(Counts::default(), 0.0); 3];
    for (y, p) in y.iter().zip(p) {
        let tier = usize::from(*p >= TIER_BOUNDS.0) + usize::from(*p > TIER_BOUNDS.1);
        sums[tier].0.add(*y, *p >= threshold, 1);
        sums[tier].1 += p;
    }
    let metrics = |(c, sum): (Counts, f64)| {
        let interval = wilson(c.tp + c.fn_, c.total());
        TierMetrics {
            accuracy: c.accuracy(),
            precision: c.precision(),
            recall: c.recall(),
            n: c.total(),
            observed_rate: ratio(c.tp + c.fn_, c.total()),
            mean_prediction: if c.total() == 0 { 0.0 } else { sum / c.total() as f64 },
            observed_low_95: interval.map(|[low, _]| low),
            observed_high_95: interval.map(|[_, high]| high),
        }
    };
    names.into_iter().zip(sums).map(|(name, sum)| (name.to_owned(), metrics(sum))).collect()
}

/// The threshold with the best F1 or accuracy, and that score, in O(n log n). Candidates lie half-way between
/// neighbouring distinct probabilities, and half-way from the extremes to 0 and to 1; of equally good ones the nearest
/// to 0.5 is taken, then the lower. The other metrics have no useful optimum (recall is highest where everyone is
/// accepted, the AUC has no threshold): for them the result is 0.5 and the score at 0.5, as it is for an empty `y`.
pub fn best_threshold(target: TargetMetric, y: &[u8], p: &[f64]) -> (f64, f64) {
    let groups = groups(y, p);
    let (Some(first), true) = (groups.first(), matches!(target, TargetMetric::F1Score | TargetMetric::Accuracy)) else {
        return (0.5, metric(target, y, p, 0.5));
    };
    let positives = y.iter().filter(|l| **l == 1).count() as u64;
    let mut counts = Counts { tn: y.len() as u64 - positives, fn_: positives, ..Counts::default() };
    let score = |c: Counts| c.metric(target).unwrap_or(0.0);
    let mut best: Option<(f64, f64)> = None;
    let mut offer = |threshold: f64, score: f64| {
        let nearer = |t: f64| (threshold - 0.5).abs().total_cmp(&(t - 0.5).abs()).then(threshold.total_cmp(&t)).is_lt();
        if best.is_none_or(|(t, s)| score > s || (score == s && nearer(t))) {
            best = Some((threshold, score));
        }
    };
    // Rejecting everyone needs a threshold above the highest probability; at 1 there is none within [0, 1].
    if first.0 < 1.0 {
        offer(between(first.0, 1.0), score(counts));
    }
    for (at, (p, n, t)) in groups.iter().enumerate() {
        counts.tn -= n;
        counts.fp += n;
        counts.fn_ -= t;
        counts.tp += t;
        let below = groups.get(at + 1).map_or(0.0, |next| next.0);
        offer(between(below, *p), score(counts));
    }
    best.unwrap_or((0.5, 0.0))
}

/// A threshold above `low` and not above `high`, half-way where floating point has room for it.
fn between(low: f64, high: f64) -> f64 {
    let middle = low + (high - low) / 2.0;
    if middle > low { middle } else { high }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    const EMPTY: (&[u8], &[f64]) = (&[], &[]);

    #[test]
    fn a_row_is_counted_at_every_threshold_that_it_reaches() {
        let (y, p) = ([0, 0, 1, 1, 1], [0.0, 0.29, 0.29, 0.5, 1.0]);
        let counts = threshold_counts(&y, &p);
        assert_eq!((counts.false_positives.len(), counts.true_positives.len()), (101, 101));
        for (step, expected) in
            [(0, (2, 3)), (1, (1, 3)), (29, (1, 3)), (30, (0, 2)), (50, (0, 2)), (51, (0, 1)), (100, (0, 1))]
        {
            assert_eq!((counts.false_positives[step], counts.true_positives[step]), expected, "{step}");
            let [[_, fp], [_, tp]] = scores(&y, &p, step as f64 / 100.0).confusion_matrix;
            assert_eq!((fp, tp), expected, "{step}");
        }
        assert_eq!(threshold_counts(EMPTY.0, EMPTY.1).true_positives, vec![0; 101]);
    }

    #[test]
    fn nothing_and_one_class_are_defined() {
        let s = scores(EMPTY.0, EMPTY.1, 0.5);
        assert_eq!((s.accuracy, s.f1_score, s.auc_roc, s.log_loss, s.brier), (0.0, 0.0, 0.5, 0.0, 0.0));
        assert_eq!(auc(&[1, 1], &[0.2, 0.8]), 0.5);
        assert!(roc_curve(&[0, 0], &[0.2, 0.8]).is_empty());
        assert!(calibration_bins(EMPTY.0, EMPTY.1).is_empty());
        assert_eq!(tiers(EMPTY.0, EMPTY.1, 0.5)["reach"], TierMetrics::default());
        assert_eq!(best_threshold(TargetMetric::F1Score, EMPTY.0, EMPTY.1), (0.5, 0.0));
        assert_eq!(classification_report(EMPTY.0, EMPTY.1, 0.5)["weighted avg"]["f1-score"], 0.0);
    }

    #[test]
    fn the_threshold_itself_is_positive() {
        assert_eq!(Counts::of(&[1, 0], &[0.5, 0.5], 0.5).matrix(), [[0, 1], [0, 1]]);
    }

    #[test]
    fn tiers_have_the_contracts_edges() {
        let t = tiers(&[0, 1, 1, 1, 0], &[0.2499, 0.25, 0.75, 0.7501, 0.9], 0.5);
        assert_eq!((t["reach"].n, t["target"].n, t["safety"].n), (1, 2, 2));
        assert_eq!((t["reach"].accuracy, t["reach"].precision), (1.0, 0.0));
        assert_eq!((t["target"].recall, t["target"].observed_rate, t["target"].mean_prediction), (0.5, 1.0, 0.5));
        assert_eq!(t["safety"].precision, 0.5);
    }

    #[test]
    fn equal_thresholds_give_the_one_nearest_one_half() {
        // Every threshold from 0.2 to 0.9 is perfect here; half-way is the only candidate between them.
        assert_eq!(best_threshold(TargetMetric::Accuracy, &[0, 1], &[0.2, 0.9]), (0.55, 1.0));
        // Rejecting both or accepting both are equally accurate: 0.7 is as near to 0.5 as 0.2 is not.
        let (t, s) = best_threshold(TargetMetric::Accuracy, &[0, 1], &[0.4, 0.4]);
        assert_eq!((t, s), (0.7, 0.5));
        // A certain positive cannot be rejected within [0, 1].
        assert_eq!(best_threshold(TargetMetric::Accuracy, &[0, 0], &[1.0, 1.0]), (0.5, 0.0));
        assert_eq!(best_threshold(TargetMetric::Recall, &[0, 1], &[0.6, 0.4]), (0.5, 0.0));
    }

    #[test]
    fn neighbouring_floats_are_told_apart() {
        let (low, high) = (0.6f64, 0.6f64.next_up());
        let (t, s) = best_threshold(TargetMetric::F1Score, &[0, 1], &[low, high]);
        assert_eq!((t, s), (high, 1.0));
    }

    proptest! {
        #[test]
        fn auc_is_the_share_of_ordered_pairs(rows in proptest::collection::vec((0u8..2, 0u8..12), 0..60)) {
            let y: Vec<u8> = rows.iter().map(|r| r.0).collect();
            let p: Vec<f64> = rows.iter().map(|r| f64::from(r.1) / 11.0).collect();
            let (mut won, mut pairs) = (0.0, 0.0);
            for i in 0..y.len() {
                for j in 0..y.len() {
                    if y[i] == 1 && y[j] == 0 {
                        pairs += 1.0;
                        won += if p[i] > p[j] { 1.0 } else if p[i] == p[j] { 0.5 } else { 0.0 };
                    }
                }
            }
            let expected = if pairs == 0.0 { 0.5 } else { won / pairs };
            prop_assert!((auc(&y, &p) - expected).abs() < 1e-12);
        }

        #[test]
        fn no_threshold_beats_the_best(rows in proptest::collection::vec((0u8..2, 0u8..12), 1..60)) {
            let y: Vec<u8> = rows.iter().map(|r| r.0).collect();
            let p: Vec<f64> = rows.iter().map(|r| f64::from(r.1) / 11.0).collect();
            for target in [TargetMetric::F1Score, TargetMetric::Accuracy] {
                let (threshold, score) = best_threshold(target, &y, &p);
                prop_assert!((0.0..=1.0).contains(&threshold));
                prop_assert_eq!(score, metric(target, &y, &p, threshold));
                for grid in 0..=220 {
                    let t = f64::from(grid) / 220.0;
                    prop_assert!(metric(target, &y, &p, t) <= score, "{} at {t} beats {score} at {threshold}", target);
                }
            }
        }

        #[test]
        fn odd_probabilities_do_not_panic(p in proptest::collection::vec(any::<f64>(), 0..20)) {
            let y: Vec<u8> = (0..p.len()).map(|i| (i % 2) as u8).collect();
            let _ = (scores(&y, &p, 0.5), roc_curve(&y, &p), calibration_bins(&y, &p), tiers(&y, &p, 0.5));
            let _ = best_threshold(TargetMetric::F1Score, &y, &p);
        }
    }
}
