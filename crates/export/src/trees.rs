//! Converts trees to one ONNX operator, `TreeEnsemble`.

use crate::graph::{Attribute, Element, Graph, TREES, Tensor};
use provost_predict::known::Known;
use provost_predict::trees::sets::{Categories, has};
use provost_predict::trees::{Node, Tree};

/// Values of `nodes_modes`: `AT_MOST` compares with a threshold (≤), `MEMBER` tests membership in a set.
const AT_MOST: u8 = 0;
const MEMBER: u8 = 6;
/// Value of `aggregate_function`.
const SUM: i64 = 1;

/// The lists of the operator's attributes, which grow tree by tree.
#[derive(Default)]
struct Lists {
    roots: Vec<i64>,
    columns: Vec<i64>,
    modes: Vec<u8>,
    splits: Vec<f64>,
    missing_left: Vec<i64>,
    left: Vec<i64>,
    left_is_leaf: Vec<i64>,
    right: Vec<i64>,
    right_is_leaf: Vec<i64>,
    leaves: Vec<f64>,
    members: Vec<f64>,
}

impl Lists {
    fn leaf(&mut self, value: f64) -> i64 {
        self.leaves.push(value);
        self.leaves.len() as i64 - 1
    }

    /// Adds an inner node, whose children are filled in later.
    fn split(&mut self, column: usize, mode: u8, split: f64, missing_left: bool) -> usize {
        self.columns.push(column as i64);
        self.modes.push(mode);
        self.splits.push(split);
        self.missing_left.push(i64::from(missing_left));
        for list in [&mut self.left, &mut self.left_is_leaf, &mut self.right, &mut self.right_is_leaf] {
            list.push(0);
        }
        self.columns.len() - 1
    }

    fn add(&mut self, tree: &Tree, categories: Option<&Categories>) -> Result<(), String> {
        self.roots.push(self.columns.len() as i64);
        // A tree of the operator must have a split: a tree that is a single leaf gets a split with that leaf as both
        // children.
        if let Some(value) = tree[0].as_leaf() {
            let (at, leaf) = (self.split(0, AT_MOST, 0.0, true), self.leaf(f64::from(value)));
            (self.left[at], self.right[at]) = (leaf, leaf);
            (self.left_is_leaf[at], self.right_is_leaf[at]) = (1, 1);
            return Ok(());
        }
        let first = self.columns.len();
        // Indices of the inner nodes in the lists, by their index in the tree.
        let mut numbers = vec![0i64; tree.len()];
        for (i, node) in tree.iter().enumerate().filter(|(_, node)| node.child().is_some()) {
            numbers[i] = self.inner(node, categories)? as i64;
        }
        let mut at = first;
        for node in tree {
            let Some(child) = node.child() else { continue };
            let mut place = |tree_node: usize| match tree[tree_node].as_leaf() {
                Some(value) => (self.leaf(f64::from(value)), 1),
                None => (numbers[tree_node], 0),
            };
            let (left, right) = (place(child), place(child + 1));
            (self.left[at], self.left_is_leaf[at]) = left;
            (self.right[at], self.right_is_leaf[at]) = right;
            at += 1;
        }
        Ok(())
    }

    fn inner(&mut self, node: &Node, categories: Option<&Categories>) -> Result<usize, String> {
        let column = node.column();
        let known = categories.and_then(|c| c.known().iter().find(|known| known.column() == column));
        if let Some((set, known)) = node.set().zip(known) {
            let sets = categories.map_or(&[][..], Categories::sets);
            self.members.extend(members(known, &sets[set]));
            self.members.push(f64::NAN);
            return Ok(self.split(column, MEMBER, 0.0, false));
        }
        let Some((column, threshold, missing_left, _)) = node.as_split().filter(|_| known.is_none()) else {
            return Err(format!("a split on the category in column {column} that is not by a set"));
        };
        Ok(self.split(column, AT_MOST, f64::from(threshold), missing_left))
    }
}

/// The category values whose codes are in the set.
fn members(known: &Known, set: &[u64; 4]) -> Vec<f64> {
    let values = known.values().iter().enumerate();
    values.filter(|(code, _)| has(set, *code)).map(|(_, value)| f64::from(*value)).collect()
}

/// How the leaves of many trees are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addition {
    /// In double precision, in any order.
    Double,
    /// In single precision and in the order of the trees, as XGBoost adds: each tree has an output of its own, and a
    /// cumulative sum adds the outputs one by one.
    SingleInOrder,
}

/// The sum of the trees' leaves for each row of `x` (rows × columns, double precision), as a tensor rows × 1 in double
/// precision.
///
/// # Errors
///
/// A description of the split for which ONNX has no operator.
pub fn sum<'t>(
    graph: &mut Graph,
    x: &Tensor,
    trees: impl IntoIterator<Item = &'t Tree>,
    categories: Option<&Categories>,
    addition: Addition,
) -> Result<Tensor, String> {
    let (mut lists, mut targets) = (Lists::default(), Vec::new());
    let in_order = addition == Addition::SingleInOrder;
    for (number, tree) in trees.into_iter().enumerate() {
        lists.add(tree, categories)?;
        targets.resize(lists.leaves.len(), if in_order { number as i64 } else { 0 });
    }
    let outputs = targets.last().map_or(1, |last| last + 1);
    let element = if in_order { Element::Float } else { Element::Double };
    let mut attributes = vec![
        Attribute::int("n_targets", outputs),
        Attribute::int("aggregate_function", SUM),
        Attribute::int("post_transform", 0),
        Attribute::ints("tree_roots", lists.roots),
        Attribute::ints("nodes_featureids", lists.columns),
        Attribute::bytes("nodes_modes", &lists.modes),
        Attribute::numbers("nodes_splits", element, &lists.splits),
        Attribute::ints("nodes_missing_value_tracks_true", lists.missing_left),
        Attribute::ints("nodes_truenodeids", lists.left),
        Attribute::ints("nodes_trueleafs", lists.left_is_leaf),
        Attribute::ints("nodes_falsenodeids", lists.right),
        Attribute::ints("nodes_falseleafs", lists.right_is_leaf),
        Attribute::ints("leaf_targetids", targets),
        Attribute::numbers("leaf_weights", element, &lists.leaves),
    ];
    if !lists.members.is_empty() {
        attributes.push(Attribute::numbers("membership_values", element, &lists.members));
    }
    let x = graph.cast(x, element);
    let sums = graph.node_of(TREES, "TreeEnsemble", &[&x], &attributes);
    if !in_order {
        return Ok(sums);
    }
    let axis = graph.ints(&[1]);
    let sums = graph.node("CumSum", &[&sums, &axis], &[]);
    let last = graph.ints(&[outputs - 1]);
    let sum = graph.node("Gather", &[&sums, &last], &[Attribute::int("axis", 1)]);
    Ok(graph.cast(&sum, Element::Double))
}
