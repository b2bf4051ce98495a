//! Checks that trees can be walked by any row.

use super::Tree;
use super::sets::Categories;

/// Checks that a walk of a row with `width` columns cannot leave the tree, loop, use a set that does not exist or end
/// in a value that is not finite.
///
/// # Errors
///
/// A description of the fault, with the indices of tree and node.
pub fn validate(trees: &[Tree], categories: Option<&Categories>, width: usize) -> Result<(), String> {
    let sets = categories.map_or(0, |c| c.sets().len());
    if trees.is_empty() {
        return Err("no trees".into());
    }
    for (t, tree) in trees.iter().enumerate() {
        if tree.is_empty() {
            return Err(format!("tree {t} has no nodes"));
        }
        for (i, node) in tree.iter().enumerate() {
            let (child, column) = (node.child as usize, node.column());
            if !node.value.is_finite() {
                return Err(format!("tree {t}, node {i}: value {}", node.value));
            }
            if child != 0 && (child <= i || child + 1 >= tree.len()) {
                return Err(format!("tree {t}, node {i}: child {child} of {} nodes", tree.len()));
            }
            if node.is_in_set() && (node.value < 0.0 || node.value as usize >= sets) {
                return Err(format!("tree {t}, node {i}: set {} of {sets}", node.value));
            }
            // `step` also evaluates the test of a leaf, while other rows of the chunk walk on.
            if (child != 0 && column >= width) || (child == 0 && node.test != 0) {
                return Err(format!("tree {t}, node {i}: column {column} of {width}"));
            }
        }
    }
    categories.map_or(Ok(()), |c| c.validate(trees, width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trees::{Node, stump};

    #[test]
    fn validate_finds_what_would_loop_or_leave() {
        assert_eq!(validate(&[stump()], None, 2), Ok(()));
        let broken: [fn(&mut Tree); 8] = [
            |t| t[0].child = 2,
            |t| t[1].child = 1,
            |t| t[2].child = 1,
            |t| t[2].value = f32::NAN,
            |t| t[0].value = f32::INFINITY,
            |t| t[1].test = 4,
            |t| t[0] = Node::in_set(0, 0, 1),
            |t| t.clear(),
        ];
        for (i, damage) in broken.iter().enumerate() {
            let mut tree = stump();
            damage(&mut tree);
            assert!(validate(&[tree], None, 2).is_err(), "damage {i}");
        }
        assert!(validate(&[stump()], None, 1).is_err());
        assert!(validate(&[], None, 1).is_err());
    }
}
