//! The nodes of a tree that is growing.

use super::histogram::Histogram;
use super::leaves::Sums;

/// A node and its rows, as a range of the row list.
#[derive(Clone, Copy)]
pub struct TreeNode {
    pub node: usize,
    pub from: usize,
    pub to: usize,
    /// Bounds of the Newton step that keep the tree monotone.
    pub steps: (f64, f64),
}

impl TreeNode {
    pub fn rows(self) -> usize {
        self.to - self.from
    }
    /// The Newton step, clamped to the bounds.
    pub fn step(self, (up, down): Sums) -> f64 {
        let step = if down < 1e-150 { 0.0 } else { up / down };
        step.clamp(self.steps.0, self.steps.1)
    }
}

/// A node to split, and its histogram.
pub struct Part {
    pub side: TreeNode,
    pub depth: u32,
    pub histogram: Histogram,
}

/// The two children of a node whose rows have been partitioned.
pub struct Halves {
    pub small: TreeNode,
    pub large: TreeNode,
    pub depth: u32,
    /// Of both children together, which is the parent's.
    pub histogram: Histogram,
}
