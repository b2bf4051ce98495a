//! Histograms of quantised residuals. A cell packs the sum of residuals and the number of rows into one whole number,
//! so that sums are exact in any order, however many threads share the rows, and a sibling's histogram is a
//! subtraction. (Quantised training: Shi et al. 2022; here with as many bits as the number of rows leaves free, and
//! rounding to nearest.)

use super::leaves::{Rows, by_span};
use crate::bins::NarrowTable;
use crate::error::LearnError;
use crate::prefetch::{AHEAD, prefetch};
use multiversion::multiversion;
use provost_predict::control::Control;
use rayon::prelude::*;

/// The sum of residuals above the lowest `bits` bits, the number of rows in them.
pub type Cell = i64;
pub type Histogram = Vec<[Cell; 256]>;

/// 1.5 * 2^52: adding it to a number below 2^51 rounds that number to a whole one, held in the lowest bits of the sum.
const NEAREST: f64 = 6_755_399_441_055_744.0;

/// How residuals become whole numbers in one round.
#[derive(Clone, Copy)]
pub struct Packing {
    bits: u32,
    scale: f64,
}

impl Packing {
    /// `rows` is the largest number of rows in one cell, `largest` the greatest absolute residual.
    pub fn new(rows: usize, largest: f64) -> Self {
        let bits = usize::BITS - rows.leading_zeros();
        let levels = (1u64 << (62 - 2 * bits).min(40)) as f64;
        Self { bits, scale: levels / largest.max(f64::MIN_POSITIVE) }
    }
    #[inline]
    pub fn pack(self, residual: f64) -> Cell {
        let level = (residual * self.scale + NEAREST).to_bits().wrapping_sub(NEAREST.to_bits());
        level.cast_signed() << self.bits | 1
    }
    /// The sum of quantised residuals, and the number of rows.
    #[inline]
    pub fn open(self, cell: Cell) -> (f64, u32) {
        ((cell >> self.bits) as f64, (cell & ((1 << self.bits) - 1)) as u32)
    }
    /// Converts a squared sum of quantised residuals to the scale of the residuals.
    pub fn gain(self, squared: f64) -> f64 {
        squared / self.scale / self.scale
    }
}

#[inline(always)]
fn add(value: Cell, codes: &[u8], histogram: &mut Histogram) {
    for (cells, code) in histogram.iter_mut().zip(codes) {
        cells[usize::from(*code)] += value;
    }
}

/// Adds `rows`, which ascend, to the histogram.
fn count(table: &NarrowTable, packed: &[Cell], rows: &[u32], histogram: &mut Histogram) {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return };
    let (first, end) = (*first as usize, *last as usize + 1);
    if end - first == rows.len() {
        // No gaps, as at the root: no row needs a look-up.
        let codes = table.codes[first * table.width..end * table.width].chunks_exact(table.width.max(1));
        return packed[first..end].iter().zip(codes).for_each(|(value, codes)| add(*value, codes, histogram));
    }
    for (at, row) in rows.iter().enumerate() {
        if let Some(next) = rows.get(at + AHEAD) {
            let next = *next as usize;
            prefetch(packed, next);
            // A row's codes may begin on one cache line and end on the next.
            prefetch(&table.codes, next * table.width);
            prefetch(&table.codes, next * table.width + table.width.saturating_sub(1));
        }
        add(packed[*row as usize], table.row(*row as usize), histogram);
    }
}

fn used<'h>(table: &NarrowTable, histogram: &'h mut Histogram) -> impl Iterator<Item = &'h mut [Cell]> {
    histogram.iter_mut().zip(&table.bins).map(|(cells, bins)| &mut cells[..=bins.len()])
}

/// Number of rows from which threads share the work.
pub const PARALLEL: usize = 32_768;

/// Adds each node's rows to its histogram. Several nodes are counted span by span: node by node, every node would fetch
/// nearly all of the memory again.
fn count_all(
    table: &NarrowTable,
    packed: &[Cell],
    nodes: &[Rows<'_>],
    histograms: &mut [Histogram],
    control: &Control,
) -> Result<(), LearnError> {
    if let ([rows], [histogram]) = (nodes, &mut *histograms) {
        return Ok(control.in_blocks(rows, |rows| count(table, packed, rows, histogram))?);
    }
    let begin = nodes.iter().filter_map(|rows| rows.first()).min().map_or(0, |row| *row as usize);
    let end = nodes.iter().filter_map(|rows| rows.last()).max().map_or(0, |row| *row as usize + 1);
    by_span(&mut nodes.to_vec(), begin..end, control, |node, rows| count(table, packed, rows, &mut histograms[node]))
}

/// Where to cut each node's list so that `share` rows of all nodes together come before the cuts.
fn cut_at(nodes: &[Rows<'_>], share: usize) -> Vec<usize> {
    let before = |row: u32| nodes.iter().map(move |rows| rows.partition_point(|r| *r < row));
    let (mut low, mut high) = (0, u32::MAX);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle).sum::<usize>() < share {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    before(low).collect()
}

/// Counts each node's rows into its histogram; clears what the histogram held before.
///
/// # Errors
///
/// `Stopped`.
pub fn fill(
    table: &NarrowTable,
    packed: &[Cell],
    nodes: &[Rows<'_>],
    histograms: &mut [Histogram],
    control: &Control,
) -> Result<(), LearnError> {
    histograms.iter_mut().flat_map(|histogram| used(table, histogram)).for_each(|cells| cells.fill(0));
    let rows = nodes.iter().map(|rows| rows.len()).sum::<usize>();
    let threads = rayon::current_num_threads();
    if rows < PARALLEL || threads == 1 {
        return count_all(table, packed, nodes, histograms, control);
    }
    let cuts: Vec<Vec<usize>> = (0..=threads).map(|part| cut_at(nodes, (rows * part).div_ceil(threads))).collect();
    let part = |cuts: &[Vec<usize>]| {
        let between = nodes.iter().zip(&cuts[0]).zip(&cuts[1]).map(|((rows, from), to)| &rows[*from..*to]);
        let mut histograms = vec![vec![[0; 256]; table.width]; nodes.len()];
        count_all(table, packed, &between.collect::<Vec<_>>(), &mut histograms, control)?;
        Ok(histograms)
    };
    let parts: Vec<Vec<Histogram>> = cuts.par_windows(2).map(part).collect::<Result<_, LearnError>>()?;
    for part in parts {
        for (histogram, mut part) in histograms.iter_mut().zip(part) {
            for (all, some) in used(table, histogram).zip(used(table, &mut part)) {
                all.iter_mut().zip(some).for_each(|(a, b)| *a += *b);
            }
        }
    }
    Ok(())
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn less(all: &mut [Cell], some: &[Cell]) {
    all.iter_mut().zip(some).for_each(|(a, b)| *a -= *b);
}

/// Subtracts `child` from `parent`, which becomes the histogram of the other child.
pub fn subtract(table: &NarrowTable, parent: &mut Histogram, child: &mut Histogram) {
    used(table, parent).zip(used(table, child)).for_each(|(all, some)| less(all, some));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testdata::{columns, noisy, on_threads, rows};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_and_counts_survive_packing(residuals in prop::collection::vec(-1f64..1.0, 1..400), room in 1usize..5_000_000) {
            let largest = residuals.iter().fold(0f64, |a, b| a.max(b.abs()));
            let packing = Packing::new(residuals.len().max(room), largest);
            let cell: Cell = residuals.iter().map(|r| packing.pack(*r)).sum();
            let (sum, rows) = packing.open(cell);
            prop_assert_eq!(rows as usize, residuals.len());
            let error = (sum / packing.scale - residuals.iter().sum::<f64>()).abs();
            prop_assert!(error <= residuals.len() as f64 * largest / 65_536.0 / 2.0, "{}", error);
        }
    }

    #[test]
    fn nodes_counted_together_on_any_number_of_threads_are_as_row_by_row() {
        let data = noisy(60_000, 3);
        let table = NarrowTable::new(&data, &columns(&data), &rows(&data), &Control::default()).unwrap();
        let packed: Vec<Cell> = (0..60_000).map(|row| row << 20 | 1).collect();
        let of = |keep: fn(&u32) -> bool| (0..60_000u32).filter(keep).collect::<Vec<_>>();
        let all = of(|_| true);
        let parted =
            [of(|row| row % 3 == 0), of(|row| row % 3 > 0 && *row > 50_000), of(|_| false), of(|row| *row == 7)];
        for nodes in
            [parted.iter().map(Vec::as_slice).collect::<Vec<_>>(), vec![&all[..]], vec![&parted[1][..]], vec![]]
        {
            let mut plain: Vec<Histogram> = nodes.iter().map(|_| vec![[0; 256]; table.width]).collect();
            for (rows, histogram) in nodes.iter().zip(&mut plain) {
                rows.iter().for_each(|row| add(packed[*row as usize], table.row(*row as usize), histogram));
            }
            for threads in [1, 2, 3] {
                let mut counted: Vec<Histogram> = nodes.iter().map(|_| vec![[0; 256]; table.width]).collect();
                counted.iter_mut().flat_map(|h| used(&table, h)).for_each(|cells| cells.fill(9));
                on_threads(threads, || fill(&table, &packed, &nodes, &mut counted, &Control::default())).unwrap();
                assert!(counted == plain, "{} nodes on {threads} threads", nodes.len());
            }
        }
    }

    #[test]
    fn a_full_table_of_extreme_residuals_does_not_overflow() {
        for rows in [1usize, 2, 3, 1023, 1024, 5_000_000, (1 << 23) - 1] {
            for sign in [1.0, -1.0] {
                let packing = Packing::new(rows, 1.0);
                let (sum, count) = packing.open(packing.pack(sign).checked_mul(rows as i64).unwrap_or(0));
                assert_eq!((sum / packing.scale, count as usize), (sign * rows as f64, rows));
                assert!(sum.abs() <= (1u64 << 51) as f64, "sums are whole numbers whose differences are exact");
            }
        }
    }
}
