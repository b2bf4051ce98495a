//! One trait for all algorithms: checked parameters in, a fitted predictor out.

use crate::dataset::Dataset;
use crate::error::LearnError;
use crate::params::{CheckedParams, Params};
use crate::shared::Shared;
use provost_domain::config::Grid;
use provost_domain::{Algorithm, Faults};
use provost_predict::control::Control;
use provost_predict::predictor::Predictor;
use serde_json::Value;
use std::collections::BTreeMap;

/// What to fit: rows and columns of a dataset, and how.
///
/// ```
/// use provost_domain::Algorithm;
/// use provost_learn::learners::learner;
/// use provost_learn::{Control, Dataset, FitTask, Matrix, Params};
///
/// let column: Vec<f32> = (0..60).map(|row| row as f32).collect();
/// let labels = (0..60).map(|row| u8::from(row >= 30)).collect();
/// let data = Dataset::new(Matrix::new(vec!["score".to_owned()], vec![column]).unwrap(), labels).unwrap();
/// let boosting = learner(Algorithm::GradientBoosting).unwrap();
/// let params = boosting.check(&Params::new()).unwrap();
/// let train: Vec<u32> = (0..60).collect();
/// let task = FitTask { seed: 1, scale: true, ..FitTask::new(&data, &[0], &train, &params) };
/// let fit = boosting.fit(&task, &Control::default()).unwrap();
/// let p = fit.predictor.predict(data.x(), &[0], &[0, 59]);
/// assert!(p[0] < 0.1 && p[1] > 0.9);
/// ```
pub struct FitTask<'a> {
    /// The dataset that `columns` and the rows refer to.
    pub data: &'a Dataset,
    /// Columns to learn from, in this order.
    pub columns: &'a [usize],
    /// Rows to fit on.
    pub train: &'a [u32],
    /// Rows for early stopping only; an empty list turns it off.
    pub validation: &'a [u32],
    /// The learner's parameters.
    pub params: &'a CheckedParams,
    /// The seed of every random choice.
    pub seed: u64,
    /// Rounds or epochs without improvement that end a fit; 0 turns early stopping off.
    pub early_stopping_rounds: u32,
    /// Standardise columns (linear and neural learners only).
    pub scale: bool,
    /// State shared between fits on the same rows and columns.
    pub shared: Option<&'a Shared>,
}

impl<'a> FitTask<'a> {
    /// A fit without validation rows, early stopping and scaling, with the seed 0.
    pub fn new(data: &'a Dataset, columns: &'a [usize], train: &'a [u32], params: &'a CheckedParams) -> Self {
        Self {
            data,
            columns,
            train,
            validation: &[],
            params,
            seed: 0,
            early_stopping_rounds: 0,
            scale: false,
            shared: None,
        }
    }
}

/// The result of a fit.
#[derive(Debug)]
pub struct Fit {
    /// The fitted predictor.
    pub predictor: Predictor,
    /// Share of the gain (trees) or of the absolute coefficients on the standardised scale (linear), per entry of
    /// `columns`, summing to 1 or all 0; the share of a missing-indicator is added to that of its column. None for the
    /// network, whose importance is measured by permutation.
    pub importance: Option<Vec<f64>>,
    /// Trees, rounds, Newton steps or epochs kept.
    pub iterations: u64,
}

/// A learning algorithm. The same data, task and seed give the same predictor bytes at any thread count.
pub trait Learner: Send + Sync {
    /// The algorithm's name.
    fn algorithm(&self) -> Algorithm;
    /// scikit-learn's or XGBoost's defaults, every parameter present.
    fn defaults(&self) -> Params;
    /// The contract's search grid.
    fn grid(&self) -> Grid;
    /// Adds the defaults and checks names, types and ranges.
    ///
    /// # Errors
    ///
    /// All faults at once.
    fn check(&self, params: &Params) -> Result<CheckedParams, Faults>;
    /// Fits a predictor, on rayon's current pool.
    ///
    /// # Errors
    ///
    /// `Params` for invalid parameters, `Data` where the training rows are not of both classes, `Stopped`; `Xgboost` for
    /// an error of that library.
    fn fit(&self, task: &FitTask<'_>, control: &Control) -> Result<Fit, LearnError>;
    /// Parameters that are recorded but have no effect on the model.
    fn idle(&self) -> &'static [&'static str] {
        &[]
    }
    /// The parameter that sets the length of a fit (rounds or epochs), where validation rows may end the fit sooner.
    fn length(&self) -> Option<&'static str> {
        None
    }
    /// Whether the learner splits by sets of categories, in addition to their rates of acceptance.
    fn parts_categories(&self) -> bool {
        false
    }
    /// Number of columns that a fit on these columns learns from, encoded ones included.
    fn width(&self, _data: &Dataset, columns: &[usize]) -> usize {
        columns.len()
    }
    /// A key that is equal for parameters whose fits are parts of one longer fit (see `fit_family`), on so many columns
    /// (see `width`).
    fn family(&self, params: &Params, _width: usize) -> String {
        key(params, self.idle())
    }
    /// Predictions for `rows` by the fit of each of `members`, which are of one family; the task's own parameters are
    /// ignored. Returns one list per member, with a probability for each row. The result is the same, bit for bit, as
    /// with separate fits; learners whose longer fit contains the shorter ones fit only once.
    ///
    /// # Errors
    ///
    /// As `fit`.
    fn fit_family(
        &self,
        task: &FitTask<'_>,
        members: &[&CheckedParams],
        rows: &[u32],
        control: &Control,
    ) -> Result<Vec<Vec<f64>>, LearnError> {
        fit_apart(self, task, members, rows, control)
    }
}

/// As `Learner::fit_family`, with one fit per member.
pub(crate) fn fit_apart<L: Learner + ?Sized>(
    learner: &L,
    task: &FitTask<'_>,
    members: &[&CheckedParams],
    rows: &[u32],
    control: &Control,
) -> Result<Vec<Vec<f64>>, LearnError> {
    let one = |params: &&CheckedParams| {
        let fit = learner.fit(&FitTask { params, ..*task }, control)?;
        Ok(fit.predictor.predict_with(task.data.x(), task.columns, rows, control)?)
    };
    members.iter().map(one).collect()
}

/// The parameters as one text, sorted by name, without those named in `without`.
pub(crate) fn key(params: &Params, without: &[&str]) -> String {
    let sorted: BTreeMap<&String, &Value> = params.iter().filter(|(n, _)| !without.contains(&n.as_str())).collect();
    sorted.into_iter().map(|(name, value)| format!("{name}={value};")).collect()
}

/// The distinct lengths, ascending, at which a longer fit is evaluated, and each member's place among them.
pub(crate) fn stops(of_members: &[u64]) -> (Vec<u64>, Vec<usize>) {
    let mut ends = of_members.to_vec();
    ends.sort_unstable();
    ends.dedup();
    let places = of_members.iter().map(|end| ends.partition_point(|e| e < end)).collect();
    (ends, places)
}

/// Pairs of name and default value, as a map.
pub(crate) fn defaults<const N: usize>(values: [(&str, Value); N]) -> Params {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(crate) fn grid<const N: usize>(axes: [(&str, Value); N]) -> Grid {
    let values = |v: Value| if let Value::Array(values) = v { values } else { vec![v] };
    axes.into_iter().map(|(name, axis)| (name.to_owned(), values(axis))).collect()
}
