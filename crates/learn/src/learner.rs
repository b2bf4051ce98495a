//! One trait for all algorithms: checked parameters in, a fitted predictor out.

use crate::{Control, Dataset, LearnError, Predictor};
use provost_domain::config::Grid;
use provost_domain::{Algorithm, Faults};
use serde_json::{Map, Value};

/// Parameter name to value, as in the contract's grids (scikit-learn's names).
pub type Params = Map<String, Value>;

/// What to fit: rows and columns of a dataset, and how.
pub struct FitTask<'a> {
    pub data: &'a Dataset,
    /// Columns to learn from, in this order.
    pub columns: &'a [usize],
    pub train: &'a [u32],
    /// For early stopping only; empty turns it off.
    pub validation: &'a [u32],
    /// As `Learner::check` returned them.
    pub params: &'a Params,
    pub seed: u64,
    /// 0 is off.
    pub early_stopping_rounds: u32,
    /// Standardise columns (linear and neural learners only).
    pub scale: bool,
}

#[derive(Debug)]
pub struct Fit {
    pub predictor: Predictor,
    /// Gain (trees) or absolute coefficient on the standardised scale (linear), per entry of `columns`, summing to 1 or all 0;
    /// a missing-indicator's share is added to its column. None where the learner has none (network): see permutation.
    pub importance: Option<Vec<f64>>,
    /// Trees, rounds, Newton steps or epochs kept.
    pub iterations: u64,
}

/// Same data, task and seed give the same predictor bytes at any thread count.
pub trait Learner: Send + Sync {
    fn algorithm(&self) -> Algorithm;
    /// scikit-learn's or XGBoost's defaults, every parameter present.
    fn defaults(&self) -> Params;
    /// The contract's search grid.
    fn grid(&self) -> Grid;
    /// Completes with defaults and checks names, types and ranges; all faults at once.
    fn check(&self, params: &Params) -> Result<Params, Faults>;
    /// Runs on rayon's current pool.
    fn fit(&self, task: &FitTask<'_>, control: &Control) -> Result<Fit, LearnError>;
    /// Predictions for `rows` by the fits that differ from the task's in `n_estimators` alone, one per entry of the ascending
    /// `ends`. Learners whose longer fit contains the shorter ones grow once.
    fn fit_checkpoints(
        &self,
        task: &FitTask<'_>,
        ends: &[u64],
        rows: &[u32],
        control: &Control,
    ) -> Result<Vec<Vec<f64>>, LearnError> {
        refit(self, task, ends, rows, control)
    }
}

/// `fit_checkpoints` by one fit per end.
pub(crate) fn refit<L: Learner + ?Sized>(
    learner: &L,
    task: &FitTask<'_>,
    ends: &[u64],
    rows: &[u32],
    control: &Control,
) -> Result<Vec<Vec<f64>>, LearnError> {
    let one = |end: &u64| {
        let params = with_estimators(task.params, *end);
        let fit = learner.fit(&FitTask { params: &params, ..*task }, control)?;
        Ok(fit.predictor.predict(task.data.x(), task.columns, rows))
    };
    ends.iter().map(one).collect()
}

pub(crate) fn with_estimators(params: &Params, count: u64) -> Params {
    let mut params = params.clone();
    params.insert("n_estimators".to_owned(), Value::from(count));
    params
}
