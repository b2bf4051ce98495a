//! Sums of the leaves of many trees.

use super::Tree;
use super::quick::Quick;
use super::sets::Categories;
use super::walk::{ABREAST, Sum, add, add_by_sets, step};
use crate::control::Control;
use crate::error::PredictError;
use crate::matrix::Matrix;
use crate::parallel::map_chunks;

/// The values of `rows` in the predictor's own columns, row-major: rows × `columns.len()`.
pub fn gather(x: &Matrix, columns: &[usize], rows: &[u32]) -> Vec<f32> {
    let width = columns.len();
    let mut out = vec![0f32; width * rows.len()];
    for (at, column) in columns.iter().enumerate() {
        let values = x.column(*column);
        // `out[at..]` would panic without rows, since `out` is then empty.
        for (slot, row) in out.iter_mut().skip(at).step_by(width).zip(rows) {
            *slot = values[*row as usize];
        }
    }
    out
}

/// Rows that are walked together, so that their values and one tree stay in the cache.
pub const CHUNK: usize = 512;

/// Trees per chunk of rows between two checks of the token.
const TREES: usize = 128;

/// Least number of rows for which converting the trees to the quick form pays.
const QUICK: usize = 1_024;

/// For each n of `ends` (ascending), the sum of the first n trees' leaves for each row, added in tree order to `start`:
/// one vector of `rows.len()` sums per n. `columns` maps the predictor's own columns to the matrix's. `categories` are
/// needed for trees that split by sets.
///
/// # Errors
///
/// `Stopped`: the token is checked before each chunk of rows, and every few trees within it.
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

/// As `sums`, for one row. Several trees are walked together, so that their memory accesses overlap. Leaves are added
/// in tree order, so that the sum is identical to that of `sums`.
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
                        // A tree without columns is a single leaf. `step` would read column 0 even for a leaf.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::trees::{Node, stump};

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
}
