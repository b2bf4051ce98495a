//! Calibration: from a learner's scores to probabilities.

use serde::{Deserialize, Serialize};

/// Parts of 0 to 1 by which the points near many numbers are found.
const BUCKETS: usize = 1_024;

/// A strictly increasing map of probabilities, so that rankings and AUC stay.
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
    /// Linear between the points (x, y), both increasing from x = 0 to x = 1.
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

    /// `apply` to each of many.
    pub fn apply_all(&self, p: &mut [f64]) {
        let Calibration::Isotonic { x, y } = self else {
            return p.iter_mut().for_each(|p| *p = self.apply(*p));
        };
        // A number's place among the points begins at that of its bucket's lower end.
        let first: Vec<usize> =
            (0..=BUCKETS).map(|at| x.partition_point(|v| *v <= at as f64 / BUCKETS as f64)).collect();
        for p in p {
            let within = p.clamp(0.0, 1.0);
            let mut above = first[(within * BUCKETS as f64) as usize];
            while x.get(above).is_some_and(|v| *v <= within) {
                above += 1;
            }
            *p = between(x, y, within, above);
        }
    }

    /// Of a decoded artifact: what `apply` relies on.
    ///
    /// # Errors
    ///
    /// What is wrong.
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

/// The probability of these log-odds.
pub fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// The log-odds of a probability. Bounded, so that a score of exactly 0 or 1 (a forest's) stays finite.
pub fn logit(p: f64) -> f64 {
    let p = p.clamp(1e-6, 1.0 - 1e-6);
    (p / (1.0 - p)).ln()
}

fn interpolate(x: &[f64], y: &[f64], p: f64) -> f64 {
    let p = p.clamp(0.0, 1.0);
    between(x, y, p, x.partition_point(|v| *v <= p))
}

/// The value at `p`, which `above` points are not above.
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
