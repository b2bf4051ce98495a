//! One trait for all algorithms: checked parameters in, a fitted predictor out.

use crate::shared::Shared;
use crate::{Control, Dataset, LearnError, Predictor};
use provost_domain::config::Grid;
use provost_domain::{Algorithm, Faults};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

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
    /// Of fits on the same rows and columns.
    pub shared: Option<&'a Shared>,
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
    /// Parameters that are recorded and change nothing.
    fn idle(&self) -> &'static [&'static str] {
        &[]
    }
    /// The parameter that says how long a fit goes, where validation rows may end it sooner.
    fn length(&self) -> Option<&'static str> {
        None
    }
    /// Whether it parts categories as they are, beside their rates.
    fn parts_categories(&self) -> bool {
        false
    }
    /// Columns that a fit on these columns really learns from.
    fn width(&self, _data: &Dataset, columns: &[usize]) -> usize {
        columns.len()
    }
    /// Equal for parameters that one growth serves, on so many columns (see `width`): see `fit_family`.
    fn family(&self, params: &Params, _width: usize) -> String {
        key(params, self.idle())
    }
    /// Predictions for `rows` by the fit of each of `members`, which are of one family; the task's own parameters do not
    /// count. The same, bit for bit, as by fits apart; learners whose longer fit contains the shorter ones grow once.
    fn fit_family(
        &self,
        task: &FitTask<'_>,
        members: &[&Params],
        rows: &[u32],
        control: &Control,
    ) -> Result<Vec<Vec<f64>>, LearnError> {
        fit_apart(self, task, members, rows, control)
    }
}

/// `fit_family` by one fit per member.
pub(crate) fn fit_apart<L: Learner + ?Sized>(
    learner: &L,
    task: &FitTask<'_>,
    members: &[&Params],
    rows: &[u32],
    control: &Control,
) -> Result<Vec<Vec<f64>>, LearnError> {
    let one = |params: &&Params| {
        let fit = learner.fit(&FitTask { params, ..*task }, control)?;
        fit.predictor.predict_under(task.data.x(), task.columns, rows, control)
    };
    members.iter().map(one).collect()
}

/// The parameters as one text, in the order of their names, those of `without` left out.
pub(crate) fn key(params: &Params, without: &[&str]) -> String {
    let sorted: BTreeMap<&String, &Value> = params.iter().filter(|(n, _)| !without.contains(&n.as_str())).collect();
    sorted.into_iter().map(|(name, value)| format!("{name}={value};")).collect()
}

/// Ascending and each once, with every member's place among them: where a longer fit is looked at on its way.
pub(crate) fn stops(of_members: &[u64]) -> (Vec<u64>, Vec<usize>) {
    let mut ends = of_members.to_vec();
    ends.sort_unstable();
    ends.dedup();
    let places = of_members.iter().map(|end| ends.partition_point(|e| e < end)).collect();
    (ends, places)
}

/// Written as name and value, or name and list of values.
pub(crate) fn defaults<const N: usize>(values: [(&str, Value); N]) -> Params {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(crate) fn grid<const N: usize>(axes: [(&str, Value); N]) -> Grid {
    let values = |v: Value| if let Value::Array(values) = v { values } else { vec![v] };
    axes.into_iter().map(|(name, axis)| (name.to_owned(), values(axis))).collect()
}
