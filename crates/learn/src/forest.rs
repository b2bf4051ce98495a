//! Random forest of Gini trees (Breiman 2001), with scikit-learn's parameters and defaults.
//!
//! Every random number is keyed by seed, tree and the node's path from the root, so a forest of 100 trees is the first
//! part of one of 300, and a shallower tree the upper part of a deeper one.

mod block;
mod grow;
mod sample;
mod scan;
mod settings;
mod sums;
mod sweep;

use crate::error::LearnError;
use crate::learner::{Fit, FitTask, Learner};
use crate::learner::{defaults, grid, key};
use crate::max_features::MaxFeatures;
use crate::params::{CheckedParams, Params, Reader};
use crate::shares::normalised;
use crate::weights::class_weights;
use grow::{Grower, Grown};
use provost_domain::config::Grid;
use provost_domain::{Algorithm, Faults};
use provost_predict::control::Control;
use provost_predict::forest::Forest;
use provost_predict::predictor::Predictor;
use provost_predict::trees;
use rayon::prelude::*;
use serde_json::{Value, json};
use settings::ForestSettings;
use std::sync::Mutex;

/// The learner `random_forest`.
pub struct RandomForest;

struct Read {
    trees: usize,
    max_features: MaxFeatures,
    balanced: bool,
    settings: ForestSettings,
}

fn read(params: &Params) -> (Read, Reader<'_>) {
    static DEFAULTS: std::sync::LazyLock<Params> = std::sync::LazyLock::new(|| RandomForest.defaults());
    let mut r = Reader::new(params, &DEFAULTS);
    let trees = r.int("n_estimators", 1..=10_000) as usize;
    let max_depth = r.int_or_none("max_depth", 1..=64).map_or(u32::MAX, |d| d as u32);
    let min_split = r.int("min_samples_split", 2..=1_000_000) as usize;
    let min_leaf = r.int("min_samples_leaf", 1..=1_000_000) as usize;
    let max_features = MaxFeatures::read(&mut r);
    let balanced = r.word_or_none("class_weight", &["balanced"]).is_some();
    let bootstrap = r.bool("bootstrap");
    let settings = ForestSettings {
        seed: 0,
        features: 0,
        max_depth,
        min_split,
        min_leaf,
        bootstrap,
        weights: [1.0; 2],
        inner: false,
        copies: Vec::new(),
    };
    (Read { trees, max_features, balanced, settings }, r)
}

/// Below this number of rows times trees, a fit stays on one thread.
const SERIAL: usize = 200_000;

/// Grows all trees of `read`; with `inner` the grown trees can be cut back.
fn grow(task: &FitTask<'_>, read: Read, inner: bool, control: &Control) -> Result<Vec<Grown>, LearnError> {
    let mut settings = read.settings;
    settings.seed = task.seed;
    settings.features = read.max_features.of(task.columns.len());
    settings.weights = class_weights(task.data.y(), task.train, read.balanced)?;
    settings.inner = inner;
    settings.copies = block::sizes(task.train.len());
    let labels: Vec<u8> = task.train.iter().map(|row| task.data.y()[*row as usize]).collect();
    task.with_wide(control, |table| {
        let done = Mutex::new(0u64);
        let one = |grower: &mut Grower<'_>, tree: usize| {
            let grown = grower.tree(tree as u64, control)?;
            // The lock keeps the reports in order; it is poisoned only if a listener panicked, and the count is still
            // right.
            let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *done += 1;
            control.progress(*done, read.trees as u64);
            Ok(grown)
        };
        let start = || Grower::new(table, &labels, &settings);
        if task.train.len() * read.trees < SERIAL {
            let mut grower = start();
            (0..read.trees).map(|tree| one(&mut grower, tree)).collect()
        } else {
            (0..read.trees).into_par_iter().map_init(start, one).collect()
        }
    })
}

fn checked(params: &Params) -> Result<Read, LearnError> {
    let (read, reader) = read(params);
    reader.finish().map_err(LearnError::Params)?;
    Ok(read)
}

/// Parameters that differ within a family: the largest forest is cut back to each member.
const CUTS: [&str; 3] = ["n_estimators", "max_depth", "min_samples_split"];

impl Learner for RandomForest {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RandomForest
    }
    fn defaults(&self) -> Params {
        defaults([
            ("n_estimators", json!(100)),
            ("max_depth", Value::Null),
            ("min_samples_split", json!(2)),
            ("min_samples_leaf", json!(1)),
            ("max_features", json!("sqrt")),
            ("class_weight", Value::Null),
            ("bootstrap", json!(true)),
        ])
    }
    fn grid(&self) -> Grid {
        grid([
            ("n_estimators", json!([100, 200, 300])),
            ("max_depth", json!([10, 20, 30, null])),
            ("min_samples_split", json!([2, 5, 10])),
            ("min_samples_leaf", json!([1, 2, 4])),
            ("max_features", json!(["sqrt", "log2"])),
            ("class_weight", json!(["balanced", null])),
        ])
    }
    fn check(&self, params: &Params) -> Result<CheckedParams, Faults> {
        read(params).1.finish()
    }
    fn fit(&self, task: &FitTask<'_>, control: &Control) -> Result<Fit, LearnError> {
        let grown = grow(task, checked(task.params)?, false, control)?;
        let mut importance = vec![0.0; task.columns.len()];
        let mut trees = Vec::with_capacity(grown.len());
        for one in grown {
            let shares = normalised(one.gains);
            importance.iter_mut().zip(shares).for_each(|(all, one)| *all += one);
            trees.push(one.tree);
        }
        let iterations = trees.len() as u64;
        let predictor = Predictor::Forest(Forest::new(trees));
        Ok(Fit { predictor, importance: Some(normalised(importance)), iterations })
    }
    fn family(&self, params: &Params, width: usize) -> String {
        let features = read(params).0.max_features.of(width);
        let without = [&CUTS[..], &["max_features"]].concat();
        format!("{}features={features};", key(params, &without))
    }
    /// Grows the largest forest and cuts each member out of it: its number of trees, their upper levels, and only the
    /// splits of nodes with enough rows.
    fn fit_family(
        &self,
        task: &FitTask<'_>,
        members: &[&CheckedParams],
        rows: &[u32],
        control: &Control,
    ) -> Result<Vec<Vec<f64>>, LearnError> {
        let reads: Vec<Read> = members.iter().map(|params| checked(params)).collect::<Result<_, _>>()?;
        let cut = |r: &Read| (r.settings.max_depth, r.settings.enough());
        let mut cuts: Vec<(u32, usize)> = reads.iter().map(cut).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let Some(mut widest) = members.first().map(|params| checked(params)).transpose()? else {
            return Ok(Vec::new());
        };
        for r in &reads {
            widest.trees = widest.trees.max(r.trees);
            widest.settings.max_depth = widest.settings.max_depth.max(r.settings.max_depth);
            widest.settings.min_split = widest.settings.min_split.min(r.settings.min_split);
        }
        let whole = cut(&widest);
        let grown = grow(task, widest, cuts != [whole], control)?;
        let (values, width) = (trees::gather(task.data.x(), task.columns, rows), task.columns.len());
        let mut totals = vec![vec![0.0; rows.len()]; cuts.len()];
        let mut out = vec![Vec::new(); members.len()];
        for (at, one) in grown.into_iter().enumerate() {
            for (of_cut, sums) in cuts.iter().zip(&mut totals) {
                control.check()?;
                let of_this = || reads.iter().enumerate().filter(|(_, r)| cut(r) == *of_cut && r.trees > at);
                if of_this().next().is_none() {
                    continue;
                }
                if *of_cut == whole {
                    sums::add_side_by_side(&one.tree, &values, width, sums, control)?;
                } else {
                    sums::add_side_by_side(&one.cut(of_cut.0, of_cut.1), &values, width, sums, control)?;
                }
                let count = at + 1;
                for (member, _) in of_this().filter(|(_, r)| r.trees == count) {
                    out[member] = sums.iter().map(|s| s / count as f64).collect();
                }
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
