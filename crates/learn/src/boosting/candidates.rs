//! The splits of one node by one column, scored side by side.

use super::histogram::{Cell, Packing};
use multiversion::multiversion;

/// Bins with values, and the missing ones.
const MOST: usize = 256;

/// Where one column may be parted: what lies below each place.
pub struct Candidates {
    sums: [f64; MOST],
    rows: [f64; MOST],
    scores: [f64; MOST],
    /// The last bin below and the next one.
    places: [(u16, u16); MOST],
    len: usize,
}

/// What the splits of a node share.
#[derive(Clone, Copy)]
pub struct Totals {
    /// Residuals and rows of the node; whole numbers below 2^51, so that differences are exact.
    pub sum: f64,
    pub rows: f64,
    /// Rows that each side needs.
    pub least: f64,
}

/// The best of one column.
#[derive(Clone, Copy)]
pub struct Found {
    pub score: f64,
    pub bin: usize,
    pub next: usize,
    pub missing_left: bool,
}

/// Squared sum of residuals by rows, over both sides; negative where a side has too few rows or the direction is wrong. And
/// the highest of them.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn score(sums: &[f64], rows: &[f64], scores: &mut [f64], node: Totals, moved: (f64, f64), direction: f64) -> f64 {
    for ((sum, rows), score) in sums.iter().zip(rows).zip(&mut *scores) {
        let (a, u) = (sum + moved.0, rows + moved.1);
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

/// Which cells have rows, a bit for each: the walk over them then needs no guess at every bin.
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
    pub const NONE: Self =
        Self { sums: [0.0; MOST], rows: [0.0; MOST], scores: [0.0; MOST], places: [(0, 0); MOST], len: 0 };

    fn push(&mut self, packing: Packing, below: Cell, bin: usize, next: usize) {
        let (sum, rows) = packing.open(below);
        let at = self.len;
        (self.sums[at], self.rows[at], self.places[at]) = (sum, f64::from(rows), (bin as u16, next as u16));
        self.len = at + 1;
    }

    /// The first of the best, if any scores above `least`. The code of missing values is `missing`; cells after it hold nothing
    /// that counts.
    pub fn best(
        &mut self,
        node: Totals,
        packing: Packing,
        cells: &[Cell; MOST],
        missing: usize,
        direction: i8,
        least: f64,
    ) -> Option<Found> {
        self.len = 0;
        let (mut below, mut last) = (0, None);
        for (word, mut bits) in occupied(cells).into_iter().enumerate() {
            while bits != 0 {
                let bin = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if bin >= missing {
                    break;
                }
                if let Some(last) = last {
                    self.push(packing, below, last, bin);
                }
                below += cells[bin];
                last = Some(bin);
            }
        }
        let inner = self.len;
        let missing = (missing, cells[missing]);
        if let (Some(last), true) = (last, missing.1 != 0) {
            self.push(packing, below, last, missing.0);
        }
        let (sum, rows) = packing.open(missing.1);
        let ways = [(false, self.len, (0.0, 0.0)), (true, inner, (sum, f64::from(rows)))];
        let mut best: Option<(f64, usize, bool)> = None;
        for (missing_left, len, moved) in ways.into_iter().take(if missing.1 == 0 { 1 } else { 2 }) {
            let scores = &mut self.scores[..len];
            let highest = score(&self.sums[..len], &self.rows[..len], scores, node, moved, f64::from(direction));
            if highest <= least || best.is_some_and(|(best, ..)| highest < best) {
                continue;
            }
            // Of equals the first bin counts, and there the missing values to the right.
            let at = scores.iter().position(|score| *score == highest)?;
            if best.is_none_or(|(best, first, _)| highest > best || at < first) {
                best = Some((highest, at, missing_left));
            }
        }
        let (score, at, missing_left) = best?;
        // Where no row tells the side of a missing value, it is the larger one.
        let missing_left = if missing.1 == 0 { 2.0 * self.rows[at] > node.rows } else { missing_left };
        let (bin, next) = self.places[at];
        Some(Found { score, bin: usize::from(bin), next: usize::from(next), missing_left })
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
