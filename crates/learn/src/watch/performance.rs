//! The performance of predictions: estimated from their probabilities, and realised where outcomes are known.

use super::calibration_test::calibration_holds;
use super::outcomes::{Metrics, RankedRows};
use crate::bootstrap::{numbered, quantile};
use crate::error::LearnError;
use crate::intervals::intervals;
use crate::metrics::metric;
use crate::stats::{brier_with_error, normal_quantile};
use provost_domain::TargetMetric;
use provost_domain::rng::SplitMix64;
use provost_domain::watch::{Interval, Performance, PerformanceMetrics};
use provost_predict::control::Control;
use rayon::prelude::*;

const DRAWS: u32 = 1_000;
const BOOTSTRAP_STREAM: u64 = 0x626f_6f74;
const CALIBRATION_STREAM: u64 = 0x6361_6c69;

/// Predicted rows of a window.
#[derive(Debug, Clone, Copy)]
pub struct PredictedRows<'a> {
    /// Calibrated probability of acceptance of each row, 0 to 1.
    pub probabilities: &'a [f64],
    /// Whether the row was accepted; None where that is not known.
    pub outcomes: &'a [Option<bool>],
    /// The applicant of each row; a number of its own where that is not known.
    pub applicants: &'a [u64],
}

/// The expected metrics of a window by confidence-based performance estimation, those that were realised, and whether
/// calibration holds. `threshold`: the model accepts from this probability on. A window without rows has none of them.
///
/// The 95 % intervals of the expected metrics are percentiles of 1,000 draws: applicants are drawn with replacement,
/// and outcomes by the probabilities, so that an interval is one for the value that will be realised. The intervals of
/// the realised metrics are computed as for a model's test part: by Wilson for shares, by DeLong for the AUC, by the
/// normal distribution for the Brier score; from 0 to 1 where that gives none. The same rows and seed give the same
/// answer at any number of threads.
///
/// # Errors
///
/// `Data` where the lengths differ, or a probability is not within 0 to 1; `Stopped`.
pub fn performance(
    rows: &PredictedRows<'_>,
    threshold: f64,
    seed: u64,
    control: &Control,
) -> Result<Performance, LearnError> {
    let PredictedRows { probabilities, outcomes, applicants } = *rows;
    let n = probabilities.len();
    if outcomes.len() != n || applicants.len() != n {
        let (outcomes, applicants) = (outcomes.len(), applicants.len());
        return Err(LearnError::Data(format!("{outcomes} outcomes and {applicants} applicants for {n} probabilities")));
    }
    if let Some(p) = probabilities.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(LearnError::Data(format!("a probability is {p}; 0 to 1 is allowed")));
    }
    let known = probabilities.iter().zip(outcomes).filter_map(|(p, outcome)| Some((*p, u8::from((*outcome)?))));
    let (p, y): (Vec<f64>, Vec<u8>) = known.unzip();
    Ok(Performance {
        rows: n as u64,
        outcomes: y.len() as u64,
        estimated: estimated(probabilities, applicants, threshold, seed ^ BOOTSTRAP_STREAM, control)?,
        realised: (!y.is_empty()).then(|| realised(&y, &p, threshold)),
        calibration_holds: calibration_holds(&p, &y, threshold, seed ^ CALIBRATION_STREAM, control)?,
    })
}

fn estimated(
    p: &[f64],
    applicants: &[u64],
    threshold: f64,
    seed: u64,
    control: &Control,
) -> Result<PerformanceMetrics, LearnError> {
    let rows = RankedRows::new(p, threshold);
    let (of_row, count) = numbered(applicants);
    let draw = |number: u32| -> Result<Metrics, LearnError> {
        control.check()?;
        let mut random = SplitMix64::keyed(seed, &[u64::from(number)]);
        let mut times = vec![0u32; count];
        for _ in 0..count {
            times[random.below(count as u32) as usize] += 1;
        }
        Ok(rows.drawn(|row| times[of_row[row]], random))
    };
    let drawn = (0..DRAWS).into_par_iter().map(draw).collect::<Result<Vec<_>, _>>()?;
    let expected = rows.expected();
    let interval = |of: fn(&Metrics) -> Option<f64>| {
        let value = of(&expected)?;
        let mut values: Vec<f64> = drawn.iter().filter_map(of).collect();
        values.sort_unstable_by(f64::total_cmp);
        // Where most draws have one class only, the other draws are no basis for an interval.
        let enough = values.len() * 2 > drawn.len();
        let (low, high) = if enough { (quantile(&values, 0.025), quantile(&values, 0.975)) } else { (0.0, 1.0) };
        Some(Interval { value, low: low.min(value), high: high.max(value) })
    };
    Ok(PerformanceMetrics {
        auc_roc: interval(|m| m.auc_roc),
        f1_score: interval(|m| m.f1_score),
        accuracy: interval(|m| m.accuracy),
        brier_score: interval(|m| m.brier_score),
    })
}

/// The realised metrics of at least one row.
fn realised(y: &[u8], p: &[f64], threshold: f64) -> PerformanceMetrics {
    let found = intervals(y, p, threshold);
    let of = |name: TargetMetric| {
        let [low, high] = found.get(name.as_str()).copied().unwrap_or([0.0, 1.0]);
        Interval { value: metric(name, y, p, threshold), low, high }
    };
    let positives = y.iter().filter(|label| **label == 1).count();
    let either = positives + p.iter().filter(|p| **p >= threshold).count();
    let brier = match brier_with_error(y, p) {
        Some(brier) => {
            let reach = normal_quantile(0.975) * brier.error;
            Interval { value: brier.value, low: (brier.value - reach).max(0.0), high: (brier.value + reach).min(1.0) }
        }
        None => Interval { value: crate::metrics::brier(y, p), low: 0.0, high: 1.0 },
    };
    PerformanceMetrics {
        auc_roc: (positives > 0 && positives < y.len()).then(|| of(TargetMetric::AucRoc)),
        f1_score: (either > 0).then(|| of(TargetMetric::F1Score)),
        accuracy: Some(of(TargetMetric::Accuracy)),
        brier_score: Some(brier),
    }
}
