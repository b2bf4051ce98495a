//! Tests between two models scored on the same rows, and the distributions that they need.

use crate::losses::log_losses;
use provost_domain::evaluation::{Difference, McNemarTest};
use serde::Serialize;

/// From this many discordant rows on, McNemar's test uses the chi-squared approximation.
const MCNEMAR_EXACT_BELOW: u64 = 25;

/// McNemar's test (1947) on two models' decisions on the same rows: exact binomial, two-sided, below 25 discordant
/// rows, else chi-squared with one degree of freedom and Edwards' continuity correction. `y`: labels 0 or 1; `pa` and
/// `pb`: the models' probabilities; `ta` and `tb`: their thresholds.
pub fn mcnemar(y: &[u8], pa: &[f64], ta: f64, pb: &[f64], tb: f64) -> McNemarTest {
    let (mut only_a_right, mut only_b_right) = (0u64, 0u64);
    for ((y, a), b) in y.iter().zip(pa).zip(pb) {
        match ((*a >= ta) == (*y == 1), (*b >= tb) == (*y == 1)) {
            (true, false) => only_a_right += 1,
            (false, true) => only_b_right += 1,
            _ => {}
        }
    }
    McNemarTest { only_a_right, only_b_right, p_value: mcnemar_p(only_a_right, only_b_right) }
}

fn mcnemar_p(a: u64, b: u64) -> f64 {
    let n = a + b;
    if n < MCNEMAR_EXACT_BELOW {
        // P(X <= min) of Binomial(n, 1/2): the terms are exact, n being small.
        let (mut term, mut sum) = (0.5f64.powi(n as i32), 0.0);
        for k in 0..=a.min(b) {
            sum += term;
            term *= (n - k) as f64 / (k + 1) as f64;
        }
        return (2.0 * sum).min(1.0);
    }
    let gap = (a.abs_diff(b) as f64 - 1.0).max(0.0);
    chi2_sf(gap * gap / n as f64)
}

/// The difference of two correlated AUCs, a − b (DeLong et al. 1988, by the O(n log n) algorithm of Sun and Xu 2014).
/// `y`: labels 0 or 1; `pa` and `pb`: the models' probabilities of the same rows. With fewer than two rows of a class
/// there is no variance to estimate: the interval is [-1, 1] and p is 1.
pub fn delong(y: &[u8], pa: &[f64], pb: &[f64]) -> Difference {
    Placements::new(y, pa).minus(&Placements::new(y, pb))
}

/// The AUC with its standard error (DeLong et al. 1988: the variances of the placements of either class, each over its
/// rows). `None` with fewer than two rows of a class.
pub fn auc_with_error(y: &[u8], p: &[f64]) -> Option<Estimate> {
    let placements = Placements::new(y, p);
    let (m, n) = (placements.positive.len(), placements.negative.len());
    if m < 2 || n < 2 {
        return None;
    }
    let variance = variance(&placements.positive) / m as f64 + variance(&placements.negative) / n as f64;
    Some(Estimate { value: placements.auc(), error: variance.sqrt() })
}

/// The mean log loss (natural logarithm) with its standard error, the sample deviation of the rows' losses over √n.
/// `None` with fewer than two rows.
pub fn log_loss_with_error(y: &[u8], p: &[f64]) -> Option<Estimate> {
    mean_with_error(&log_losses(y, p).collect::<Vec<_>>())
}

/// The Brier score with its standard error, which is computed as for the log loss. `None` with fewer than two rows.
pub fn brier_with_error(y: &[u8], p: &[f64]) -> Option<Estimate> {
    mean_with_error(&y.iter().zip(p).map(|(y, p)| (p - f64::from(*y)).powi(2)).collect::<Vec<_>>())
}

fn mean_with_error(values: &[f64]) -> Option<Estimate> {
    let n = values.len() as f64;
    (values.len() > 1).then(|| Estimate { value: values.iter().sum::<f64>() / n, error: (variance(values) / n).sqrt() })
}

/// An estimated figure and its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
}

/// For each positive row the share of negatives below it, and for each negative row the share of positives above it, a
/// tie counting half. This is all that DeLong's test needs of one model.
pub struct Placements {
    positive: Vec<f64>,
    negative: Vec<f64>,
}

impl Placements {
    /// From labels 0 or 1 and the probabilities of class 1.
    pub fn new(y: &[u8], p: &[f64]) -> Self {
        Self::of(&of_class(y, p, 1), &of_class(y, p, 0))
    }

    /// As [`delong`]: this model's AUC minus that of the other model on the same rows.
    pub fn minus(&self, other: &Self) -> Difference {
        let (a, b) = (self, other);
        let difference = a.auc() - b.auc();
        let (m, n) = (a.positive.len().min(b.positive.len()), a.negative.len().min(b.negative.len()));
        if m < 2 || n < 2 {
            return Difference { difference, ..no_evidence() };
        }
        let variance = variance_of_gaps(&a.positive, &b.positive) / m as f64
            + variance_of_gaps(&a.negative, &b.negative) / n as f64;
        let error = variance.sqrt();
        let reach = normal_quantile(0.975) * error;
        // Without variance, either the two models rank alike, or they differ in the same way on every row.
        let p_value = match (error > 0.0, difference == 0.0) {
            (true, _) => erfc((difference / error).abs() / std::f64::consts::SQRT_2),
            (false, true) => 1.0,
            (false, false) => 0.0,
        };
        Difference { difference, interval_95: [difference - reach, difference + reach], p_value }
    }

    fn of(positive: &[f64], negative: &[f64]) -> Self {
        let (m, n) = (positive.len() as f64, negative.len() as f64);
        let both: Vec<f64> = positive.iter().chain(negative).copied().collect();
        let (all, own_pos, own_neg) = (midranks(&both), midranks(positive), midranks(negative));
        let (all_pos, all_neg) = all.split_at(positive.len());
        Self {
            positive: all_pos.iter().zip(&own_pos).map(|(t, x)| (t - x) / n).collect(),
            negative: all_neg.iter().zip(&own_neg).map(|(t, x)| 1.0 - (t - x) / m).collect(),
        }
    }
    fn auc(&self) -> f64 {
        let n = self.positive.len();
        if n == 0 || self.negative.is_empty() { 0.5 } else { self.positive.iter().sum::<f64>() / n as f64 }
    }
}

/// Ranks from 1, equal values sharing their mean rank.
fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && values[order[end]] == values[order[start]] {
            end += 1;
        }
        for at in &order[start..end] {
            ranks[*at] = (start + end + 1) as f64 / 2.0;
        }
        start = end;
    }
    ranks
}

/// Sample variance of a − b, which is var(a) + var(b) − 2 cov(a, b) without its cancellation.
fn variance_of_gaps(a: &[f64], b: &[f64]) -> f64 {
    variance(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>())
}

fn variance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0)
}

fn of_class(y: &[u8], p: &[f64], class: u8) -> Vec<f64> {
    p.iter().zip(y).filter(|(_, l)| **l == class).map(|(p, _)| *p).collect()
}

pub(crate) fn no_evidence() -> Difference {
    Difference { difference: 0.0, interval_95: [-1.0, 1.0], p_value: 1.0 }
}

/// The standard normal distribution function.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z / std::f64::consts::SQRT_2)
}

/// The inverse of `normal_cdf` on (0, 1); ±∞ at the ends, NaN outside. Starts from Abramowitz and Stegun 26.2.23 and
/// corrects the value by Halley's method on the distribution function.
pub fn normal_quantile(p: f64) -> f64 {
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 || p == 1.0 {
        return if p == 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    // Computed in the lower tail, which keeps its relative precision.
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    let t = (-2.0 * p.ln()).sqrt();
    let mut z =
        -(t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308))));
    for _ in 0..3 {
        let step = (normal_cdf(z) - p) * (std::f64::consts::TAU).sqrt() * (z * z / 2.0).exp();
        z -= step / (1.0 + z * step / 2.0);
    }
    z
}

/// The quantile of Student's t for `freedom` >= 4 degrees, by the expansion about the normal one (Abramowitz and Stegun
/// 26.7.5): within 1 % for p in .001 to .999 at 9 degrees, and closer with more.
pub fn t_quantile(p: f64, freedom: f64) -> f64 {
    let z = normal_quantile(p);
    let s = z * z;
    let terms = [
        (s + 1.0) / 4.0,
        ((5.0 * s + 16.0) * s + 3.0) / 96.0,
        (((3.0 * s + 19.0) * s + 17.0) * s - 15.0) / 384.0,
        ((((79.0 * s + 776.0) * s + 1482.0) * s - 1920.0) * s - 945.0) / 92_160.0,
    ];
    z * (1.0 + terms.iter().rev().fold(0.0, |sum, term| (sum + term) / freedom))
}

/// P(X >= x) of the chi-squared distribution with one degree of freedom.
pub fn chi2_sf(x: f64) -> f64 {
    if x <= 0.0 { 1.0 } else { erfc((x / 2.0).sqrt()) }
}

/// The complementary error function: 1 minus the series of positive terms below 2 (Abramowitz and Stegun 7.1.6), the
/// continued fraction above (7.1.14, by Lentz's method).
fn erfc(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    if x > 27.3 {
        return 0.0; // Below the smallest number.
    }
    let scale = (-x * x).exp() / std::f64::consts::PI.sqrt();
    if x < 2.0 {
        let (mut term, mut sum, mut k) = (x, x, 1.0);
        while term > sum * 1e-17 {
            term *= 2.0 * x * x / (2.0 * k + 1.0);
            sum += term;
            k += 1.0;
        }
        return 1.0 - 2.0 * scale * sum;
    }
    // erfc(x) = scale / (x + (1/2)/(x + 1/(x + (3/2)/(x + …))))
    let (mut f, mut c, mut d) = (x, x, 0.0);
    for k in 1..200 {
        let a = f64::from(k) / 2.0;
        d = 1.0 / (x + a * d);
        c = x + a / c;
        f *= c * d;
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    scale / f
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn the_normal_distribution_agrees_with_the_tables() {
        // Reference values with 16 digits: scipy.stats.norm and chi2.
        for (z, p) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_542_9),
            (-1.96, 0.024_997_895_148_220_435),
            (-6.0, 9.865_876_450_376_946e-10),
            (-20.0, 2.753_624_118_606_233_6e-89),
        ] {
            assert!((normal_cdf(z) / p - 1.0).abs() < 1e-12, "cdf({z}) = {:e}", normal_cdf(z));
        }
        assert!((normal_quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-14);
        assert!((normal_quantile(1e-10) + 6.361_340_902_404_056).abs() < 1e-11);
        assert!((chi2_sf(3.841_458_820_694_124) - 0.05).abs() < 1e-14);
        assert_eq!((chi2_sf(0.0), normal_quantile(0.0), normal_cdf(40.0)), (1.0, f64::NEG_INFINITY, 1.0));
        for p in [1e-300, 1e-5, 0.2, 0.5, 0.8, 0.999] {
            assert!((normal_cdf(normal_quantile(p)) / p - 1.0).abs() < 1e-11, "{p}");
        }
    }

    #[test]
    fn students_quantiles_are_scipys() {
        for (p, freedom, expected) in [
            (0.95, 9.0, 1.833_112_932_656_237),
            (0.999, 9.0, 4.296_805_662_729_918),
            (0.97, 30.0, 1.954_645_495_788_454_5),
            (0.9999, 200.0, 3.789_120_788_747_759),
            (0.01, 15.0, -2.602_480_295_011_123),
        ] {
            let t = t_quantile(p, freedom);
            assert!((t / expected - 1.0).abs() < if freedom < 10.0 { 5e-3 } else { 1e-4 }, "{p} {freedom}: {t}");
        }
    }

    #[test]
    fn models_that_agree_do_not_differ() {
        let (y, p) = ([0, 1, 0, 1, 1], [0.1, 0.9, 0.6, 0.4, 0.8]);
        assert_eq!(mcnemar(&y, &p, 0.5, &p, 0.5).p_value, 1.0);
        assert_eq!(delong(&y, &p, &p), Difference { difference: 0.0, interval_95: [0.0, 0.0], p_value: 1.0 });
    }

    #[test]
    fn too_few_rows_are_no_evidence() {
        let one_class = delong(&[1, 1, 1], &[0.1, 0.2, 0.3], &[0.3, 0.2, 0.1]);
        assert_eq!((one_class.interval_95, one_class.p_value), ([-1.0, 1.0], 1.0));
    }
}
