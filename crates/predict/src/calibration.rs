//! Calibration: maps a learner's scores to probabilities.

use serde::{Deserialize, Serialize};

/// Buckets of equal width between 0 and 1, for finding the points next to a score quickly.
const BUCKETS: usize = 1_024;

/// A map from scores to probabilities that never reverses the order of two scores, so that rankings are kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum Calibration {
    /// Scores are probabilities already.
    #[default]
    None,
    /// `sigmoid(a · logit(p) + b)` (Platt 1999, on log-odds); a > 0.
    Platt {
        /// Slope.
        a: f64,
        /// Intercept.
        b: f64,
    },
    /// Linear interpolation between the points (x, y), constant beyond the first and the last point.
    Isotonic {
        /// Scores, strictly increasing.
        x: Vec<f64>,
        /// Probabilities, not falling.
        y: Vec<f64>,
    },
}

impl Calibration {
    /// The calibrated probability of `p`, within 0..=1.
    pub fn apply(&self, p: f64) -> f64 {
        match self {
            Calibration::None => p.clamp(0.0, 1.0),
            Calibration::Platt { a, b } => sigmoid(a * logit(p) + b),
            Calibration::Isotonic { x, y } => interpolate(x, y, p),
        }
    }

    /// The same calibration, prepared for many numbers.
    pub fn for_many(&self) -> Calibrator<'_> {
        let first = match self {
            Calibration::Isotonic { x, .. } => {
                (0..=BUCKETS).map(|at| x.partition_point(|v| *v <= at as f64 / BUCKETS as f64)).collect()
            }
            Calibration::None | Calibration::Platt { .. } => Vec::new(),
        };
        Calibrator { calibration: self, first }
    }

    /// Checks a calibration of a decoded artifact for everything that `apply` relies on.
    ///
    /// # Errors
    ///
    /// A description of the first fault.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Calibration::None => Ok(()),
            Calibration::Platt { a, b } if a.is_finite() && b.is_finite() && *a > 0.0 => Ok(()),
            Calibration::Platt { a, b } => Err(format!("Platt calibration with slope {a} and intercept {b}")),
            Calibration::Isotonic { x, y } => {
                let inside = |v: &[f64]| v.iter().all(|v| (0.0..=1.0).contains(v));
                let rising = x.windows(2).all(|w| w[0] < w[1]) && y.windows(2).all(|w| w[0] <= w[1]);
                if x.len() < 2 || x.len() != y.len() || !inside(x) || !inside(y) || !rising {
                    return Err("isotonic calibration whose points do not rise within 0..=1".to_owned());
                }
                Ok(())
            }
        }
    }
}

/// A calibration that is applied to many numbers.
#[derive(Debug)]
pub struct Calibrator<'c> {
    calibration: &'c Calibration,
    /// For each bucket, the number of points that are not above its lower end: where the search for a score begins.
    first: Vec<usize>,
}

impl Calibrator<'_> {
    /// The calibration itself.
    pub fn calibration(&self) -> &Calibration {
        self.calibration
    }

    /// Applies the calibration to each number in place, as [`Calibration::apply`] does. No number may be NaN.
    pub fn apply(&self, p: &mut [f64]) {
        let Calibration::Isotonic { x, y } = self.calibration else {
            return p.iter_mut().for_each(|p| *p = self.calibration.apply(*p));
        };
        for p in p {
            let within = p.clamp(0.0, 1.0);
            let mut above = self.first[(within * BUCKETS as f64) as usize];
            while x.get(above).is_some_and(|v| *v <= within) {
                above += 1;
            }
            *p = between(x, y, within, above);
        }
    }
}

/// The probability of the log-odds `z`.
pub fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// The log-odds of a probability. The probability is limited to 1e-6 to 1 − 1e-6, so that a score of exactly 0 or 1, as
/// of a forest, stays finite.
pub fn logit(p: f64) -> f64 {
    let p = p.clamp(1e-6, 1.0 - 1e-6);
    (p / (1.0 - p)).ln()
}

fn interpolate(x: &[f64], y: &[f64], p: f64) -> f64 {
    let p = p.clamp(0.0, 1.0);
    between(x, y, p, x.partition_point(|v| *v <= p))
}

/// Linear interpolation at `p`; `above` is the number of points with x ≤ `p`.
#[inline]
fn between(x: &[f64], y: &[f64], p: f64, above: usize) -> f64 {
    if above == 0 {
        return y[0];
    }
    if above == x.len() {
        return y[above - 1];
    }
    let share = (p - x[above - 1]) / (x[above] - x[above - 1]);
    y[above - 1] + share * (y[above] - y[above - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_calibrated_as_each_is() {
        let points = [0.0, 0.001, 0.001_000_1, 0.3, 0.5, 0.999_99, 1.0];
        let isotonic = Calibration::Isotonic { x: points.to_vec(), y: points.map(|x| x * x).to_vec() };
        for calibration in [Calibration::None, Calibration::Platt { a: 1.2, b: 0.3 }, isotonic] {
            let p: Vec<f64> = (0..=4_096).map(|at| f64::from(at) / 4_096.0).chain(points).collect();
            let mut many = p.clone();
            calibration.for_many().apply(&mut many);
            assert_eq!(many, p.iter().map(|p| calibration.apply(*p)).collect::<Vec<_>>(), "{calibration:?}");
        }
    }
}
