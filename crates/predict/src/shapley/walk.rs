//! One walk down a tree for all coalitions.

use super::column::Column;
use super::cubes::Cubes;
use crate::trees::Node;
use crate::trees::sets::Set;

/// Adds the tree's leaves, each to the coalitions that end in it. Players are decided on only where the ways part. `parts` is
/// empty, before and after.
pub fn walk(tree: &[Node], sets: &[Set], columns: &[Column], sums: &mut Cubes, parts: &mut Vec<(usize, usize, usize)>) {
    // A node, and the players that are known to be inside and outside there.
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
