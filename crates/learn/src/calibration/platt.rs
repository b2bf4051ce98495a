//! Platt scaling (Platt 1999) with his smoothed targets, by Newton's method with a line search (Lin, Lin and Weng
//! 2007). The arithmetic equals that of linfa's `platt_newton_method` to the last bit; in addition the stop token is
//! checked between blocks of rows, which the library's function cannot do.

use crate::error::LearnError;
use provost_predict::control::Control;

const MAX_STEPS: usize = 100;
const LEAST_STEP: f64 = 1e-10;
const RIDGE: f64 = 1e-12;

/// The rows of a fit.
struct Rows<'a> {
    scores: &'a [f64],
    targets: Vec<f64>,
    control: &'a Control,
}

/// Hessian and gradient of the loss at some a and b.
#[derive(Default)]
struct Derivatives {
    h11: f64,
    h22: f64,
    h21: f64,
    g1: f64,
    g2: f64,
}

impl Rows<'_> {
    /// Calls `each` with each score and target.
    fn walk(&self, mut each: impl FnMut(f64, f64)) -> Result<(), LearnError> {
        let mut targets = self.targets.iter();
        self.control.in_blocks(self.scores, |scores| {
            scores.iter().zip(targets.by_ref()).for_each(|(score, target)| each(*score, *target));
        })?;
        Ok(())
    }

    fn loss(&self, a: f64, b: f64) -> Result<f64, LearnError> {
        let mut loss = 0.0;
        self.walk(|v, t| {
            let z = v * a + b;
            loss += if z >= 0.0 { t * z + (1.0 + (-z).exp()).ln() } else { (t - 1.0) * z + (1.0 + z.exp()).ln() };
        })?;
        Ok(loss)
    }

    fn derivatives(&self, a: f64, b: f64) -> Result<Derivatives, LearnError> {
        let mut d = Derivatives { h11: RIDGE, h22: RIDGE, ..Derivatives::default() };
        self.walk(|v, t| {
            let z = v * a + b;
            let (p, q) = if z >= 0.0 {
                ((-z).exp() / (1.0 + (-z).exp()), 1.0 / (1.0 + (-z).exp()))
            } else {
                (1.0 / (1.0 + z.exp()), z.exp() / (1.0 + z.exp()))
            };
            let d2 = p * q;
            d.h11 += v * v * d2;
            d.h22 += d2;
            d.h21 += v * d2;
            let d1 = t - p;
            d.g1 += v * d1;
            d.g2 += d1;
        })?;
        Ok(d)
    }
}

/// a and b of `1 / (1 + exp(a · score + b))`; None where the search does not converge.
///
/// # Errors
///
/// `Stopped`.
pub fn newton(scores: &[f64], labels: &[u8], control: &Control) -> Result<Option<(f64, f64)>, LearnError> {
    let positives = labels.iter().filter(|label| **label == 1).count();
    // linfa counts and smooths in f32.
    let (positives, negatives) = (positives as f32, (labels.len() - positives) as f32);
    let (high, low) = ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0));
    let target = |label: &u8| f64::from(if *label == 1 { high } else { low });
    let rows = Rows { scores, targets: labels.iter().map(target).collect(), control };
    let small = f64::from(1e-5 * scores.len() as f32);
    let mut a = 0.0;
    let mut b = f64::from((negatives + 1.0) / (positives + 1.0)).ln();
    let mut loss = rows.loss(a, b)?;
    for _ in 0..MAX_STEPS {
        let Derivatives { h11, h22, h21, g1, g2 } = rows.derivatives(a, b)?;
        if g1.abs() < small && g2.abs() < small {
            return Ok(Some((a, b)));
        }
        let det = h11 * h22 - h21.powi(2);
        let step_a = -(h22 * g1 - h21 * g2) / det;
        let step_b = -(-h21 * g1 + h11 * g2) / det;
        let slope = g1 * step_a + g2 * step_b;
        let mut size = 1.0;
        while size >= LEAST_STEP {
            let (new_a, new_b) = (a + size * step_a, b + size * step_b);
            let new = rows.loss(new_a, new_b)?;
            if new < loss + 1e-4 * size * slope {
                (a, b, loss) = (new_a, new_b, new);
                break;
            }
            size /= 2.0;
            if size < LEAST_STEP {
                return Ok(None);
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use linfa::ParamGuard;
    use linfa::composing::platt_scaling::{Platt, platt_newton_method};
    use ndarray::Array1;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_librarys_numbers_to_the_last_bit(
            rows in prop::collection::vec((-9f64..9.0, 0u8..2), 2..300), scale in prop_oneof![Just(0.0), Just(1e-3), Just(1.0), Just(40.0)],
        ) {
            let (scores, labels): (Vec<f64>, Vec<u8>) = rows.into_iter().map(|(score, label)| (score * scale, label)).unzip();
            let params = Platt::<f64, ()>::params().check().unwrap();
            let (given, wanted) = (Array1::from(scores.clone()), labels.iter().map(|l| *l == 1).collect::<Array1<bool>>());
            let library = platt_newton_method(given.view(), wanted.view(), &params).ok();
            let own = newton(&scores, &labels, &Control::default()).unwrap();
            let bits = |found: Option<(f64, f64)>| found.map(|(a, b)| (a.to_bits(), b.to_bits()));
            prop_assert_eq!(bits(own), bits(library));
        }
    }
}
