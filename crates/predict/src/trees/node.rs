//! A node of a tree, and the sets of categories that it may split by.

use serde::{Deserialize, Serialize};

/// A node of a tree; node 0 is the root, a right child follows its left sibling.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Threshold of a split (what is at most this goes left), the number of its set (what is in it goes left), or the value of
    /// a leaf.
    pub(super) value: f32,
    /// Index of the left child in the same tree; 0 marks a leaf.
    pub(super) child: u32,
    /// The predictor's own column, twice, plus 1 where missing values go left, plus `IN_SET` for a split by a set.
    pub(super) test: u32,
}

const IN_SET: u32 = 1 << 31;

/// Bit i is the category of code i.
pub type Set = [u64; 4];

/// Whether a set has a category; its code is at most 255.
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
    /// A split by a set of categories, of at most `sets::MOST`.
    pub fn in_set(column: usize, set: usize, child: usize) -> Self {
        Self { value: set as f32, child: child as u32, test: (column as u32) << 1 | IN_SET }
    }
    /// Whether it splits by a set of categories.
    #[inline]
    pub fn is_in_set(&self) -> bool {
        self.test & IN_SET != 0
    }
    /// Of a split by a set, the number of the set.
    pub fn set(&self) -> Option<usize> {
        (self.child != 0 && self.is_in_set()).then_some(self.value as usize)
    }
    /// Of a split, the predictor's own column.
    #[inline]
    pub fn column(&self) -> usize {
        ((self.test & !IN_SET) >> 1) as usize
    }
    /// The value of a leaf; None for a split.
    #[inline]
    pub fn as_leaf(&self) -> Option<f32> {
        (self.child == 0).then_some(self.value)
    }
    /// Of a split, whether a value (a code, for a split by a set) goes left; NaN is missing.
    #[inline]
    pub fn goes_left(&self, value: f32, sets: &[Set]) -> bool {
        if self.is_in_set() {
            has(&sets[self.value as usize], value as usize)
        } else {
            (value <= self.value) | (value.is_nan() & (self.test & 1 == 1))
        }
    }
    /// Of a split by a threshold, the threshold and whether missing values go left.
    #[inline]
    pub fn threshold(&self) -> Option<(f32, bool)> {
        (self.child != 0 && !self.is_in_set()).then_some((self.value, self.test & 1 == 1))
    }
    /// Of a split, its left child.
    pub fn child(&self) -> Option<usize> {
        (self.child != 0).then_some(self.child as usize)
    }
    /// The same split with its children elsewhere.
    pub fn with_child(self, child: usize) -> Self {
        Self { child: child as u32, ..self }
    }
    /// Column, threshold, whether missing values go left, left child.
    pub fn as_split(&self) -> Option<(usize, f32, bool, usize)> {
        (self.child != 0).then_some(((self.test >> 1) as usize, self.value, self.test & 1 == 1, self.child as usize))
    }
}
