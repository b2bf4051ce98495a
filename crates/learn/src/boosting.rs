//! Gradient boosting on log loss (Friedman 2001) over histograms, with scikit-learn's parameters, defaults and leaf
//! values: one Newton step per leaf, without regularisation.

mod candidates;
mod category_split;
mod chooser;
mod grow;
mod histogram;
mod leaves;
mod node_test;
mod settings;
mod tree_node;

use crate::error::LearnError;
use crate::learner::{Fit, FitTask, Learner};
use crate::learner::{defaults, fit_apart, grid, key, stops};
use crate::max_features::MaxFeatures;
use crate::params::{CheckedParams, Params, Reader};
use crate::shares::normalised;
use crate::weights::class_weights;
use grow::Grower;
use provost_domain::config::Grid;
use provost_domain::features::is_category;
use provost_domain::{Algorithm, Faults};
use provost_predict::boosting::{Boosting, CategoryBoosting};
use provost_predict::control::BLOCK;
use provost_predict::control::Control;
use provost_predict::error::PredictError;
use provost_predict::matrix::Matrix;
use provost_predict::predictor::Predictor;
use provost_predict::trees::sets::{Categories, Set};
use provost_predict::trees::{self, Tree};
use serde_json::{Map, Value, json};
use settings::BoostingSettings;
use std::ops::Bound;
use std::sync::LazyLock;

/// The learner `gradient_boosting`.
pub struct GradientBoosting;

/// Reads an object from feature name to 1 (rising), -1 (falling) or 0; null means no constraints. None where the value
/// is invalid.
fn monotone(value: &Value) -> Option<Value> {
    let direction = |v: &Value| v.as_f64().filter(|d| [-1.0, 0.0, 1.0].contains(d)).map(|d| d as i64);
    match value {
        Value::Null => Some(Value::Null),
        Value::Object(given) => {
            let mut read = Map::new();
            for (name, value) in given {
                read.insert(name.clone(), json!(direction(value)?));
            }
            Some(Value::Object(read))
        }
        _ => None,
    }
}

fn read(params: &Params) -> (BoostingSettings, MaxFeatures, Reader<'_>) {
    static DEFAULTS: LazyLock<Params> = LazyLock::new(|| GradientBoosting.defaults());
    let share = (Bound::Excluded(0.0), Bound::Included(1.0));
    let mut r = Reader::new(params, &DEFAULTS);
    let settings = BoostingSettings {
        seed: 0,
        rounds: r.int("n_estimators", 1..=10_000) as usize,
        rate: r.float("learning_rate", share),
        max_depth: r.int_or_none("max_depth", 1..=64).map_or(u32::MAX, |d| d as u32),
        min_split: r.int("min_samples_split", 2..=1_000_000) as usize,
        min_leaf: r.int("min_samples_leaf", 1..=1_000_000) as usize,
        subsample: r.float("subsample", share),
        columns: 0,
        monotone: Vec::new(),
    };
    let max_features = MaxFeatures::read(&mut r);
    let expected = "an object from feature to -1, 0 or 1, or null";
    r.take("monotonic_cst", expected, monotone);
    (settings, max_features, r)
}

/// Log loss of the validation rows after each round; remembers the best round.
struct Validation {
    values: Vec<f32>,
    width: usize,
    labels: Vec<u8>,
    margins: Vec<f64>,
    patience: usize,
    best: f64,
    best_rounds: usize,
    best_gains: Vec<f64>,
}

impl Validation {
    fn new(task: &FitTask<'_>, categories: &Categories, base: f64) -> Option<Self> {
        let (rows, width) = (task.validation, task.columns.len());
        (task.early_stopping_rounds > 0 && !rows.is_empty()).then(|| Self {
            values: categories.coded(trees::gather(task.data.x(), task.columns, rows), width),
            width,
            labels: rows.iter().map(|row| task.data.y()[*row as usize]).collect(),
            margins: vec![base; rows.len()],
            patience: task.early_stopping_rounds as usize,
            best: f64::INFINITY,
            best_rounds: 0,
            best_gains: Vec::new(),
        })
    }
    /// True when the last `patience` rounds have not improved the loss.
    fn exhausted(
        &mut self,
        tree: &Tree,
        sets: &[Set],
        rounds: usize,
        gains: &[f64],
        control: &Control,
    ) -> Result<bool, LearnError> {
        for (at, margins) in self.margins.chunks_mut(BLOCK).enumerate() {
            control.check()?;
            let values = &self.values[at * BLOCK * self.width..];
            trees::add_by_sets(tree, sets, values, self.width, margins);
        }
        let loss = |(z, y): (&f64, &u8)| {
            let z = if *y == 1 { -z } else { *z };
            z.max(0.0) + (-z.abs()).exp().ln_1p()
        };
        control.check()?;
        let total: f64 = self.margins.iter().zip(&self.labels).map(loss).sum();
        if total < self.best {
            (self.best, self.best_rounds) = (total, rounds);
            gains.clone_into(&mut self.best_gains);
        }
        Ok(rounds - self.best_rounds >= self.patience)
    }
}

/// The direction of each selected column. A name that is not a column of the data, or that is a categorical column, is
/// an error; the name of a column that was not selected is ignored.
fn directions(given: &Map<String, Value>, task: &FitTask<'_>) -> Result<Vec<i8>, LearnError> {
    let names: Vec<&String> = task.data.x().names().iter().filter(|name| !is_category(name)).collect();
    if let Some(name) = given.keys().find(|name| !names.contains(name)) {
        let ordered: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
        let message =
            format!("monotonic_cst: \"{name}\" is not a feature with an order; those are {}", ordered.join(", "));
        let pointer = "/monotonic_cst".to_owned();
        return Err(LearnError::Params(Faults(vec![provost_domain::Fault { pointer, message }])));
    }
    let of = |column: &usize| given.get(&task.data.x().names()[*column]).and_then(Value::as_i64).unwrap_or(0) as i8;
    Ok(task.columns.iter().map(of).collect())
}

/// What a fit has grown; `categories` is None where no tree splits by a set of categories.
struct Grown {
    boosting: Boosting,
    categories: Option<Categories>,
    /// Each column's share of the gain.
    importance: Vec<f64>,
}

impl Grown {
    fn predict_at(
        &self,
        x: &Matrix,
        columns: &[usize],
        rows: &[u32],
        ends: &[usize],
        control: &Control,
    ) -> Result<Vec<Vec<f64>>, PredictError> {
        self.boosting.predict_at(self.categories.as_ref(), x, columns, rows, ends, control)
    }
    fn into_fit(self) -> Fit {
        let Self { boosting, categories, importance } = self;
        let iterations = boosting.trees().len() as u64;
        let predictor = match categories {
            Some(categories) => Predictor::CategoryBoosting(CategoryBoosting::new(boosting, categories)),
            None => Predictor::Boosting(boosting),
        };
        Fit { predictor, importance: Some(importance), iterations }
    }
}

/// Grows all rounds, or with early stopping those up to the lowest log loss of the validation rows.
fn grow(task: &FitTask<'_>, control: &Control) -> Result<Grown, LearnError> {
    // Fails unless both classes are present; boosting itself uses no class weights.
    class_weights(task.data.y(), task.train, false)?;
    let (mut settings, max_features, reader) = read(task.params);
    reader.finish().map_err(LearnError::Params)?;
    settings.seed = task.seed;
    settings.columns = max_features.of(task.columns.len());
    if let Some(Value::Object(given)) = task.params.get("monotonic_cst") {
        settings.monotone = directions(given, task)?;
    }
    let labels: Vec<u8> = task.train.iter().map(|row| task.data.y()[*row as usize]).collect();
    let ones = labels.iter().filter(|y| **y == 1).count();
    let base = (ones as f64 / (labels.len() - ones) as f64).ln();
    let (mut trees, mut gains) = (Vec::with_capacity(settings.rounds), vec![0.0; task.columns.len()]);
    let categories = task.with_narrow(control, |table| {
        let categories = Categories::new(table.categories.iter().flatten().cloned().collect());
        let mut validation = Validation::new(task, &categories, base);
        let mut grower = Grower::new(table, &labels, &settings, base);
        for round in 1..=settings.rounds {
            let tree = grower.round(round as u64, &mut gains, control)?;
            let stop = match &mut validation {
                Some(validation) => validation.exhausted(&tree, grower.sets(), round, &gains, control)?,
                None => false,
            };
            trees.push(tree);
            control.progress(round as u64, settings.rounds as u64);
            if stop {
                break;
            }
        }
        if let Some(v) = validation {
            trees.truncate(v.best_rounds.max(1));
            gains = v.best_gains;
        }
        Ok::<_, LearnError>(categories.of(&trees, grower.into_sets()))
    })?;
    Ok(Grown { boosting: Boosting::new(base, trees), categories, importance: normalised(gains) })
}

impl Learner for GradientBoosting {
    fn algorithm(&self) -> Algorithm {
        Algorithm::GradientBoosting
    }
    fn defaults(&self) -> Params {
        defaults([
            ("n_estimators", json!(100)),
            ("learning_rate", json!(0.1)),
            ("max_depth", json!(3)),
            ("min_samples_split", json!(2)),
            ("min_samples_leaf", json!(1)),
            ("subsample", json!(1.0)),
            ("max_features", Value::Null),
            ("monotonic_cst", Value::Null),
        ])
    }
    fn grid(&self) -> Grid {
        grid([
            ("learning_rate", json!([0.01, 0.05, 0.1])),
            ("n_estimators", json!([100, 200, 300])),
            ("max_depth", json!([3, 5, 7])),
            ("min_samples_split", json!([2, 5, 10])),
            ("min_samples_leaf", json!([1, 2, 4])),
            ("subsample", json!([0.7, 0.8, 0.9, 1.0])),
        ])
    }
    fn length(&self) -> Option<&'static str> {
        Some("n_estimators")
    }
    fn check(&self, params: &Params) -> Result<CheckedParams, Faults> {
        read(params).2.finish()
    }
    fn fit(&self, task: &FitTask<'_>, control: &Control) -> Result<Fit, LearnError> {
        Ok(grow(task, control)?.into_fit())
    }
    fn parts_categories(&self) -> bool {
        true
    }
    fn family(&self, params: &Params, _width: usize) -> String {
        key(params, &["n_estimators"])
    }
    /// Fits the member with the most rounds; the other members are its first rounds.
    fn fit_family(
        &self,
        task: &FitTask<'_>,
        members: &[&CheckedParams],
        rows: &[u32],
        control: &Control,
    ) -> Result<Vec<Vec<f64>>, LearnError> {
        if task.early_stopping_rounds > 0 && !task.validation.is_empty() {
            return fit_apart(self, task, members, rows, control);
        }
        let rounds: Vec<u64> = members.iter().map(|params| read(params).0.rounds as u64).collect();
        let (ends, places) = stops(&rounds);
        let Some(longest) = (0..members.len()).max_by_key(|i| rounds[*i]) else { return Ok(Vec::new()) };
        let grown = grow(&FitTask { params: members[longest], ..*task }, control)?;
        let ends: Vec<usize> = ends.iter().map(|end| *end as usize).collect();
        let by_end = grown.predict_at(task.data.x(), task.columns, rows, &ends, control)?;
        Ok(places.into_iter().map(|place| by_end[place].clone()).collect())
    }
}

#[cfg(test)]
mod tests;
