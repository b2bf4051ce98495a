//! Tests whether outcomes agree with the probabilities that were predicted.

use super::outcomes::{Metrics, RankedRows};
use crate::bootstrap::quantile;
use crate::error::LearnError;
use provost_domain::rng::SplitMix64;
use provost_predict::control::Control;
use rayon::prelude::*;

/// Rows with an outcome that a window needs for this test.
const LEAST_ROWS: usize = 30;
/// Expected number of outcomes of each class, by the probabilities, that the test needs.
const LEAST_EXPECTED: f64 = 5.0;
const DRAWS: u32 = 1_000;
/// Significance level of the test of all differences together. It is high, because a wrong estimate that is believed
/// costs more than a right one that is not.
const ALPHA: f64 = 0.1;
/// Tolerance for rounding where a metric lies at an end of its interval.
const ROUNDING: f64 = 1e-12;

/// Whether the outcomes (0 or 1) agree with the probabilities `p` of the same rows. What to expect needs no assumption
/// about how calibration is lost: outcomes are drawn from the probabilities. Calibration holds unless
///
/// - a metric that is estimated (AUC, F1, accuracy, Brier score) lies outside the central 95 % of its drawn values: the
///   estimate is then contradicted by the outcomes themselves, whatever the reason; or
/// - the largest of six differences is beyond the 90 % quantile of the largest drawn one: those of the four metrics, of
///   the mean (calibration in the large) and of the slope against the log-odds (Cox 1958), each in standard deviations.
///
/// The second condition alone rejects 10 % of calibrated windows of any size. The first is not corrected for four
/// metrics, because these are correlated: both together reject about 12 % (simulated, 60 to 300 rows). None with fewer
/// than 30 rows, or fewer than 5 expected outcomes of a class.
///
/// # Errors
///
/// `Stopped`.
pub(super) fn calibration_holds(
    p: &[f64],
    outcomes: &[u8],
    threshold: f64,
    seed: u64,
    control: &Control,
) -> Result<Option<bool>, LearnError> {
    let accepted: f64 = p.iter().sum();
    if p.len() < LEAST_ROWS || accepted < LEAST_EXPECTED || p.len() as f64 - accepted < LEAST_EXPECTED {
        return Ok(None);
    }
    let rows = RankedRows::new(p, threshold);
    let draw = |number: u32| -> Result<Metrics, LearnError> {
        control.check()?;
        Ok(rows.drawn(|_| 1, SplitMix64::keyed(seed, &[u64::from(number)])))
    };
    let drawn = (0..DRAWS).into_par_iter().map(draw).collect::<Result<Vec<_>, _>>()?;
    let realised = rows.realised(outcomes);
    Ok(Some(each_is_expected(&realised, &drawn) && all_are_expected(&realised, &drawn)))
}

/// Whether each estimated metric lies within the central 95 % of its drawn values.
fn each_is_expected(realised: &Metrics, drawn: &[Metrics]) -> bool {
    realised.estimated().into_iter().enumerate().all(|(at, realised)| {
        let of = |metrics: &Metrics| metrics.estimated().get(at).copied().flatten();
        let mut values: Vec<f64> = drawn.iter().filter_map(of).collect();
        values.sort_unstable_by(f64::total_cmp);
        // Where most draws have one class only, the other draws are no basis for an interval.
        let enough = values.len() * 2 > drawn.len();
        realised.filter(|_| enough).is_none_or(|realised| {
            let [low, high] = [0.025, 0.975].map(|share| quantile(&values, share));
            (low - ROUNDING..=high + ROUNDING).contains(&realised)
        })
    })
}

/// Whether the largest of the differences is no larger than chance explains.
fn all_are_expected(realised: &Metrics, drawn: &[Metrics]) -> bool {
    let mut largest = vec![0.0f64; drawn.len()];
    let mut observed = 0.0f64;
    for (at, realised) in realised.all().into_iter().enumerate() {
        let of = |metrics: &Metrics| metrics.all().get(at).copied().flatten();
        let values: Vec<f64> = drawn.iter().filter_map(of).collect();
        let (mean, deviation) = crate::metrics::mean_std(&values);
        // A metric that hardly varies, as where all rows have one probability, carries no information.
        if deviation <= ROUNDING {
            continue;
        }
        let distance = |value: f64| (value - mean).abs() / deviation;
        observed = observed.max(realised.map_or(0.0, distance));
        for (largest, metrics) in largest.iter_mut().zip(drawn) {
            *largest = largest.max(of(metrics).map_or(0.0, distance));
        }
    }
    let as_large = largest.iter().filter(|l| **l >= observed).count() as f64;
    (as_large + 1.0) / (drawn.len() as f64 + 1.0) > ALPHA
}
