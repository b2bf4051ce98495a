//! Logistic regression with L2 or L1 penalty, in scikit-learn's parametrisation.

mod newton;
mod rows;

use crate::error::LearnError;
use crate::learner::{Fit, FitTask, Learner, defaults, grid};
use crate::params::{CheckedParams, Params, Reader};
use crate::preprocess::{self, Standardise};
use crate::weights::class_weights;
use provost_domain::config::Grid;
use provost_domain::{Algorithm, Faults};
use provost_predict::control::Control;
use provost_predict::logistic::LogisticModel;
use provost_predict::predictor::Predictor;
use serde_json::{Value, json};
use std::ops::Bound;

/// Minimises `C · Σ weight · loss + ½‖w‖²` (L2) or `+ ‖w‖₁` (L1); the intercept is not penalised.
#[derive(Debug)]
pub struct LogisticRegression;

impl LogisticRegression {
    fn read(params: &Params, defaults: &Params) -> Result<(CheckedParams, f64, String, Option<String>), Faults> {
        let mut r = Reader::new(params, defaults);
        let c = r.float("C", (Bound::Excluded(0.0), Bound::Included(1e12)));
        let penalty = r.word("penalty", &["l1", "l2"]);
        let class_weight = r.word_or_none("class_weight", &["balanced"]);
        r.word("solver", &["lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"]);
        r.int("max_iter", 1..=1_000_000);
        Ok((r.finish()?, c, penalty, class_weight))
    }
}

impl Learner for LogisticRegression {
    fn algorithm(&self) -> Algorithm {
        Algorithm::LogisticRegression
    }

    /// `solver` and `max_iter` are recorded and have no effect.
    fn defaults(&self) -> Params {
        defaults([
            ("C", json!(1.0)),
            ("penalty", json!("l2")),
            ("class_weight", Value::Null),
            ("solver", json!("lbfgs")),
            ("max_iter", json!(1000)),
        ])
    }

    fn grid(&self) -> Grid {
        grid([
            ("C", json!([0.001, 0.01, 0.1, 1.0, 10.0, 100.0])),
            ("penalty", json!(["l1", "l2"])),
            ("solver", json!(["liblinear", "saga"])),
            ("class_weight", json!(["balanced", null])),
            ("max_iter", json!([1000, 2000])),
        ])
    }

    fn idle(&self) -> &'static [&'static str] {
        &["solver", "max_iter"]
    }

    fn check(&self, params: &Params) -> Result<CheckedParams, Faults> {
        Ok(Self::read(params, &self.defaults())?.0)
    }

    fn fit(&self, task: &FitTask<'_>, control: &Control) -> Result<Fit, LearnError> {
        let (_, c, penalty, class_weight) = Self::read(task.params, &self.defaults()).map_err(LearnError::Params)?;
        let weights = class_weights(task.data.y(), task.train, class_weight.is_some())?;
        // The problem is always solved on the standardised scale, where Newton's method is well conditioned; without
        // `scale` the penalty is expressed in the features' own units, which gives the same solution as raw columns
        // would.
        let x = task.data.x();
        let preprocessor = preprocess::fit(x, task.columns, task.train, true, Standardise::Everything, control)?;
        let outputs = preprocessor.outputs();
        let mut l1 = vec![0.0; outputs.len()];
        let mut l2 = vec![0.0; outputs.len()];
        for (at, output) in outputs.iter().enumerate() {
            // Indicators are penalised as 0 and 1: standardising a rare one would almost free it from the penalty.
            let unit = if task.scale && !output.indicator { 1.0 } else { output.unit };
            if penalty == "l1" {
                l1[at] = 1.0 / (c * unit);
            } else {
                l2[at] = 1.0 / (c * unit * unit);
            }
        }
        let rows = rows::Rows::new(&preprocessor, task, weights, control)?;
        let (solution, iterations) = newton::solve(&rows, &l1, &l2, control)?;
        let (coefficients, intercept) = (solution[..outputs.len()].to_vec(), solution[outputs.len()]);
        let mut importance = vec![0.0; task.columns.len()];
        for (output, coefficient) in outputs.iter().zip(&coefficients) {
            importance[output.column] += coefficient.abs();
        }
        let sum: f64 = importance.iter().sum();
        if sum > 0.0 {
            importance.iter_mut().for_each(|v| *v /= sum);
        }
        let predictor = Predictor::Logistic(LogisticModel::new(preprocessor, coefficients, intercept));
        Ok(Fit { predictor, importance: Some(importance), iterations })
    }
}

#[cfg(test)]
mod tests;
