//! Fitted binary trees over raw values: walking, sums over many trees, checks after decoding.

mod node;
mod quick;
pub mod sets;

pub use node::Node;

use crate::control::Control;
use crate::error::PredictError;
use crate::matrix::Matrix;
use crate::parallel::map_chunks;
use quick::Quick;
use sets::{Categories, Set};

/// The nodes of one tree.
pub type Tree = Vec<Node>;

/// How many rows are walked together, so that their waits for memory overlap.
const ABREAST: usize = 8;

/// One step down; a leaf stays where it is. Without a branch: which way a row goes is not predictable.
#[inline]
fn step<const SETS: bool>(tree: &[Node], at: u32, row: &[f32], sets: &[Set]) -> u32 {
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

/// What leaves are added up in: f64, or f32 where the sums must be a library's.
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

/// As `add`, for trees that may have sets, and rows of codes.
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

/// Rows of a matrix one after the other, in the predictor's own columns.
pub fn gather(x: &Matrix, columns: &[usize], rows: &[u32]) -> Vec<f32> {
    let width = columns.len();
    let mut out = vec![0f32; width * rows.len()];
    for (at, column) in columns.iter().enumerate() {
        let values = x.column(*column);
        // Not `out[at..]`: without rows there is nothing to begin at.
        for (slot, row) in out.iter_mut().skip(at).step_by(width).zip(rows) {
            *slot = values[*row as usize];
        }
    }
    out
}

/// Rows that are walked together: their values and one tree stay in the cache.
pub const CHUNK: usize = 512;

/// Trees that a chunk is walked through between two checks of the token.
const TREES: usize = 128;

/// Rows from which it pays to bring the trees into their quick form.
const QUICK: usize = 1_024;

/// For each of the ascending `ends`, each row's sum over the first so many trees, added in tree order from `start` on.
/// `categories` are those of trees with sets.
///
/// # Errors
///
/// `Stopped`: the token is checked before each chunk of rows, and before each few trees on it.
#[allow(clippy::too_many_arguments)] // what is summed, from where, and the control
pub fn sums<S: Sum>(
    trees: &[Tree],
    categories: Option<&Categories>,
    x: &Matrix,
    columns: &[usize],
    rows: &[u32],
    ends: &[usize],
    start: S,
    control: &Control,
) -> Result<Vec<Vec<S>>, PredictError> {
    let width = columns.len();
    if let ([row], None) = (rows, categories) {
        return one_row(trees, &gather(x, columns, &[*row]), ends, start, control);
    }
    let quick = if rows.len() >= QUICK && width > 0 && categories.is_none() {
        let missing = |c: &usize| rows.iter().any(|row| x.value(*row as usize, *c).is_nan());
        Quick::new(trees, &columns.iter().map(missing).collect::<Vec<bool>>())
    } else {
        None
    };
    let chunk = |rows: &[u32]| {
        let values = gather(x, columns, rows);
        let values = match categories {
            Some(categories) => categories.coded(values, width),
            None => values,
        };
        let codes = quick.as_ref().map(|quick| quick.codes(&values, width));
        let (mut done, mut total) = (0, vec![start; rows.len()]);
        let mut at_ends = Vec::with_capacity(ends.len());
        for end in ends {
            let end = (*end).min(trees.len());
            while done < end {
                control.check()?;
                let next = end.min(done + TREES);
                match (&quick, &codes) {
                    (Some(quick), Some(codes)) => quick.add(codes, done, next, &mut total),
                    _ => trees[done..next].iter().for_each(|tree| match categories {
                        Some(categories) => add_by_sets(tree, categories.sets(), &values, width, &mut total),
                        None => add(tree, &values, width, &mut total),
                    }),
                }
                done = next;
            }
            at_ends.push(total.clone());
        }
        Ok(at_ends)
    };
    let parts: Vec<Vec<Vec<S>>> = map_chunks(rows, CHUNK, chunk)?;
    let mut out = vec![Vec::with_capacity(rows.len()); ends.len()];
    for part in parts {
        out.iter_mut().zip(part).for_each(|(all, some)| all.extend(some));
    }
    Ok(out)
}

/// As `sums`, of one row: several trees are walked together, so that their waits for memory overlap. Their leaves are added in
/// tree order, so that the sum is the same to the last bit.
fn one_row<S: Sum>(
    trees: &[Tree],
    row: &[f32],
    ends: &[usize],
    start: S,
    control: &Control,
) -> Result<Vec<Vec<S>>, PredictError> {
    let (mut done, mut total) = (0, start);
    let mut at_ends = Vec::with_capacity(ends.len());
    for end in ends {
        let end = (*end).min(trees.len());
        while done < end {
            control.check()?;
            let next = end.min(done + TREES);
            for trees in trees[done..next].chunks(ABREAST) {
                let mut at = [0u32; ABREAST];
                loop {
                    let before = at;
                    for (at, tree) in at.iter_mut().zip(trees) {
                        // A tree without columns is a leaf, and a leaf's test is on column 0.
                        *at = if row.is_empty() { 0 } else { step::<false>(tree, *at, row, &[]) };
                    }
                    if at == before {
                        break;
                    }
                }
                trees.iter().zip(at).for_each(|(tree, at)| total = total.plus(tree[at as usize].value));
            }
            done = next;
        }
        at_ends.push(vec![total]);
    }
    Ok(at_ends)
}

/// That no walk over `width` columns can leave the tree, run in a circle, ask for a set that is not there or end in a value that
/// is not finite.
///
/// # Errors
///
/// What is wrong, by tree and node.
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
            // A leaf's test is evaluated too, while other rows of its chunk walk on.
            if (child != 0 && column >= width) || (child == 0 && node.test != 0) {
                return Err(format!("tree {t}, node {i}: column {column} of {width}"));
            }
        }
    }
    categories.map_or(Ok(()), |c| c.validate(trees, width))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn value_of(tree: &Tree, row: &[f32]) -> f32 {
        let mut sum = [0.0f64];
        add(tree, row, row.len(), &mut sum);
        sum[0] as f32
    }

    fn stump() -> Tree {
        vec![Node::split(1, 2.5, true, 1), Node::leaf(1.0), Node::leaf(-1.0)]
    }

    #[test]
    fn walks_by_threshold_and_missing_side() {
        for (v, want) in [(2.5, 1.0), (2.6, -1.0), (f32::NAN, 1.0), (-1e30, 1.0)] {
            assert_eq!(value_of(&stump(), &[9.0, v]), want);
        }
        let right = vec![Node::split(0, f32::MAX, false, 1), Node::leaf(1.0), Node::leaf(-1.0)];
        assert_eq!((value_of(&right, &[f32::MAX]), value_of(&right, &[f32::NAN])), (1.0, -1.0));
    }

    #[test]
    fn sums_at_ends_are_prefixes_in_any_batch() {
        let n = 3 * CHUNK + 7;
        let columns = vec![vec![0.0; n], (0..n).map(|i| i as f32 % 5.0).collect()];
        let x = Matrix::new(vec!["a".into(), "b".into()], columns).unwrap();
        let trees = vec![stump(), stump(), vec![Node::leaf(0.25)]];
        let rows: Vec<u32> = (0..n as u32).rev().collect();
        let got = sums(&trees, None, &x, &[0, 1], &rows, &[1, 3], 0.0f64, &Control::default()).unwrap();
        for (at, row) in rows.iter().enumerate() {
            let one = if row % 5 <= 2 { 1.0 } else { -1.0 };
            assert_eq!((got[0][at], got[1][at]), (one, 2.0 * one + 0.25));
            let alone = sums(&trees, None, &x, &[0, 1], &[*row], &[1, 3], 0.0f64, &Control::default()).unwrap();
            assert_eq!(alone, [vec![got[0][at]], vec![got[1][at]]]);
        }
    }

    #[test]
    fn no_rows_and_no_columns_are_gathered_and_summed() {
        let x = Matrix::new(vec!["a".into(), "b".into()], vec![vec![1.0, 2.0], vec![3.0, 4.0]]).unwrap();
        assert!(gather(&x, &[0, 1], &[]).is_empty() && gather(&x, &[], &[0, 1]).is_empty());
        assert_eq!(gather(&x, &[1, 0], &[1]), [4.0, 2.0]);
        let control = Control::default();
        let none = sums(&[stump()], None, &x, &[0, 1], &[], &[1], 0.0f64, &control).unwrap();
        assert_eq!(none, [Vec::<f64>::new()]);
        let leaf = vec![Node::leaf(0.5)];
        assert_eq!(sums(&[leaf], None, &x, &[], &[0, 1], &[1], 0.0f64, &control).unwrap(), [vec![0.5, 0.5]]);
    }

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
