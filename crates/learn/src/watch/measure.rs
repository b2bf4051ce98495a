//! How much the values of one feature differ between two samples.

use super::statistics::{chi_squared, kolmogorov_smirnov_and_wasserstein, two_proportions};
use provost_domain::watch::DriftTest;

/// The result of a test; see [`provost_domain::watch::FeatureDrift`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Measured {
    pub statistic: Option<f64>,
    pub effect: Option<f64>,
    pub new_categories: Option<f64>,
}

/// Compares the values of a window with those of the reference; both ascending, without NaN. `deviation` is the
/// standard deviation of the reference, 0 where it has a single value.
pub(super) fn measure(test: DriftTest, reference: &[f32], window: &[f32], deviation: f64) -> Measured {
    let Some(first) = reference.first().filter(|_| !window.is_empty()) else { return Measured::default() };
    let n = window.len() as f64;
    match test {
        DriftTest::KolmogorovSmirnov => {
            let (largest, area) = kolmogorov_smirnov_and_wasserstein(reference, window);
            let others = window.iter().filter(|v| *v != first).count() as f64;
            let effect = if deviation > 0.0 { area / deviation } else { others / n };
            Measured { statistic: Some(largest), effect: Some(effect), new_categories: None }
        }
        DriftTest::ChiSquared => {
            let of_reference = runs(reference);
            let of_window = runs(window);
            let rows = reference.len() as f64;
            let count = |value: f32| {
                let at = of_window.binary_search_by(|(v, _)| v.total_cmp(&value)).ok();
                at.and_then(|at| of_window.get(at)).map_or(0, |(_, count)| *count)
            };
            let categories: Vec<(u64, f64)> =
                of_reference.iter().map(|(value, before)| (count(*value), *before as f64 / rows)).collect();
            let known: u64 = categories.iter().map(|(count, _)| count).sum();
            let new = (window.len() as u64 - known) as f64 / n;
            let changes = categories.iter().map(|(count, proportion)| (*count as f64 / n - proportion).abs());
            Measured {
                statistic: Some(chi_squared(&categories)),
                effect: Some(changes.fold(new, f64::max)),
                new_categories: Some(new),
            }
        }
        DriftTest::Proportion => {
            let ones = |values: &[f32]| (values.iter().filter(|v| **v == 1.0).count() as u64, values.len() as u64);
            let (before, now) = (ones(reference), ones(window));
            let effect = (now.0 as f64 / now.1 as f64 - before.0 as f64 / before.1 as f64).abs();
            Measured { statistic: Some(two_proportions(before, now)), effect: Some(effect), new_categories: None }
        }
    }
}

/// Each distinct value with its count, in ascending order.
pub(super) fn runs(ascending: &[f32]) -> Vec<(f32, u64)> {
    let runs = ascending.chunk_by(|a, b| a == b);
    runs.filter_map(|run| Some((*run.first()?, run.len() as u64))).collect()
}

/// The values that are not missing, in ascending order; -0 and 0 are one value.
pub(super) fn ascending(values: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut present: Vec<f32> = values.filter(|v| !v.is_nan()).map(|v| v + 0.0).collect();
    present.sort_unstable_by(f32::total_cmp);
    present
}

/// Population standard deviation; exactly 0 where all values are the same.
pub(super) fn deviation(ascending: &[f32]) -> f64 {
    if ascending.first() == ascending.last() {
        return 0.0;
    }
    let n = ascending.len() as f64;
    let mean = ascending.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    (ascending.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n).sqrt()
}
