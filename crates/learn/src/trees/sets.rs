//! Splits by sets of categories: what is in the set goes left; all else, unknown and missing ones among it, goes right.

use super::{Node, Tree};
use serde::{Deserialize, Serialize};

/// Bit i is the category of code i.
pub type Set = [u64; 4];

/// Codes below may be in a set.
pub const CODES: usize = 255;
/// In no set.
const UNKNOWN: f32 = CODES as f32;

/// `code` is at most `UNKNOWN`.
#[inline]
pub fn has(set: &Set, code: usize) -> bool {
    set[code >> 6 & 3] >> (code & 63) & 1 == 1
}

/// The codes of one column's values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Known {
    column: u32,
    /// Ascending, with the code of each.
    values: Vec<f32>,
    codes: Vec<u8>,
}

/// The categories that a predictor's trees part, and the sets that they part by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Categories {
    known: Vec<Known>,
    sets: Vec<Set>,
}

impl Categories {
    /// `columns` holds, by the predictor's own column, the values in the order of their codes, of which there are at most `CODES`.
    pub fn new<'a>(columns: impl Iterator<Item = (usize, &'a [f32])>) -> Self {
        let known = |(column, by_code): (usize, &[f32])| {
            let mut pairs: Vec<(f32, u8)> = by_code.iter().copied().zip(0..=u8::MAX).collect();
            pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            let (values, codes) = pairs.into_iter().unzip();
            Known { column: column as u32, values, codes }
        };
        Self { known: columns.map(known).collect(), sets: Vec::new() }
    }

    /// For these trees, the first of those that the sets were made for in turn; None where they have none.
    pub fn of(self, trees: &[Tree], mut sets: Vec<Set>) -> Option<Self> {
        sets.truncate(trees.iter().flatten().filter(|node| node.is_in_set()).count());
        (!sets.is_empty()).then_some(Self { sets, ..self })
    }

    pub(super) fn sets(&self) -> &[Set] {
        &self.sets
    }

    /// Rows of `width` values each, with codes in the place of categories.
    pub fn coded(&self, mut rows: Vec<f32>, width: usize) -> Vec<f32> {
        for Known { column, values, codes } in &self.known {
            for value in rows.iter_mut().skip(*column as usize).step_by(width) {
                let found = values.binary_search_by(|known| known.total_cmp(value));
                *value = found.map_or(UNKNOWN, |at| f32::from(codes[at]));
            }
        }
        rows
    }

    /// Of a decoded artifact: that `coded` can be trusted, and each tree's sets are there, and of categories.
    pub(super) fn validate(&self, trees: &[Tree], width: usize) -> Result<(), String> {
        let sound = |k: &Known| {
            (k.column as usize) < width
                && k.values.len() == k.codes.len()
                && k.values.iter().all(|v| v.is_finite())
                && k.values.is_sorted_by(|a, b| a.total_cmp(b).is_lt())
                && k.codes.iter().all(|c| usize::from(*c) < CODES)
        };
        if let Some(k) = self.known.iter().find(|k| !sound(k)) {
            return Err(format!("the categories of column {} are damaged", k.column));
        }
        let of_categories = |node: &&Node| {
            let column = node.column() as u32;
            node.is_in_set() && !self.known.iter().any(|k| k.column == column)
        };
        match trees.iter().flatten().find(of_categories) {
            Some(node) => Err(format!("column {} has no categories to be in a set", node.column())),
            None => Ok(()),
        }
    }
}
