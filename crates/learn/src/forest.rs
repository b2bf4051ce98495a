//! Random forest of Gini trees (Breiman 2001), with scikit-learn's parameters and defaults.
//!
//! Every random number is keyed by seed, tree and the node's path from the root, so a forest of 100 trees is the first part
//! of one of 300, and a shallower tree the upper part of a deeper one.

mod grow;

use crate::bins::WideTable;
use crate::learner::with_estimators;
use crate::params::Reader;
use crate::trees::{self, Tree};
use crate::weights::class_weights;
use crate::{Control, Fit, FitTask, LearnError, Learner, Matrix, Params, Predictor};
use grow::{Grower, Settings};
use provost_domain::config::Grid;
use provost_domain::{Algorithm, Faults};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Mutex;

/// Fitted forest: the mean of its leaves' class shares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    trees: Vec<Tree>,
}

impl Forest {
    /// Probability of class 1 for each of `rows`. `columns` maps the forest's own columns to the matrix's.
    pub fn predict(&self, x: &Matrix, columns: &[usize], rows: &[u32]) -> Vec<f64> {
        self.predict_at(x, columns, rows, &[self.trees.len()]).pop().unwrap_or_default()
    }
    /// What the forests of the first so many trees predict, for each of the ascending `ends`.
    fn predict_at(&self, x: &Matrix, columns: &[usize], rows: &[u32], ends: &[usize]) -> Vec<Vec<f64>> {
        let mut all = trees::sums(&self.trees, x, columns, rows, ends);
        for (sums, end) in all.iter_mut().zip(ends) {
            let count = (*end).min(self.trees.len()) as f64;
            sums.iter_mut().for_each(|s| *s /= count);
        }
        all
    }
    /// That predicting from `width` columns cannot panic, loop or give a value outside [0, 1].
    pub fn validate(&self, width: usize) -> Result<(), String> {
        trees::validate(&self.trees, width)?;
        match self.trees.iter().flatten().filter_map(trees::Node::as_leaf).find(|v| !(0.0..=1.0).contains(v)) {
            Some(v) => Err(format!("leaf with probability {v}")),
            None => Ok(()),
        }
    }
}

/// The learner `random_forest`.
pub struct RandomForest;

enum MaxFeatures {
    All,
    Sqrt,
    Log2,
    Count(usize),
    Share(f64),
}

impl MaxFeatures {
    fn parse(v: &Value) -> Option<Self> {
        match v {
            Value::Null => Some(Self::All),
            Value::String(s) if s == "none" => Some(Self::All),
            Value::String(s) if s == "sqrt" => Some(Self::Sqrt),
            Value::String(s) if s == "log2" => Some(Self::Log2),
            Value::Number(n) if n.is_u64() => {
                n.as_u64().filter(|n| (1..=65_535).contains(n)).map(|n| Self::Count(n as usize))
            }
            Value::Number(n) => n.as_f64().filter(|f| *f > 0.0 && *f <= 1.0).map(Self::Share),
            _ => None,
        }
    }
    fn of(&self, width: usize) -> usize {
        let n = match self {
            Self::All => width,
            Self::Sqrt => width.isqrt(),
            Self::Log2 => width.checked_ilog2().unwrap_or(0) as usize,
            Self::Count(n) => *n,
            Self::Share(f) => (f * width as f64) as usize,
        };
        n.clamp(1, width.max(1))
    }
}

struct Read {
    trees: usize,
    max_features: MaxFeatures,
    balanced: bool,
    settings: Settings,
}

fn read(params: &Params) -> (Read, Reader<'_>) {
    static DEFAULTS: std::sync::LazyLock<Params> = std::sync::LazyLock::new(|| RandomForest.defaults());
    let mut r = Reader::new(params, &DEFAULTS);
    let trees = r.int("n_estimators", 1..=10_000) as usize;
    let max_depth = r.int_or_none("max_depth", 1..=64).map_or(u32::MAX, |d| d as u32);
    let min_split = r.int("min_samples_split", 2..=1_000_000) as usize;
    let min_leaf = r.int("min_samples_leaf", 1..=1_000_000) as usize;
    let shape = "sqrt, log2, a whole number from 1 to 65535, a share above 0.0 and at most 1.0, or null";
    let keep =
        |v: &Value| MaxFeatures::parse(v).map(|m| if matches!(m, MaxFeatures::All) { Value::Null } else { v.clone() });
    let max_features = MaxFeatures::parse(&r.take("max_features", shape, keep)).unwrap_or(MaxFeatures::Sqrt);
    let balanced = r.word_or_none("class_weight", &["balanced"]).is_some();
    let bootstrap = r.bool("bootstrap");
    let settings = Settings { seed: 0, features: 0, max_depth, min_split, min_leaf, bootstrap, weights: [1.0; 2] };
    (Read { trees, max_features, balanced, settings }, r)
}

/// Below this many rows times trees a fit stays on its thread.
const SERIAL: usize = 200_000;

/// Grows all trees; with them each tree's share of gain per column.
fn grow(task: &FitTask<'_>, control: &Control) -> Result<(Forest, Vec<f64>), LearnError> {
    let (read, reader) = read(task.params);
    reader.finish().map_err(LearnError::Params)?;
    let mut settings = read.settings;
    settings.seed = task.seed;
    settings.features = read.max_features.of(task.columns.len());
    settings.weights = class_weights(task.data.y(), task.train, read.balanced)?;
    let table = WideTable::new(task.data, task.columns, task.train);
    let labels: Vec<u8> = task.train.iter().map(|row| task.data.y()[*row as usize]).collect();
    let done = Mutex::new(0u64);
    let one = |grower: &mut Grower<'_>, tree: usize| {
        let grown = grower.tree(tree as u64, control)?;
        // The lock keeps reports in order; a poisoned one only means that a listener panicked.
        let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *done += 1;
        control.progress(*done, read.trees as u64);
        Ok(grown)
    };
    let start = || Grower::new(&table, &labels, &settings);
    let grown: Result<Vec<(Tree, Vec<f64>)>, LearnError> = if task.train.len() * read.trees < SERIAL {
        let mut grower = start();
        (0..read.trees).map(|tree| one(&mut grower, tree)).collect()
    } else {
        (0..read.trees).into_par_iter().map_init(start, one).collect()
    };
    let (trees, gains): (Vec<Tree>, Vec<Vec<f64>>) = grown?.into_iter().unzip();
    let mut importance = vec![0.0; task.columns.len()];
    for shares in gains.into_iter().map(trees::normalised) {
        importance.iter_mut().zip(shares).for_each(|(all, one)| *all += one);
    }
    Ok((Forest { trees }, trees::normalised(importance)))
}

impl Learner for RandomForest {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RandomForest
    }
    fn defaults(&self) -> Params {
        let all = json!({"n_estimators": 100, "max_depth": null, "min_samples_split": 2, "min_samples_leaf": 1,
            "max_features": "sqrt", "class_weight": null, "bootstrap": true});
        all.as_object().cloned().unwrap_or_default()
    }
    fn grid(&self) -> Grid {
        let axes = [
            ("n_estimators", json!([100, 200, 300])),
            ("max_depth", json!([10, 20, 30, null])),
            ("min_samples_split", json!([2, 5, 10])),
            ("min_samples_leaf", json!([1, 2, 4])),
            ("max_features", json!(["sqrt", "log2"])),
            ("class_weight", json!(["balanced", null])),
        ];
        axes.into_iter()
            .map(|(name, values)| (name.to_owned(), values.as_array().cloned().unwrap_or_default()))
            .collect()
    }
    fn check(&self, params: &Params) -> Result<Params, Faults> {
        read(params).1.finish()
    }
    fn fit(&self, task: &FitTask<'_>, control: &Control) -> Result<Fit, LearnError> {
        let (forest, importance) = grow(task, control)?;
        let iterations = forest.trees.len() as u64;
        Ok(Fit { predictor: Predictor::Forest(forest), importance: Some(importance), iterations })
    }
    fn fit_checkpoints(
        &self,
        task: &FitTask<'_>,
        ends: &[u64],
        rows: &[u32],
        control: &Control,
    ) -> Result<Vec<Vec<f64>>, LearnError> {
        let Some(last) = ends.last() else { return Ok(Vec::new()) };
        let params = with_estimators(task.params, *last);
        let (forest, _) = grow(&FitTask { params: &params, ..*task }, control)?;
        let ends: Vec<usize> = ends.iter().map(|end| *end as usize).collect();
        Ok(forest.predict_at(task.data.x(), task.columns, rows, &ends))
    }
}

#[cfg(test)]
mod tests;
