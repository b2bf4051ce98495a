//! The calibration slope: how the outcome's log-odds grow with those of the prediction (Cox 1958).

use crate::stats::normal_quantile;

/// Probabilities are clipped this far from 0 and 1, where their log-odds are infinite.
const CLOSEST: f64 = 1e-9;
const STEPS: u32 = 50;
const CONVERGED: f64 = 1e-11;
/// A steeper slope means that the predictions separate the outcomes, and that no slope fits.
const STEEPEST: f64 = 1e3;

/// A slope and its standard error, from the observed information.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// The slope.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
}

impl Slope {
    /// The 95 % interval, by Wald.
    pub fn interval(&self) -> [f64; 2] {
        let reach = normal_quantile(0.975) * self.error;
        [self.value - reach, self.value + reach]
    }
}

/// The slope of a logistic regression of the outcome on the prediction's log-odds, by Newton's method. `y`: outcomes 0
/// or 1, `p`: probabilities of the same rows. None where no slope fits: one class, one value of all predictions, or
/// outcomes that the predictions separate.
pub fn calibration_slope(y: &[u8], p: &[f64]) -> Option<Slope> {
    let logit = |p: &f64| {
        let p = p.clamp(CLOSEST, 1.0 - CLOSEST);
        (p / (1.0 - p)).ln()
    };
    let x: Vec<f64> = p.iter().map(logit).collect();
    // Centred, so that intercept and slope hardly depend on each other.
    let mean = x.iter().sum::<f64>() / x.len().max(1) as f64;
    let (mut a, mut b) = (0.0f64, 1.0f64);
    for _ in 0..STEPS {
        let (mut g0, mut g1, mut h00, mut h01, mut h11) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (x, y) in x.iter().zip(y) {
            let x = x - mean;
            let q = 1.0 / (1.0 + (-(a + b * x)).exp());
            let (gap, weight) = (f64::from(*y) - q, q * (1.0 - q));
            g0 += gap;
            g1 += gap * x;
            h00 += weight;
            h01 += weight * x;
            h11 += weight * x * x;
        }
        let determinant = h00 * h11 - h01 * h01;
        // Without weight or spread there is no slope to find.
        if determinant.is_nan() || determinant <= 1e-12 * h00 * h11.max(f64::MIN_POSITIVE) {
            return None;
        }
        let step = [(h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant];
        a += step[0];
        b += step[1];
        if !a.is_finite() || !b.is_finite() || b.abs() > STEEPEST {
            return None;
        }
        if step[0].abs() + step[1].abs() < CONVERGED * (1.0 + a.abs() + b.abs()) {
            return Some(Slope { value: b, error: (h00 / determinant).sqrt() });
        }
    }
    None
}
