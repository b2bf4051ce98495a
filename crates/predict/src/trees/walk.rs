//! Walking of rows down a tree.

use super::node::Node;
use super::sets::{self, Set};

/// Rows that are walked together, so that their memory accesses overlap.
pub(super) const ABREAST: usize = 8;

/// One step down from node `at`; at a leaf, `at` is returned. There is no branch, since the way of a row is
/// unpredictable.
#[inline]
pub(super) fn step<const SETS: bool>(tree: &[Node], at: u32, row: &[f32], sets: &[Set]) -> u32 {
    let node = tree[at as usize];
    let left = if SETS && node.is_in_set() {
        sets::has(&sets[node.value as usize], row[node.column()] as usize)
    } else {
        let v = row[(node.test >> 1) as usize];
        (v <= node.value) | (v.is_nan() & (node.test & 1 == 1))
    };
    let next = node.child + u32::from(!left);
    if node.child == 0 { at } else { next }
}

/// The type of a sum of leaves: f64, or f32 where the sums must equal XGBoost's.
pub trait Sum: Copy + Send + Sync {
    /// This sum and one more leaf.
    fn plus(self, leaf: f32) -> Self;
}

impl Sum for f64 {
    #[inline(always)]
    fn plus(self, leaf: f32) -> Self {
        self + Self::from(leaf)
    }
}

impl Sum for f32 {
    #[inline(always)]
    fn plus(self, leaf: f32) -> Self {
        self + leaf
    }
}

/// Adds the tree's value to each row's sum. `rows` holds `width` values per row, none infinite.
pub fn add<S: Sum>(tree: &[Node], rows: &[f32], width: usize, sums: &mut [S]) {
    walk::<S, false>(tree, rows, width, &[], sums);
}

/// As `add`, for trees that may split by sets; `rows` holds the codes of categories.
pub fn add_by_sets<S: Sum>(tree: &[Node], sets: &[Set], rows: &[f32], width: usize, sums: &mut [S]) {
    if sets.is_empty() {
        return add(tree, rows, width, sums);
    }
    walk::<S, true>(tree, rows, width, sets, sums);
}

fn walk<S: Sum, const SETS: bool>(tree: &[Node], rows: &[f32], width: usize, sets: &[Set], sums: &mut [S]) {
    if width == 0 {
        sums.iter_mut().for_each(|s| *s = s.plus(tree[0].value));
        return;
    }
    for (sums, rows) in sums.chunks_mut(ABREAST).zip(rows.chunks(ABREAST * width)) {
        let mut at = [0u32; ABREAST];
        loop {
            let before = at;
            for (at, row) in at.iter_mut().zip(rows.chunks_exact(width)) {
                *at = step::<SETS>(tree, *at, row, sets);
            }
            if at == before {
                break;
            }
        }
        sums.iter_mut().zip(at).for_each(|(sum, at)| *sum = sum.plus(tree[at as usize].value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trees::stump;

    fn value_of(tree: &[Node], row: &[f32]) -> f32 {
        let mut sum = [0.0f64];
        add(tree, row, row.len(), &mut sum);
        sum[0] as f32
    }

    #[test]
    fn walks_by_threshold_and_missing_side() {
        for (v, want) in [(2.5, 1.0), (2.6, -1.0), (f32::NAN, 1.0), (-1e30, 1.0)] {
            assert_eq!(value_of(&stump(), &[9.0, v]), want);
        }
        let right = vec![Node::split(0, f32::MAX, false, 1), Node::leaf(1.0), Node::leaf(-1.0)];
        assert_eq!((value_of(&right, &[f32::MAX]), value_of(&right, &[f32::NAN])), (1.0, -1.0));
    }
}
