//! The nodes of a tree that is growing.

use super::histogram::Histogram;
use super::leaves::Sums;

/// A node and its rows, as a range of the row list.
#[derive(Clone, Copy)]
pub struct TreeNode {
    pub node: usize,
    pub from: usize,
    pub to: usize,
    /// Steps that keep the tree monotone.
    pub steps: (f64, f64),
}

impl TreeNode {
    pub fn rows(self) -> usize {
        self.to - self.from
    }
    /// A Newton step within the bounds.
    pub fn step(self, (up, down): Sums) -> f64 {
        let step = if down < 1e-150 { 0.0 } else { up / down };
        step.clamp(self.steps.0, self.steps.1)
    }
}

/// A side to split, and its histogram.
pub struct Part {
    pub side: TreeNode,
    pub depth: u32,
    pub histogram: Histogram,
}

/// A part whose rows are parted.
pub struct Halves {
    pub small: TreeNode,
    pub large: TreeNode,
    pub depth: u32,
    /// Of both.
    pub histogram: Histogram,
}
