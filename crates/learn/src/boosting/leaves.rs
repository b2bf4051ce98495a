//! Sums over the rows of all leaves, and updates of their margins. The rows are processed span by span, and each span
//! is read for one leaf after the other while it is in the cache; leaf by leaf, every leaf would fetch nearly all of
//! the memory again.

use crate::error::LearnError;
use provost_predict::control::Control;
use rayon::prelude::*;
use std::ops::Range;

/// Number of rows whose probabilities, margins and labels, or codes and residuals, fit into a core's own cache.
const SPAN: usize = 16_384;
/// Rows that a leaf should have in a span on average: with fewer, finding them costs more than reading memory again.
const WORTH: usize = 64;

/// A leaf's rows, ascending.
pub type Rows<'r> = &'r [u32];

/// Calls `each` with the rows of each leaf, or other node, within each span of `rows`, in their order. No list in
/// `leaves` may begin before `rows`.
///
/// # Errors
///
/// `Stopped`: the token is checked before each span.
pub fn by_span<'r>(
    leaves: &mut [Rows<'r>],
    rows: Range<usize>,
    control: &Control,
    mut each: impl FnMut(usize, Rows<'r>),
) -> Result<(), LearnError> {
    let span = SPAN.max(WORTH * leaves.len());
    let mut end = rows.start;
    while end < rows.end {
        control.check()?;
        end = rows.end.min(end + span);
        for (leaf, rest) in leaves.iter_mut().enumerate() {
            let here = rest.iter().take_while(|row| (**row as usize) < end).count();
            let (now, later) = rest.split_at(here);
            *rest = later;
            each(leaf, now);
        }
    }
    Ok(())
}

/// Sum of residuals y - p, and sum of p (1 - p): numerator and denominator of a Newton step.
pub type Sums = (f64, f64);

/// Adds one leaf's rows, in their order, to the sums so far.
pub fn sum((mut up, mut down): Sums, rows: Rows<'_>, probabilities: &[f64], labels: &[u8]) -> Sums {
    for row in rows {
        let (p, y) = (probabilities[*row as usize], labels[*row as usize]);
        up += f64::from(y) - p;
        down += p * (1.0 - p);
    }
    (up, down)
}

/// The sums of each leaf.
pub fn sums(
    mut leaves: Vec<Rows<'_>>,
    probabilities: &[f64],
    labels: &[u8],
    control: &Control,
) -> Result<Vec<Sums>, LearnError> {
    let mut sums = vec![(0.0, 0.0); leaves.len()];
    by_span(&mut leaves, 0..labels.len(), control, |leaf, rows| {
        sums[leaf] = sum(sums[leaf], rows, probabilities, labels);
    })?;
    Ok(sums)
}

/// As `sums`, with the leaves distributed over the threads, which get about equally many rows.
pub fn sums_side_by_side(
    leaves: &[Rows<'_>],
    probabilities: &[f64],
    labels: &[u8],
    control: &Control,
) -> Result<Vec<Sums>, LearnError> {
    let mut largest: Vec<usize> = (0..leaves.len()).collect();
    largest.sort_by_key(|leaf| std::cmp::Reverse(leaves[*leaf].len()));
    let mut shares = vec![(0, Vec::new()); rayon::current_num_threads()];
    for leaf in largest {
        if let Some((rows, share)) = shares.iter_mut().min_by_key(|(rows, _)| *rows) {
            *rows += leaves[leaf].len();
            share.push(leaf);
        }
    }
    let of =
        |share: &Vec<usize>| sums(share.iter().map(|leaf| leaves[*leaf]).collect(), probabilities, labels, control);
    let found: Vec<Vec<Sums>> = shares.par_iter().map(|(_, share)| of(share)).collect::<Result<_, _>>()?;
    let mut all = vec![(0.0, 0.0); leaves.len()];
    for ((_, share), found) in shares.iter().zip(found) {
        share.iter().zip(found).for_each(|(leaf, sums)| all[*leaf] = sums);
    }
    Ok(all)
}

/// Adds each leaf's value to the margins of its rows; on all threads where there are several `parts`.
pub fn shift(
    leaves: &[Rows<'_>],
    values: &[f32],
    margins: &mut [f64],
    parts: usize,
    control: &Control,
) -> Result<(), LearnError> {
    let size = margins.len().div_ceil(parts).max(1);
    margins.par_chunks_mut(size).enumerate().try_for_each(|(part, margins)| {
        let from = part * size;
        let begin = |rows: &Rows<'_>| rows.partition_point(|row| (*row as usize) < from);
        let mut rest: Vec<Rows<'_>> = leaves.iter().map(|rows| &rows[begin(rows)..]).collect();
        by_span(&mut rest, from..from + margins.len(), control, |leaf, rows| {
            rows.iter().for_each(|row| margins[*row as usize - from] += f64::from(values[leaf]));
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_domain::rng::SplitMix64;

    #[test]
    fn as_leaf_by_leaf() {
        for (n, leaves) in [(70_000usize, 5usize), (70_000, 1), (40_000, 900), (10, 3)] {
            let mut rng = SplitMix64::new(n as u64);
            let mut rows = vec![Vec::new(); leaves];
            // Uneven leaves, and rows that are in none.
            for row in 0..n as u32 {
                let leaf = rng.below(leaves as u32 + 1).min(rng.below(leaves as u32 + 1)) as usize;
                rows.get_mut(leaf).into_iter().for_each(|rows| rows.push(row));
            }
            let rows: Vec<Rows<'_>> = rows.iter().map(Vec::as_slice).collect();
            let p: Vec<f64> = (0..n).map(|_| rng.unit()).collect();
            let y: Vec<u8> = (0..n).map(|_| rng.below(2) as u8).collect();
            let plain = |rows: &&[u32]| {
                rows.iter().fold((0.0, 0.0), |(up, down), row| {
                    let p = p[*row as usize];
                    (up + (f64::from(y[*row as usize]) - p), down + p * (1.0 - p))
                })
            };
            let want: Vec<Sums> = rows.iter().map(plain).collect();
            let control = Control::default();
            assert!(sums(rows.clone(), &p, &y, &control).unwrap() == want);
            assert!(sums_side_by_side(&rows, &p, &y, &control).unwrap() == want);
            let values: Vec<f32> = (0..leaves).map(|_| rng.unit() as f32).collect();
            let mut moved = p.clone();
            for (rows, value) in rows.iter().zip(&values) {
                rows.iter().for_each(|row| moved[*row as usize] += f64::from(*value));
            }
            for parts in [1, 3, 20] {
                let mut margins = p.clone();
                shift(&rows, &values, &mut margins, parts, &control).unwrap();
                assert!(margins == moved, "{parts} parts");
            }
        }
    }
}
