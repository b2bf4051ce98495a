//! Splits by sets of categories: what is in the set goes left; all else, unknown and missing ones among it, goes right.

use super::Tree;
use super::node::Node;
pub use super::node::{Set, has};
use crate::known::Known;
use serde::{Deserialize, Serialize};

/// Sets of one model: an f32 keeps their numbers.
pub const MOST: usize = 1 << 24;
/// Codes below may be in a set.
pub const CODES: usize = 255;
/// In no set.
const UNKNOWN: f32 = CODES as f32;

/// The categories that a predictor's trees part, and the sets that they part by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Categories {
    known: Vec<Known>,
    sets: Vec<Set>,
}

impl Categories {
    /// Without sets yet: the known categories of each column of categories, at most `CODES` each.
    pub fn new(known: Vec<Known>) -> Self {
        Self { known, sets: Vec::new() }
    }

    /// For these trees, the first of those that the sets were made for in turn; None where they have none.
    pub fn of(self, trees: &[Tree], mut sets: Vec<Set>) -> Option<Self> {
        sets.truncate(trees.iter().flatten().filter(|node| node.is_in_set()).count());
        (!sets.is_empty()).then_some(Self { sets, ..self })
    }

    /// The categories of each column that has any; what a set holds are codes of these.
    pub fn known(&self) -> &[Known] {
        &self.known
    }

    /// The sets, by their numbers in the nodes.
    pub fn sets(&self) -> &[Set] {
        &self.sets
    }

    /// What `coded` makes of a value of the predictor's column `column`.
    pub fn code(&self, column: usize, value: f32) -> f32 {
        match self.known.iter().find(|known| known.column() == column) {
            Some(known) => known.code(value).map_or(UNKNOWN, |code| code as f32),
            None => value,
        }
    }

    /// Rows of `width` values each, with codes in the place of categories.
    pub fn coded(&self, mut rows: Vec<f32>, width: usize) -> Vec<f32> {
        for known in &self.known {
            for value in rows.iter_mut().skip(known.column()).step_by(width) {
                *value = known.code(*value).map_or(UNKNOWN, |code| code as f32);
            }
        }
        rows
    }

    /// Of a decoded artifact: that `coded` can be trusted, and each tree's sets are there, and of categories.
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
