//! A model's charts.

use super::super::chart::{Bar, Curve, Figure, Shares, calibration, precision_recall, roc, score_histogram, shares};
use super::super::text::{count, percent, words};
use provost_domain::evaluation::{EvaluationResults, ThresholdCounts};
use provost_domain::model::{ImportanceKind, ModelRecord};

/// Bars of the score histogram.
const BINS: usize = 25;

/// Rows by predicted chance, computed from how many rows reach each threshold.
pub fn histogram(counts: &ThresholdCounts, threshold: f64) -> Option<Figure> {
    let bins = |reached: &[u64]| -> Option<Vec<u64>> {
        let steps = (reached.len().checked_sub(1)? / BINS).max(1);
        let edge = |bin: usize| reached.get(bin * steps).copied().unwrap_or(0);
        // Rows with a chance of 1 are in the last bin.
        let upper = |bin: usize| if bin + 1 == BINS { 0 } else { edge(bin + 1) };
        Some((0..BINS).map(|bin| edge(bin).saturating_sub(upper(bin))).collect())
    };
    let (rejected, accepted) = (bins(&counts.false_positives)?, bins(&counts.true_positives)?);
    Some(score_histogram(&rejected, &accepted, threshold))
}

/// (false positive rate, true positive rate) at each threshold, from the highest down.
pub fn roc_points(counts: &ThresholdCounts) -> Vec<(f64, f64)> {
    let (Some(rejected), Some(accepted)) = (counts.false_positives.first(), counts.true_positives.first()) else {
        return Vec::new();
    };
    let share = |part: u64, whole: u64| if whole > 0 { part as f64 / whole as f64 } else { 0.0 };
    let points = counts.false_positives.iter().zip(&counts.true_positives).rev();
    let points = points.map(|(fp, tp)| (share(*fp, *rejected), share(*tp, *accepted)));
    std::iter::once((0.0, 0.0)).chain(points).collect()
}

/// (recall, precision) at each threshold that accepts anybody.
pub fn precision_points(counts: &ThresholdCounts) -> Vec<(f64, f64)> {
    let Some(accepted) = counts.true_positives.first().filter(|accepted| **accepted > 0) else { return Vec::new() };
    let points = counts.false_positives.iter().zip(&counts.true_positives).rev();
    points
        .filter(|(fp, tp)| **fp + **tp > 0)
        .map(|(fp, tp)| (*tp as f64 / *accepted as f64, *tp as f64 / (*fp + *tp) as f64))
        .collect()
}

/// The share of the accepted among the rows.
pub fn base_rate(counts: &ThresholdCounts) -> f64 {
    let first = |counts: &[u64]| counts.first().copied().unwrap_or(0) as f64;
    let (rejected, accepted) = (first(&counts.false_positives), first(&counts.true_positives));
    if rejected + accepted > 0.0 { accepted / (rejected + accepted) } else { 0.0 }
}

/// All charts but the histogram.
pub fn figures(results: &EvaluationResults, record: &ModelRecord) -> Vec<Figure> {
    let mut figures = Vec::new();
    if let Some(counts) = &results.threshold_counts {
        let [[tn, fp], [fn_, tp]] = results.metrics.confusion_matrix;
        let share = |part: u64, whole: u64| if whole > 0 { part as f64 / whole as f64 } else { 0.0 };
        let name = "This model".to_owned();
        let decision = Some((share(fp, fp + tn), share(tp, tp + fn_)));
        let auc = results.metrics.intervals_95.get("auc_roc");
        let auc = auc.map_or_else(String::new, |ends| format!(", {}", super::super::text::interval(*ends)));
        let note = format!(
            "AUC {}{auc} · ● threshold {}",
            super::super::text::three(results.metrics.auc_roc),
            percent(record.threshold)
        );
        figures.push(roc(&[Curve { name: name.clone(), points: roc_points(counts), decision }], note));
        let decision = Some((share(tp, tp + fn_), share(tp, tp + fp)));
        let note = format!("guessing reaches {}", percent(base_rate(counts)));
        let curve = Curve { name, points: precision_points(counts), decision };
        figures.push(precision_recall(&[curve], base_rate(counts), note));
    }
    if !results.calibration_bins.is_empty() {
        figures.push(calibration(&results.calibration_bins, results.calibration_score));
    }
    if !results.feature_importance.is_empty() {
        let kind = results.importance_kind.unwrap_or(ImportanceKind::of(record.version.algorithm));
        let rows = results.importance_rows.unwrap_or(kind.rows(record.version.training_samples));
        let mut bars: Vec<Bar> = results
            .feature_importance
            .iter()
            .map(|feature| Bar { name: words(&feature.feature_name), value: feature.importance_score })
            .collect();
        bars.sort_by(|a, b| b.value.total_cmp(&a.value));
        bars.truncate(20);
        let chart = Shares {
            title: "Importance",
            description: "Share of the total that each feature has, the greatest first.",
            columns: ["Feature", "Share of the total"],
            note: format!("{kind}, share of the total, on {} training rows", count(rows)),
        };
        figures.push(shares(&bars, chart));
    }
    figures
}

/// The rows by predicted chance: name, rows, predicted, observed, accuracy.
pub fn bands(results: &EvaluationResults) -> Vec<[String; 5]> {
    [("reach", "below 25 %"), ("target", "25 to 75 %"), ("safety", "above 75 %")]
        .into_iter()
        .filter_map(|(key, name)| {
            let band = results.performance_by_university_tier.get(key).filter(|band| band.n > 0)?;
            let observed = match (band.observed_low_95, band.observed_high_95) {
                (Some(low), Some(high)) => {
                    format!("{}, {} to {}", percent(band.observed_rate), percent(low), percent(high))
                }
                _ => percent(band.observed_rate),
            };
            Some([name.to_owned(), count(band.n), percent(band.mean_prediction), observed, percent(band.accuracy)])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn counts() -> ThresholdCounts {
        let falling = |most: u64| (0..=100).map(|step| most * (100 - step) / 100).collect();
        ThresholdCounts { false_positives: falling(200), true_positives: falling(100) }
    }

    #[test]
    fn every_row_is_in_one_bar() {
        let counts = counts();
        let figure = histogram(&counts, 0.5).unwrap();
        let sum = |column: usize| figure.rows.iter().map(|row| row[column].parse::<u64>().unwrap()).sum::<u64>();
        assert_eq!((figure.rows.len(), sum(1), sum(2)), (BINS, 100, 200));
        assert!(histogram(&ThresholdCounts { false_positives: vec![], true_positives: vec![] }, 0.5).is_none());
    }

    #[test]
    fn curves_go_from_nobody_to_everybody() {
        let counts = counts();
        let roc = roc_points(&counts);
        assert_eq!((roc.first(), roc.last()), (Some(&(0.0, 0.0)), Some(&(1.0, 1.0))));
        let (recall, precision) = *precision_points(&counts).last().unwrap();
        assert_eq!((recall, precision), (1.0, 1.0 / 3.0));
        assert_eq!(base_rate(&counts), 1.0 / 3.0);
    }
}
