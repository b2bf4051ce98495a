//! Candidates on their way through the folds, and the growths that serve them.

use super::candidates::cost;
use super::trial::{FoldResult, TrialResult};
use crate::Params;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What one growth found of one candidate on one fold.
#[derive(Clone)]
pub(super) struct Scored {
    pub result: FoldResult,
    pub predictions: Arc<[f64]>,
}

/// One candidate on its way through the folds.
pub(super) struct Lane<'p> {
    pub index: u32,
    pub params: &'p Params,
    pub key: String,
    pub journaled: Option<TrialResult>,
    /// What the journal knows.
    pub known: Vec<FoldResult>,
    pub scored: Vec<Option<Scored>>,
    pub finished: Option<TrialResult>,
}

impl Lane<'_> {
    pub fn results(&self, folds: usize) -> Vec<FoldResult> {
        let of = |fold: usize| self.scored[fold].as_ref().map(|s| &s.result).or(self.known.get(fold));
        (0..folds).filter_map(of).cloned().collect()
    }
    pub fn predictions(&self, folds: usize) -> Vec<Arc<[f64]>> {
        self.scored[..folds].iter().flatten().map(|s| Arc::clone(&s.predictions)).collect()
    }
}

/// A candidate of a later block.
pub(super) struct Later<'p> {
    pub index: u32,
    pub params: &'p Params,
    pub key: String,
}

/// What growths of this block found of candidates of later ones, by index and fold.
pub(super) type Ahead = Mutex<BTreeMap<(u32, usize), Scored>>;

/// Whom a growth's predictions are for: a lane of the block, by its place, or a later candidate, by its index.
pub(super) enum For {
    Lane(usize),
    Later(u32),
}

/// One growth: the different candidates that it serves, on one fold.
pub(super) struct Growth<'p> {
    pub fold: usize,
    pub members: Vec<(&'p Params, String)>,
    /// For whom, and which member.
    pub of: Vec<(For, usize)>,
}

impl<'p> Growth<'p> {
    pub fn add(&mut self, params: &'p Params, key: &str, whom: For) {
        let known = self.members.iter().position(|(_, k)| k == key);
        let member = known.unwrap_or_else(|| {
            self.members.push((params, key.to_owned()));
            self.members.len() - 1
        });
        self.of.push((whom, member));
    }
    /// Of its longest member.
    pub fn cost(&self) -> f64 {
        self.members.iter().map(|(params, _)| cost(params)).fold(0.0, f64::max)
    }
}
