//! 95 % intervals of a model's scores on one set of rows.

use crate::counts::Counts;
use crate::stats::{auc_with_error, normal_quantile};
use provost_domain::TargetMetric;
use std::collections::BTreeMap;

/// The score interval of a share, `part` of `whole` rows (Wilson 1927); None without rows.
pub fn wilson(part: u64, whole: u64) -> Option<[f64; 2]> {
    if whole == 0 || part > whole {
        return None;
    }
    let (n, share) = (whole as f64, part as f64 / whole as f64);
    let z = normal_quantile(0.975);
    let z2 = z * z;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = z * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt() / (1.0 + z2 / n);
    // Exactly 0 and 1 at the ends, without rounding errors.
    let low = if part == 0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if part == whole { 1.0 } else { (middle + half).min(1.0) };
    Some([low, high])
}

/// The 95 % interval of the AUC by DeLong's standard error (DeLong, DeLong and Clarke-Pearson 1988), cut at 0 and 1.
/// None with fewer than two rows of a class, and where the error is 0, which shows that the rows are few and not that
/// the AUC is certain. `y`: labels 0 or 1, `p`: probabilities of the same rows.
pub fn auc_interval(y: &[u8], p: &[f64]) -> Option<[f64; 2]> {
    let auc = auc_with_error(y, p).filter(|auc| auc.error > 0.0)?;
    let reach = normal_quantile(0.975) * auc.error;
    Some([(auc.value - reach).max(0.0), (auc.value + reach).min(1.0)])
}

/// The 95 % intervals, by the metric's name; a metric without an interval is left out. Accuracy, precision and recall
/// are shares of rows. F1 is 2s/(1+s) with s the share of true positives in true positives, false positives and false
/// negatives, so its interval is that of s, mapped.
pub fn intervals(y: &[u8], p: &[f64], threshold: f64) -> BTreeMap<String, [f64; 2]> {
    let c = Counts::of(y, p, threshold);
    let f1 = |s: f64| 2.0 * s / (1.0 + s);
    let of = |metric: TargetMetric| match metric {
        TargetMetric::Accuracy => wilson(c.tn + c.tp, c.total()),
        TargetMetric::Precision => wilson(c.tp, c.tp + c.fp),
        TargetMetric::Recall => wilson(c.tp, c.tp + c.fn_),
        TargetMetric::F1Score => wilson(c.tp, c.tp + c.fp + c.fn_).map(|share| share.map(f1)),
        TargetMetric::AucRoc => auc_interval(y, p),
    };
    TargetMetric::ALL.into_iter().filter_map(|m| Some((m.to_string(), of(m)?))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::metrics::metric;

    #[track_caller]
    fn close(got: [f64; 2], expected: [f64; 2]) {
        assert!((got[0] - expected[0]).abs() < 1e-12 && (got[1] - expected[1]).abs() < 1e-12, "{got:?} {expected:?}");
    }

    /// Expected values: statsmodels 0.15, proportion_confint(k, n, method="wilson"); the first of them is Newcombe's
    /// (1998) published example, 81 of 263: .2553 to .3662.
    #[test]
    fn shares_have_the_intervals_of_statsmodels() {
        close(wilson(81, 263).unwrap(), [0.255_288_519_878_274_2, 0.366_209_576_982_800_04]);
        close(wilson(0, 10).unwrap(), [0.0, 0.277_532_799_862_889_26]);
        close(wilson(10, 10).unwrap(), [0.722_467_200_137_110_6, 1.0]);
        assert_eq!((wilson(0, 0), wilson(3, 2)), (None, None));
    }

    /// Expected values: statsmodels for the shares; for the AUC the placements of all pairs in numpy, and scipy's
    /// quantile.
    #[test]
    fn all_metrics_have_their_interval() {
        let y = [0, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1];
        let p = [
            0.1, 0.35, 0.4, 0.8, 0.2, 0.65, 0.5, 0.7, 0.9, 0.3, 0.45, 0.55, 0.15, 0.6, 0.75, 0.5, 0.5, 0.85, 0.62, 0.95,
        ];
        let found = intervals(&y, &p, 0.5);
        let expected = [
            (TargetMetric::Accuracy, [0.481_027_181_646_476_45, 0.854_522_755_132_395_7]),
            (TargetMetric::Precision, [0.423_693_431_805_490_24, 0.873_192_963_442_894_9]),
            (TargetMetric::Recall, [0.523_019_438_039_155_7, 0.948_632_310_253_914_9]),
            (TargetMetric::F1Score, [0.526_669_095_534_090_5, 0.889_971_190_773_562_6]),
            // 1.027 is cut.
            (TargetMetric::AucRoc, [0.730_652_622_174_284_2, 1.0]),
        ];
        assert_eq!(found.len(), expected.len());
        for (m, interval) in expected {
            let found = found[m.as_str()];
            close(found, interval);
            let score = metric(m, &y, &p, 0.5);
            assert!(found[0] < score && score < found[1], "{m}: {score} {found:?}");
        }
    }

    #[test]
    fn what_is_undefined_has_no_interval() {
        assert!(intervals(&[], &[], 0.5).is_empty());
        // No row is accepted: no precision. One class: no AUC and no recall.
        let rejected = intervals(&[0, 0, 0], &[0.1, 0.2, 0.3], 0.5);
        assert_eq!(rejected.keys().collect::<Vec<_>>(), ["accuracy"]);
        // A perfect ranking of four rows is no certainty, nor is one that says nothing.
        assert_eq!(auc_interval(&[0, 0, 1, 1], &[0.1, 0.2, 0.8, 0.9]), None);
        assert_eq!(auc_interval(&[0, 0, 1, 1], &[0.5; 4]), None);
    }
}
