//! Proximal Newton with step halving (Lee, Sun and Saunders 2014): each step minimises the quadratic model of the loss
//! plus the penalty, by Cholesky where the penalty is smooth, else by coordinate descent (Friedman et al. 2010).

use super::rows::{Rows, Sums};
use crate::error::LearnError;
use provost_predict::control::Control;

const MAX_STEPS: u64 = 200;
const MAX_HALVINGS: u32 = 40;
const MAX_SWEEPS: usize = 5_000;
/// The search ends where the promised decrease, relative to the objective, is below the square of this, or the largest
/// change of a coefficient is below this.
const TOLERANCE: f64 = 1e-10;
/// A promised decrease below this, relative to the objective, makes the step the last one.
const ROUNDING: f64 = 1e-10;

/// Minimises `loss + Σ l1·|w| + ½ Σ l2·w²` over the coefficients, of which the last one, the intercept, is not
/// penalised; `l1` and `l2` have an entry for each of the others. Returns the coefficients and the number of steps.
/// Every step lowers the objective, so that the search cannot diverge.
pub fn solve(rows: &Rows, l1: &[f64], l2: &[f64], control: &Control) -> Result<(Vec<f64>, u64), LearnError> {
    let width = rows.width;
    let mut penalties: Vec<(f64, f64)> = l1.iter().copied().zip(l2.iter().copied()).collect();
    penalties.push((0.0, 0.0));
    let smooth = l1.iter().all(|l| *l == 0.0);
    let mut w = vec![0.0; width];
    let mut sums = rows.sums(&w, control)?;
    let mut value = sums.loss + penalty(&w, &penalties);
    for step in 1..=MAX_STEPS {
        control.check()?;
        let target =
            if smooth { cholesky_step(&sums, &w, &penalties) } else { descend(&sums, &w, &penalties, control)? };
        let direction: Vec<f64> = target.iter().zip(&w).map(|(t, w)| t - w).collect();
        let slope: f64 = sums.gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
        let promised = slope + penalty(&target, &penalties) - penalty(&w, &penalties);
        let largest = direction.iter().fold(0.0f64, |m, d| m.max(d.abs()));
        if !promised.is_finite() || promised > -TOLERANCE * TOLERANCE * (1.0 + value.abs()) || largest < TOLERANCE {
            control.progress(MAX_STEPS, MAX_STEPS);
            return Ok((w, step - 1));
        }
        if -promised <= ROUNDING * (1.0 + value.abs()) {
            // The decrease that is left is below the rounding error of a sum over all rows, so that a line search could
            // not tell better from worse. A Newton step squares the error, so this one is the last.
            let at = rows.sums(&target, control)?;
            let better = at.loss + penalty(&target, &penalties) <= value + 1e-12 * (1.0 + value.abs());
            control.progress(MAX_STEPS, MAX_STEPS);
            return Ok((if better { target } else { w }, step));
        }
        let mut size = 1.0;
        let mut moved = false;
        for _ in 0..MAX_HALVINGS {
            control.check()?;
            let trial: Vec<f64> = w.iter().zip(&direction).map(|(w, d)| w + size * d).collect();
            let at = rows.sums(&trial, control)?;
            let new = at.loss + penalty(&trial, &penalties);
            // Armijo's condition of sufficient decrease.
            if new <= value + 1e-4 * size * promised {
                (w, sums, value, moved) = (trial, at, new, true);
                break;
            }
            size *= 0.5;
        }
        control.progress(step.min(MAX_STEPS), MAX_STEPS);
        if !moved {
            control.progress(MAX_STEPS, MAX_STEPS);
            return Ok((w, step));
        }
    }
    Ok((w, MAX_STEPS))
}

fn penalty(w: &[f64], penalties: &[(f64, f64)]) -> f64 {
    w.iter().zip(penalties).map(|(w, (l1, l2))| l1 * w.abs() + 0.5 * l2 * w * w).sum()
}

/// `w − (H + L2)⁻¹ (g + L2·w)`. To a matrix that is singular in f64 (collinear columns at a huge C) a growing ridge is
/// added.
fn cholesky_step(sums: &Sums, w: &[f64], penalties: &[(f64, f64)]) -> Vec<f64> {
    let n = w.len();
    let mut a = sums.hessian.clone();
    let mut largest = 0.0f64;
    for i in 0..n {
        a[i * n + i] += penalties[i].1;
        largest = largest.max(a[i * n + i]);
    }
    let right: Vec<f64> = (0..n).map(|i| sums.gradient[i] + penalties[i].1 * w[i]).collect();
    let mut ridge = 0.0;
    loop {
        if let Some(step) = cholesky_solve(&a, ridge, &right) {
            return w.iter().zip(step).map(|(w, s)| w - s).collect();
        }
        ridge = if ridge == 0.0 { 1e-14 * largest.max(1e-300) } else { ridge * 100.0 };
        if ridge.is_nan() || ridge > 1e3 * largest.max(1e-300) {
            return w.to_vec();
        }
    }
}

/// Solves (A + ridge·I) x = b; None where that matrix is not positive definite.
fn cholesky_solve(a: &[f64], ridge: f64, b: &[f64]) -> Option<Vec<f64>> {
    let n = b.len();
    let mut l = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
            if i != j {
                l[i * n + j] = (a[i * n + j] - dot) / l[j * n + j];
                continue;
            }
            let diagonal = a[i * n + i] + ridge;
            let rest = diagonal - dot;
            if rest.is_nan() || rest <= 1e-14 * diagonal {
                return None;
            }
            l[i * n + i] = rest.sqrt();
        }
    }
    let mut x = b.to_vec();
    for i in 0..n {
        let dot: f64 = (0..i).map(|k| l[i * n + k] * x[k]).sum();
        x[i] = (x[i] - dot) / l[i * n + i];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| l[k * n + i] * x[k]).sum();
        x[i] = (x[i] - dot) / l[i * n + i];
    }
    Some(x)
}

/// Minimises the quadratic model by cyclic coordinate descent with soft thresholds.
fn descend(sums: &Sums, w: &[f64], penalties: &[(f64, f64)], control: &Control) -> Result<Vec<f64>, LearnError> {
    let n = w.len();
    let mut new = w.to_vec();
    // Gradient of the loss's quadratic model at `new`.
    let mut gradient = sums.gradient.clone();
    for _ in 0..MAX_SWEEPS {
        control.check()?;
        let mut largest = 0.0f64;
        for k in 0..n {
            let (l1, l2) = penalties[k];
            let curve = sums.hessian[k * n + k] + l2;
            // A constant column is all zeros on the standardised scale: its coefficient stays 0.
            if curve <= 1e-300 {
                continue;
            }
            let pull = sums.hessian[k * n + k] * new[k] - gradient[k];
            let target = pull.signum() * (pull.abs() - l1).max(0.0) / curve;
            let change = target - new[k];
            if change == 0.0 {
                continue;
            }
            new[k] = target;
            for (g, h) in gradient.iter_mut().zip(&sums.hessian[k * n..(k + 1) * n]) {
                *g += h * change;
            }
            largest = largest.max(change.abs());
        }
        if largest < TOLERANCE * 0.1 {
            break;
        }
    }
    Ok(new)
}
