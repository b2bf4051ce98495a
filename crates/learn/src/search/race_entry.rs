//! Candidates during their cross-validation, and the growths (joint fits) that serve them.

use super::trial::{FoldResult, TrialResult};
use crate::params::{CheckedParams, Params};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one growth found for one candidate on one fold.
#[derive(Clone)]
pub(super) struct Scored {
    pub result: FoldResult,
    pub predictions: Arc<[f64]>,
}

/// One candidate during its cross-validation.
pub(super) struct RaceEntry<'p> {
    pub index: u32,
    pub params: &'p CheckedParams,
    pub key: String,
    pub journaled: Option<TrialResult>,
    /// The fold results that the journal has.
    pub known: Vec<FoldResult>,
    pub scored: Vec<Option<Scored>>,
    pub finished: Option<TrialResult>,
}

impl RaceEntry<'_> {
    pub fn results(&self, folds: usize) -> Vec<FoldResult> {
        let of = |fold: usize| self.scored[fold].as_ref().map(|s| &s.result).or(self.known.get(fold));
        (0..folds).filter_map(of).cloned().collect()
    }
    pub fn predictions(&self, folds: usize) -> Vec<Arc<[f64]>> {
        self.scored[..folds].iter().flatten().map(|s| Arc::clone(&s.predictions)).collect()
    }
}

/// What growths of this block found for candidates of later blocks, by index and fold.
pub(super) type Ahead = Mutex<BTreeMap<(u32, usize), Scored>>;

/// Whom a growth's predictions are for: an entry of the block, by its place, or a candidate of a later block, by its
/// index.
pub(super) enum For {
    Entry(usize),
    Later(u32),
}

/// A growth with this many members takes no more candidates of later blocks: more would delay the trials of this block.
const MOST_MEMBERS: usize = 256;

/// One growth: a joint fit of the different candidates that it serves, on one fold.
pub(super) struct Growth<'p> {
    pub fold: usize,
    pub members: Vec<&'p CheckedParams>,
    /// The members' places by key.
    places: HashMap<&'p str, usize>,
    /// Whom predictions are for, and the place of the member that makes them.
    pub of: Vec<(For, usize)>,
}

impl<'p> Growth<'p> {
    pub fn new(fold: usize) -> Self {
        Self { fold, members: Vec::new(), places: HashMap::new(), of: Vec::new() }
    }
    pub fn add(&mut self, params: &'p CheckedParams, key: &'p str, whom: For) {
        let member = *self.places.entry(key).or_insert(self.members.len());
        if member == self.members.len() {
            self.members.push(params);
        }
        self.of.push((whom, member));
    }
    pub fn has_room(&self) -> bool {
        self.members.len() < MOST_MEMBERS
    }
    /// The cost of the member that takes longest.
    pub fn cost(&self) -> f64 {
        self.members.iter().map(|params| cost(params)).fold(0.0, f64::max)
    }
}

/// How long a fit takes, up to a factor that is the same for all candidates of an algorithm. Used to start the longest
/// fits first.
fn cost(params: &Params) -> f64 {
    let number = |name: &str| params.get(name).and_then(Value::as_f64);
    let mut cost = number("n_estimators").unwrap_or(1.0);
    if params.contains_key("max_depth") {
        cost *= number("max_depth").unwrap_or(20.0).min(20.0);
    }
    if let Some(layers) = params.get("hidden_layer_sizes").and_then(Value::as_array) {
        let sizes: Vec<f64> = layers.iter().filter_map(Value::as_f64).collect();
        cost *= 12.0 * sizes.first().unwrap_or(&1.0) + sizes.windows(2).map(|w| w[0] * w[1]).sum::<f64>();
    }
    cost
}

pub(super) fn lock<'m, T>(mutex: &'m Mutex<T>) -> MutexGuard<'m, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
