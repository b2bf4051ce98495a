//! Splits by sets of categories: members of the set go left; all other categories, including unknown and missing ones,
//! go right.

use super::Tree;
use super::node::Node;
pub use super::node::{Set, has};
use crate::known::Known;
use serde::{Deserialize, Serialize};

/// Maximum number of sets of one model: f32 represents these numbers exactly.
pub const MOST: usize = 1 << 24;
/// Codes below this number may be in a set.
pub const CODES: usize = 255;
/// The code of unknown and missing categories, which is in no set.
const UNKNOWN: f32 = CODES as f32;

/// The categories that a predictor's trees distinguish, and the sets that they split by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Categories {
    known: Vec<Known>,
    sets: Vec<Set>,
}

impl Categories {
    /// The known categories of each column of categories, at most `CODES` each; without sets.
    pub fn new(known: Vec<Known>) -> Self {
        Self { known, sets: Vec::new() }
    }

    /// Adds the sets for these trees. `sets` are in the order of the nodes that use them, and may have further sets of
    /// later trees, which are dropped. None if the trees use no set.
    pub fn of(self, trees: &[Tree], mut sets: Vec<Set>) -> Option<Self> {
        sets.truncate(trees.iter().flatten().filter(|node| node.is_in_set()).count());
        (!sets.is_empty()).then_some(Self { sets, ..self })
    }

    /// The known categories of each column that has any; sets hold codes of these.
    pub fn known(&self) -> &[Known] {
        &self.known
    }

    /// The sets, by their numbers in the nodes.
    pub fn sets(&self) -> &[Set] {
        &self.sets
    }

    /// The code of a value of the predictor's column `column`; the value itself if the column has no categories.
    pub fn code(&self, column: usize, value: f32) -> f32 {
        match self.known.iter().find(|known| known.column() == column) {
            Some(known) => known.code(value).map_or(UNKNOWN, |code| code as f32),
            None => value,
        }
    }

    /// Replaces categories by their codes in rows of `width` values each.
    pub fn coded(&self, mut rows: Vec<f32>, width: usize) -> Vec<f32> {
        for known in &self.known {
            for value in rows.iter_mut().skip(known.column()).step_by(width) {
                *value = known.code(*value).map_or(UNKNOWN, |code| code as f32);
            }
        }
        rows
    }

    /// Checks categories of a decoded artifact: the known categories are valid, and every split by a set is on a column
    /// of categories.
    pub(super) fn validate(&self, trees: &[Tree], width: usize) -> Result<(), String> {
        for known in &self.known {
            known.check(width)?;
            if known.values().len() > CODES {
                return Err(format!("{} categories, of at most {CODES}", known.values().len()));
            }
        }
        let of_categories = |node: &&Node| node.is_in_set() && !self.known.iter().any(|k| k.column() == node.column());
        match trees.iter().flatten().find(of_categories) {
            Some(node) => Err(format!("column {} has no categories to be in a set", node.column())),
            None => Ok(()),
        }
    }
}
