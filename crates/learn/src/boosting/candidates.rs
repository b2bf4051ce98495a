//! Scores all candidate splits of one node by one column together.

use super::histogram::{Cell, Packing};
use multiversion::multiversion;

/// Most bins of a column, including the bin of missing values.
const MOST: usize = 256;

/// The candidate splits of one column: after each bin that has rows.
pub struct Candidates {
    bins: [u8; MOST],
    /// Sum of the cells up to and including each bin.
    below: [Cell; MOST],
    scores: [f64; MOST],
}

/// What all candidate splits of a node share.
#[derive(Clone, Copy)]
pub struct Totals {
    /// Sum of the residuals and number of rows of the node; whole numbers below 2^51, so that differences are exact.
    pub sum: f64,
    pub rows: f64,
    /// Smallest number of rows on each side.
    pub least: f64,
}

/// The best split of one column: `bin` is the last bin of the left side with rows, `next` the first one of the right
/// side (the code of missing values where only these are on the right).
#[derive(Clone, Copy)]
pub struct Found {
    pub score: f64,
    pub bin: usize,
    pub next: usize,
    pub missing_left: bool,
}

/// Scores every candidate: the squared sum of residuals divided by the number of rows, added over both sides. `below +
/// moved` is the left side. A score is -1 where a side has too few rows or the split violates the direction. Returns
/// the highest score.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn score(below: &[Cell], scores: &mut [f64], packing: Packing, node: Totals, moved: Cell, direction: f64) -> f64 {
    for (below, score) in below.iter().zip(&mut *scores) {
        let (a, u) = packing.open(below + moved);
        let u = f64::from(u);
        let (b, v) = (node.sum - a, node.rows - u);
        let good = (u >= node.least) & (v >= node.least) & (direction * (b * u - a * v) >= 0.0);
        let value = (a * a * v + b * b * u) / (u * v);
        *score = if good { value } else { -1.0 };
    }
    let higher = |a: f64, b: f64| if b > a { b } else { a };
    let (chunks, rest) = scores.as_chunks::<8>();
    let mut lanes = [-1.0; 8];
    for chunk in chunks {
        for (lane, score) in lanes.iter_mut().zip(chunk) {
            *lane = higher(*lane, *score);
        }
    }
    lanes.into_iter().chain(rest.iter().copied()).fold(-1.0, higher)
}

/// One bit for each cell that has rows, so that a walk over these cells needs no unpredictable branch at every bin.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn occupied(cells: &[Cell; MOST]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, cells) in words.iter_mut().zip(cells.as_chunks::<64>().0) {
        for (at, cell) in cells.iter().enumerate() {
            *word |= u64::from(*cell != 0) << at;
        }
    }
    words
}

impl Candidates {
    pub const NONE: Self = Self { bins: [0; MOST], below: [0; MOST], scores: [0.0; MOST] };

    /// Lists the bins below `missing` that have rows, in their order; returns their number.
    fn list(&mut self, cells: &[Cell; MOST], missing: usize) -> usize {
        let (mut len, mut below) = (0, 0);
        for (word, bits) in occupied(cells).into_iter().enumerate() {
            let counts = missing.saturating_sub(word * 64).min(64) as u32;
            let mut bits = bits & u64::MAX.checked_shr(64 - counts).unwrap_or(0);
            while bits != 0 {
                let bin = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                // Both indices are below MOST: the remainder changes nothing and saves a bounds check.
                below += cells[bin % MOST];
                (self.bins[len % MOST], self.below[len % MOST]) = (bin as u8, below);
                len += 1;
            }
        }
        len
    }

    /// The first of the best splits, if any scores above `least`. `missing` is the code of missing values; cells after
    /// it are ignored.
    pub fn best(
        &mut self,
        node: Totals,
        packing: Packing,
        cells: &[Cell; MOST],
        missing: usize,
        direction: i8,
        least: f64,
    ) -> Option<Found> {
        let len = self.list(cells, missing);
        let (inner, unknown) = (len.saturating_sub(1), cells[missing]);
        // A split after the last bin separates the missing values from all others.
        let ways = [(false, if unknown == 0 { inner } else { len }, 0), (true, inner, unknown)];
        let mut best: Option<(f64, usize, bool)> = None;
        for (missing_left, len, moved) in ways.into_iter().take(if unknown == 0 { 1 } else { 2 }) {
            let scores = &mut self.scores[..len];
            let highest = score(&self.below[..len], scores, packing, node, moved, f64::from(direction));
            if highest <= least || best.is_some_and(|(best, ..)| highest < best) {
                continue;
            }
            // Of equal scores the first bin wins, and at the same bin the one that sends missing values to the right.
            let at = scores.iter().position(|score| *score == highest)?;
            if best.is_none_or(|(best, first, _)| highest > best || at < first) {
                best = Some((highest, at, missing_left));
            }
        }
        let (score, at, missing_left) = best?;
        // Where the node has no missing values, they go to the larger side.
        let missing_left =
            if unknown == 0 { 2.0 * f64::from(packing.open(self.below[at]).1) > node.rows } else { missing_left };
        let next = if at < inner { usize::from(self.bins[at + 1]) } else { missing };
        Some(Found { score, bin: usize::from(self.bins[at]), next, missing_left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As the definition has it: every split in its order, the first of equals.
    fn plainly(cells: &[Cell; MOST], missing: usize, packing: Packing, least: f64, direction: f64) -> Option<[f64; 4]> {
        let total: Cell = cells[..=missing].iter().sum();
        let present: Vec<usize> = (0..missing).filter(|bin| cells[*bin] != 0).collect();
        let mut best: Option<[f64; 4]> = None;
        for (at, bin) in present.iter().enumerate() {
            let below: Cell = cells[..=*bin].iter().sum();
            let next = present.get(at + 1).copied().unwrap_or(missing);
            for left in [false, true] {
                if (left || next == missing) && (cells[missing] == 0 || (left && next == missing)) {
                    continue;
                }
                let below = if left { below + cells[missing] } else { below };
                let ((a, n), (b, m)) = (packing.open(below), packing.open(total - below));
                let (u, v) = (f64::from(n), f64::from(m));
                let score = (a * a * v + b * b * u) / (u * v);
                if u < least || v < least || direction * (b * u - a * v) < 0.0 {
                    continue;
                }
                if best.is_none_or(|[best, ..]| score > best) {
                    let left = if cells[missing] == 0 { n > m } else { left };
                    best = Some([score, *bin as f64, next as f64, f64::from(u8::from(left))]);
                }
            }
        }
        best
    }

    proptest! {
        #[test]
        fn the_first_of_the_best_is_found(
            rows in prop::collection::vec((0usize..=255, -2i32..3), 1..600), missing in 1usize..=255,
            least in 1u32..4, direction in -1i8..=1,
        ) {
            // Few levels, so that many are equal.
            let packing = Packing::new(rows.len(), 2.0);
            let mut cells = [0; MOST];
            rows.iter().for_each(|(code, residual)| cells[code % (missing + 1)] += packing.pack(f64::from(*residual)));
            let (sum, n) = packing.open(cells[..=missing].iter().sum());
            let node = Totals { sum, rows: f64::from(n), least: f64::from(least) };
            let mut candidates = Candidates::NONE;
            let found = candidates.best(node, packing, &cells, missing, direction, -1.0);
            let found = found.map(|f| [f.score, f.bin as f64, f.next as f64, f64::from(u8::from(f.missing_left))]);
            prop_assert_eq!(found, plainly(&cells, missing, packing, f64::from(least), f64::from(direction)));
            if let Some([score, ..]) = found {
                prop_assert!(candidates.best(node, packing, &cells, missing, direction, score).is_none());
            }
        }
    }
}
