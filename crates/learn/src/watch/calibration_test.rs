//! Do outcomes agree with the probabilities that were predicted?

use super::outcomes::{Metrics, RankedRows};
use crate::error::LearnError;
use provost_domain::rng::SplitMix64;
use provost_predict::control::Control;
use rayon::prelude::*;

/// Rows with an outcome that a window needs to answer from.
const LEAST_ROWS: usize = 30;
/// Outcomes of each kind that the probabilities must let expect.
const LEAST_EXPECTED: f64 = 5.0;
const DRAWS: u32 = 1_000;
/// Of the test: an estimate that is believed and wrong costs more than one that is right and not believed.
const ALPHA: f64 = 0.1;

/// Whether outcomes (0 or 1) are such as the probabilities let expect: no metric, nor their mean (calibration in the large),
/// nor their slope against the log-odds (Cox 1958), is further from its expectation than chance explains. The statistic is the
/// largest of the six differences, each in standard deviations; its distribution is that of outcomes drawn from the
/// probabilities, so that the test errs in 10 % of calibrated windows, at any size. None with fewer than 30 rows, or fewer than 5
/// outcomes expected of a kind.
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
    let mut largest = vec![0.0f64; drawn.len()];
    let mut observed = 0.0f64;
    for (at, realised) in rows.realised(outcomes).all().into_iter().enumerate() {
        let of = |metrics: &Metrics| metrics.all().get(at).copied().flatten();
        let values: Vec<f64> = drawn.iter().filter_map(of).collect();
        let (mean, deviation) = crate::metrics::mean_std(&values);
        // A metric that hardly varies, as where all rows have one probability, says nothing of its own.
        if deviation <= 1e-12 {
            continue;
        }
        let distance = |value: f64| (value - mean).abs() / deviation;
        observed = observed.max(realised.map_or(0.0, distance));
        for (largest, metrics) in largest.iter_mut().zip(&drawn) {
            *largest = largest.max(of(metrics).map_or(0.0, distance));
        }
    }
    let as_large = largest.iter().filter(|l| **l >= observed).count() as f64;
    Ok(Some((as_large + 1.0) / (f64::from(DRAWS) + 1.0) > ALPHA))
}
