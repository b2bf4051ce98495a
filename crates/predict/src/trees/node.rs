//! A node of a tree, and the sets of categories that it may split by.

use serde::{Deserialize, Serialize};

/// A node of a tree. Node 0 is the root; a right child directly follows its left sibling.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// For a split by a threshold, the threshold (values up to it go left); for a split by a set, the set's number
    /// (members go left); for a leaf, its value.
    pub(super) value: f32,
    /// Index of the left child in the same tree; 0 marks a leaf.
    pub(super) child: u32,
    /// Two times the index of the predictor's own column, plus 1 if missing values go left, plus `IN_SET` for a split
    /// by a set.
    pub(super) test: u32,
}

const IN_SET: u32 = 1 << 31;

/// A set of category codes: bit i is set if code i is a member.
pub type Set = [u64; 4];

/// Whether a category's code, at most 255, is in a set.
#[inline]
pub fn has(set: &Set, code: usize) -> bool {
    set[code >> 6 & 3] >> (code & 63) & 1 == 1
}

impl Node {
    /// A leaf of this value.
    #[inline]
    pub fn leaf(value: f32) -> Self {
        Self { value, child: 0, test: 0 }
    }
    /// A split: values up to `threshold` go to the node `child`, others to the next one.
    #[inline]
    pub fn split(column: usize, threshold: f32, missing_left: bool, child: usize) -> Self {
        Self { value: threshold, child: child as u32, test: (column as u32) << 1 | u32::from(missing_left) }
    }
    /// A split by a set of categories. `set` is the set's number, below `sets::MOST`.
    pub fn in_set(column: usize, set: usize, child: usize) -> Self {
        Self { value: set as f32, child: child as u32, test: (column as u32) << 1 | IN_SET }
    }
    /// Whether the node splits by a set of categories.
    #[inline]
    pub fn is_in_set(&self) -> bool {
        self.test & IN_SET != 0
    }
    /// The number of the set, for a split by a set.
    pub fn set(&self) -> Option<usize> {
        (self.child != 0 && self.is_in_set()).then_some(self.value as usize)
    }
    /// For a split, the index of the predictor's own column.
    #[inline]
    pub fn column(&self) -> usize {
        ((self.test & !IN_SET) >> 1) as usize
    }
    /// The value of a leaf; None for a split.
    #[inline]
    pub fn as_leaf(&self) -> Option<f32> {
        (self.child == 0).then_some(self.value)
    }
    /// For a split, whether a value goes left; NaN is missing. For a split by a set, the value is a category's code.
    #[inline]
    pub fn goes_left(&self, value: f32, sets: &[Set]) -> bool {
        if self.is_in_set() {
            has(&sets[self.value as usize], value as usize)
        } else {
            (value <= self.value) | (value.is_nan() & (self.test & 1 == 1))
        }
    }
    /// For a split by a threshold, the threshold and whether missing values go left.
    #[inline]
    pub fn threshold(&self) -> Option<(f32, bool)> {
        (self.child != 0 && !self.is_in_set()).then_some((self.value, self.test & 1 == 1))
    }
    /// For a split, the index of its left child.
    pub fn child(&self) -> Option<usize> {
        (self.child != 0).then_some(self.child as usize)
    }
    /// The same split with its left child at another index.
    pub fn with_child(self, child: usize) -> Self {
        Self { child: child as u32, ..self }
    }
    /// For a split by a threshold: column, threshold, whether missing values go left, index of the left child. None for
    /// a leaf.
    pub fn as_split(&self) -> Option<(usize, f32, bool, usize)> {
        (self.child != 0).then_some(((self.test >> 1) as usize, self.value, self.test & 1 == 1, self.child as usize))
    }
}
