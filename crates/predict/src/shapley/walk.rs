//! Walks down a tree once for all coalitions.

use super::column::Column;
use super::cubes::Cubes;
use crate::trees::Node;
use crate::trees::sets::Set;

/// Adds each leaf of the tree to the coalitions that reach it. A player is decided on only where the coalitions with
/// and without the player take different branches. `parts` is a stack that is empty before and after; it is passed in
/// to reuse its memory.
pub fn walk(tree: &[Node], sets: &[Set], columns: &[Column], sums: &mut Cubes, parts: &mut Vec<(usize, usize, usize)>) {
    // A node, and the players that are decided to be inside and outside there.
    parts.push((0, 0, 0));
    while let Some((mut at, mut inside, outside)) = parts.pop() {
        while let Some(child) = tree[at].child() {
            let node = &tree[at];
            match columns[node.column()].decide(inside, outside, |value| node.goes_left(value, sets)) {
                Ok(left) => at = child + usize::from(!left),
                Err(player) => {
                    parts.push((at, inside, outside | player));
                    inside |= player;
                }
            }
        }
        sums.add(inside, outside, f64::from(tree[at].as_leaf().unwrap_or_default()));
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::trees::Tree;
    use proptest::prelude::*;
    use provost_domain::rng::SplitMix64;

    /// Of depth 7 at most, with thresholds among few values.
    pub fn tree(r: &mut SplitMix64, columns: u32) -> Tree {
        let mut nodes = vec![Node::leaf(0.0)];
        let mut parts = vec![(0usize, 0u32)];
        while let Some((at, level)) = parts.pop() {
            if level == 7 || r.unit() < 0.1 {
                nodes[at] = Node::leaf(r.normal() as f32);
                continue;
            }
            let (column, child) = (r.below(columns) as usize, nodes.len());
            nodes[at] = Node::split(column, r.below(5) as f32 - 0.5, r.unit() < 0.5, child);
            parts.extend([(child, level + 1), (child + 1, level + 1)]);
            nodes.extend([Node::leaf(0.0); 2]);
        }
        nodes
    }

    proptest! {
        #[test]
        fn every_coalition_ends_in_the_leaf_that_it_walks_to(seed in 0u64..300) {
            let mut r = SplitMix64::new(seed);
            let value = |r: &mut SplitMix64| if r.below(6) == 0 { f32::NAN } else { r.below(5) as f32 };
            let mut columns = vec![Column::constant(value(&mut r))];
            for player in 0..5 {
                let (without, with) = (value(&mut r), value(&mut r));
                columns.push(Column::of_player(player, without, with));
            }
            for (a, b) in [(1, 2), (2, 5), (4, 0)] {
                let values: Vec<f32> = (0..32).map(|_| value(&mut r)).collect();
                let sources = [columns[a].clone(), columns[b].clone()];
                columns.push(Column::of_sources(sources.iter(), |coalition| values[coalition]));
            }
            let tree = tree(&mut r, columns.len() as u32);
            let mut sums = Cubes::new(5);
            walk(&tree, &[], &columns, &mut sums, &mut Vec::new());
            let sums = sums.sums();
            for (coalition, sum) in sums.iter().enumerate() {
                let mut at = 0;
                while let Some(child) = tree[at].child() {
                    let left = tree[at].goes_left(columns[tree[at].column()].value(coalition), &[]);
                    at = child + usize::from(!left);
                }
                let leaf = f64::from(tree[at].as_leaf().unwrap_or_default());
                prop_assert!((sum - leaf).abs() < 1e-12, "{coalition}: {sum} for {leaf}");
            }
        }
    }
}
