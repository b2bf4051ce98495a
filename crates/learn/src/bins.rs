//! Columns cut into few bins, fitted on the training rows of one fit alone.

use crate::Dataset;
use crate::ranks::Ranks;
use rayon::prelude::*;

/// Value ranges of one column's bins, ascending. Missing values have a bin of their own after the last.
#[derive(Debug, Clone, PartialEq)]
pub struct Bins {
    low: Vec<f32>,
    high: Vec<f32>,
}

impl Bins {
    /// Number of bins with values; also the code of the missing bin.
    pub fn len(&self) -> usize {
        self.low.len()
    }
    /// Parts bin `left` from a later bin `right` about halfway, between two neighbouring bins: the last bin on the left side and
    /// the threshold, which is at least all values of that bin and below those of the next. With `right == len()` it parts
    /// the present values from the missing ones.
    pub fn between(&self, left: usize, right: usize) -> (usize, f32) {
        let Some(low) = self.low.get(right) else { return (self.len() - 1, f32::MAX) };
        let half = |a: f32, b: f32| 0.5 * (f64::from(a) + f64::from(b));
        let middle = half(self.high[left], *low);
        let lower = (left + 1..right).take_while(|b| half(self.low[*b], self.high[*b]) <= middle).count();
        let last = left + lower;
        let (a, b) = (self.high[last], self.low[last + 1]);
        let threshold = half(a, b) as f32;
        (last, if threshold < b { threshold } else { a })
    }
}

/// Bins of about equal counts, one per distinct value where there are at most `most`; and the bin of each rank.
fn cut(ranks: &Ranks, rows: &[u32], most: usize) -> (Bins, Vec<u16>) {
    let values = ranks.values();
    let mut counts = vec![0u32; values.len() + 1];
    for row in rows {
        counts[ranks.codes()[*row as usize] as usize] += 1;
    }
    counts.pop();
    let distinct = counts.iter().filter(|c| **c > 0).count();
    let (mut bins, mut lookup) = (Bins { low: Vec::new(), high: Vec::new() }, vec![0u16; values.len() + 1]);
    let mut rest: u64 = counts.iter().map(|c| u64::from(*c)).sum();
    let (mut inside, mut target) = (0u64, 0u64);
    for (rank, count) in counts.iter().enumerate().filter(|(_, c)| **c > 0) {
        let (count, left) = (u64::from(*count), most.saturating_sub(bins.low.len()) as u64);
        let full = distinct <= most || inside >= target || count >= target;
        if bins.low.is_empty() || (full && left > 0) {
            bins.low.push(values[rank]);
            bins.high.push(values[rank]);
            (inside, target) = (0, rest.div_ceil(left.max(1)));
        } else if let Some(high) = bins.high.last_mut() {
            *high = values[rank];
        }
        inside += count;
        rest -= count;
        lookup[rank] = bins.low.len() as u16 - 1;
    }
    lookup[values.len()] = bins.len() as u16;
    (bins, lookup)
}

fn cut_all<T: Send>(
    data: &Dataset,
    columns: &[usize],
    rows: &[u32],
    most: usize,
    code: impl Fn(u16) -> T + Sync,
) -> (Vec<Bins>, Vec<Vec<T>>) {
    let one = |column: &usize| {
        data.with_ranks(*column, |ranks| {
            let (bins, lookup) = cut(ranks, rows, most);
            let codes = rows.iter().map(|row| code(lookup[ranks.codes()[*row as usize] as usize])).collect();
            (bins, codes)
        })
    };
    if rows.len() < 4096 || !data.keeps_ranks() {
        columns.iter().map(one).unzip()
    } else {
        columns.par_iter().map(one).collect()
    }
}

/// Column by column, up to 1,024 bins: 256 cost a forest accuracy.
pub struct WideTable {
    pub bins: Vec<Bins>,
    pub columns: Vec<Vec<u16>>,
}

impl WideTable {
    pub const BINS: usize = 1024;

    /// Codes of `rows` in their order.
    pub fn new(data: &Dataset, columns: &[usize], rows: &[u32]) -> Self {
        let (bins, columns) = cut_all(data, columns, rows, Self::BINS, |code| code);
        Self { bins, columns }
    }
}

/// Up to 255 bins and one for missing values, so that a code is a byte. Row by row for counting, and column by column for
/// parting rows, which reads one code of each.
pub struct NarrowTable {
    pub bins: Vec<Bins>,
    pub width: usize,
    pub codes: Vec<u8>,
    pub columns: Vec<Vec<u8>>,
}

/// Rows that are transposed together, so that they stay in the cache.
const BLOCK: usize = 4096;

impl NarrowTable {
    pub const BINS: usize = 255;

    pub fn new(data: &Dataset, columns: &[usize], rows: &[u32]) -> Self {
        let (bins, columns) = cut_all(data, columns, rows, Self::BINS, |code| code as u8);
        let width = columns.len();
        let mut codes = vec![0; width * rows.len()];
        let transpose = |(at, codes): (usize, &mut [u8])| {
            for (column, first) in columns.iter().zip(0..) {
                let column = &column[at * BLOCK..];
                for (row, code) in codes.chunks_exact_mut(width).zip(column) {
                    row[first] = *code;
                }
            }
        };
        codes.par_chunks_mut((BLOCK * width).max(1)).enumerate().for_each(transpose);
        Self { bins, width, codes, columns }
    }
    #[inline]
    pub fn row(&self, row: usize) -> &[u8] {
        &self.codes[row * self.width..(row + 1) * self.width]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::Matrix;
    use proptest::prelude::*;

    fn dataset(column: Vec<f32>) -> Dataset {
        let y = vec![0; column.len()];
        Dataset::new(Matrix::new(vec!["a".into()], vec![column]).unwrap(), y).unwrap()
    }

    #[test]
    fn one_bin_per_distinct_value_of_the_training_rows() {
        let data = dataset(vec![5.0, 1.0, f32::NAN, 9.0, 1.0, 7.0]);
        let table = WideTable::new(&data, &[0], &[0, 1, 2, 4, 5]);
        assert_eq!(table.columns[0], [1, 0, 3, 0, 2]);
        // Values 1, 5, 7.
        assert_eq!((table.bins[0].between(0, 1), table.bins[0].between(0, 2)), ((0, 3.0), (0, 3.0)));
        assert_eq!(table.bins[0].between(2, 3), (2, f32::MAX));
        let wide = WideTable::new(&dataset(vec![0.0, 1.0, 9.0, 10.0]), &[0], &[0, 1, 2, 3]);
        assert_eq!(wide.bins[0].between(0, 3), (1, 5.0));
    }

    #[test]
    fn a_threshold_never_reaches_the_next_value() {
        let next = f32::from_bits(1f32.to_bits() + 1);
        for column in [vec![1.0, next], vec![-f32::MAX, f32::MAX], vec![0.0, f32::from_bits(1)]] {
            let bins = &WideTable::new(&dataset(column.clone()), &[0], &[0, 1]).bins[0];
            let (_, t) = bins.between(0, 1);
            assert!(column[0] <= t && t < column[1], "{column:?} {t}");
        }
    }

    proptest! {
        #[test]
        fn bins_keep_order_and_share_rows_evenly(seed in 0u64..1000, n in 300usize..3000, kinds in 1u32..4000) {
            let mut rng = provost_domain::rng::SplitMix64::new(seed);
            let column: Vec<f32> = (0..n).map(|_| rng.below(kinds) as f32).collect();
            let data = dataset(column.clone());
            let rows: Vec<u32> = (0..n as u32).collect();
            let table = NarrowTable::new(&data, &[0], &rows);
            let bins = &table.bins[0];
            prop_assert!(bins.len() <= NarrowTable::BINS);
            let mut counts = vec![0usize; bins.len()];
            for (v, code) in column.iter().zip(&table.codes) {
                let b = usize::from(*code);
                prop_assert!(bins.low[b] <= *v && *v <= bins.high[b]);
                counts[b] += 1;
            }
            prop_assert!(counts.iter().all(|c| *c > 0));
            prop_assert!(bins.high.iter().zip(bins.low.iter().skip(1)).all(|(h, l)| h < l));
            let heaviest = (0..bins.len()).filter(|b| bins.low[*b] < bins.high[*b]).map(|b| counts[b]).max().unwrap_or(0);
            prop_assert!(heaviest <= 3 * n / NarrowTable::BINS + 12, "{heaviest} of {n}");
        }
    }
}
