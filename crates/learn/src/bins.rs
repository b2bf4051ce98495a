//! Cuts each column into a few bins, which are fitted on the training rows of one fit only.

use crate::categories::frequent;
use crate::dataset::Dataset;
use crate::error::LearnError;
use crate::learner::FitTask;
use crate::prefetch::{AHEAD, prefetch};
use crate::ranks::{Ranks, Sorted};
use crate::shared;
use provost_domain::features::is_category;
use provost_predict::control::BLOCK;
use provost_predict::control::Control;
use provost_predict::known::Known;
use provost_predict::trees::sets;
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
    /// Splits between bin `left` and a later bin `right`, near the middle of the gap: returns the last bin of the left
    /// side and the threshold, which is at least every value of that bin and below every value of the next. With `right
    /// == len()` the split separates the present values from the missing ones.
    pub fn between(&self, left: usize, right: usize) -> (usize, f32) {
        let Some(low) = self.low.get(right) else { return (self.len().saturating_sub(1), f32::MAX) };
        let half = |a: f32, b: f32| 0.5 * (f64::from(a) + f64::from(b));
        let middle = half(self.high[left], *low);
        let lower = (left + 1..right).take_while(|b| half(self.low[*b], self.high[*b]) <= middle).count();
        let last = left + lower;
        let (a, b) = (self.high[last], self.low[last + 1]);
        let threshold = half(a, b) as f32;
        (last, if threshold < b { threshold } else { a })
    }
}

/// Builds bins of about equal counts; one bin per distinct value where there are at most `most` distinct values.
struct Cutter {
    bins: Bins,
    most: usize,
    distinct: usize,
    /// Rows of the values not yet pushed, rows in the last bin, and rows that the last bin should have.
    rest: u64,
    inside: u64,
    target: u64,
}

impl Cutter {
    fn new(distinct: usize, rows: u64, most: usize) -> Self {
        let bins = Bins { low: Vec::new(), high: Vec::new() };
        Self { bins, most, distinct, rest: rows, inside: 0, target: 0 }
    }

    /// Adds the next value, which `count` rows have, and returns its bin.
    fn push(&mut self, value: f32, count: u64) -> u16 {
        let left = self.most.saturating_sub(self.bins.low.len()) as u64;
        let full = self.distinct <= self.most || self.inside >= self.target || count >= self.target;
        if self.bins.low.is_empty() || (full && left > 0) {
            self.bins.low.push(value);
            self.bins.high.push(value);
            (self.inside, self.target) = (0, self.rest.div_ceil(left.max(1)));
        } else if let Some(high) = self.bins.high.last_mut() {
            *high = value;
        }
        self.inside += count;
        self.rest -= count;
        self.bins.low.len() as u16 - 1
    }
}

/// Fits bins to the values of these rows; returns the bins and the bin of each rank.
fn cut(ranks: &Ranks, rows: &[u32], most: usize) -> (Bins, Vec<u16>) {
    let values = ranks.values();
    let mut counts = vec![0u32; values.len() + 1];
    for row in rows {
        counts[ranks.codes()[*row as usize] as usize] += 1;
    }
    counts.pop();
    let distinct = counts.iter().filter(|c| **c > 0).count();
    let mut lookup = vec![0u16; values.len() + 1];
    let mut cutter = Cutter::new(distinct, counts.iter().map(|c| u64::from(*c)).sum(), most);
    for (rank, count) in counts.iter().enumerate().filter(|(_, c)| **c > 0) {
        lookup[rank] = cutter.push(values[rank], u64::from(*count));
    }
    lookup[values.len()] = cutter.bins.len() as u16;
    (cutter.bins, lookup)
}

/// As `cut`, by sorting these rows alone; returns the bins and the code of each row.
fn cut_sorted<T: Copy>(
    column: &[f32],
    rows: &[u32],
    most: usize,
    code: impl Fn(u16) -> T,
    control: &Control,
) -> Result<(Bins, Vec<T>), LearnError> {
    let sorted = Sorted::by_all_threads(column, rows, control)?;
    control.check()?;
    let mut cutter = Cutter::new(sorted.runs().count(), sorted.count() as u64, most);
    let mut codes = vec![code(0); rows.len()];
    let mut places = sorted.places();
    let mut coming = sorted.places().skip(AHEAD);
    let mut since_look = 0;
    for (value, count) in sorted.runs() {
        let code = code(cutter.push(value, count as u64));
        let mut left = count;
        while left > 0 {
            if since_look >= BLOCK {
                since_look = 0;
                control.check()?;
            }
            let now = left.min(BLOCK);
            for place in places.by_ref().take(now) {
                if let Some(next) = coming.next() {
                    prefetch(&codes, next);
                }
                codes[place] = code;
            }
            (left, since_look) = (left - now, since_look + now);
        }
    }
    control.check()?;
    let missing = code(cutter.bins.len() as u16);
    for (code, _) in codes.iter_mut().zip(rows).filter(|(_, row)| column[**row as usize].is_nan()) {
        *code = missing;
    }
    Ok((cutter.bins, codes))
}

/// One bin per category and the code of each row; an unknown category has the code of missing values.
fn coded(known: &Known, column: &[f32], rows: &[u32], control: &Control) -> Result<(Bins, Vec<u8>), LearnError> {
    let values = known.values();
    let code = |row: &u32| known.code(column[*row as usize]).unwrap_or(values.len()) as u8;
    let mut codes = Vec::with_capacity(rows.len());
    control.in_blocks(rows, |rows| codes.extend(rows.iter().map(code)))?;
    Ok((Bins { low: values.to_vec(), high: values.to_vec() }, codes))
}

fn cut_all<T: Copy + Send>(
    data: &Dataset,
    columns: &[usize],
    rows: &[u32],
    most: usize,
    code: impl Fn(u16) -> T + Sync,
    control: &Control,
) -> Result<(Vec<Bins>, Vec<Vec<T>>), LearnError> {
    if !data.keeps_ranks() {
        let one = |column: &usize| cut_sorted(data.x().column(*column), rows, most, &code, control);
        let all: Vec<(Bins, Vec<T>)> = columns.iter().map(one).collect::<Result<_, _>>()?;
        return Ok(all.into_iter().unzip());
    }
    let one = |column: &usize| {
        data.with_ranks(*column, control, |ranks| {
            let (bins, lookup) = cut(ranks, rows, most);
            let codes = rows.iter().map(|row| code(lookup[ranks.codes()[*row as usize] as usize])).collect();
            (bins, codes)
        })
    };
    let all: Result<Vec<(Bins, Vec<T>)>, LearnError> =
        if rows.len() < 4096 { columns.iter().map(one).collect() } else { columns.par_iter().map(one).collect() };
    Ok(all?.into_iter().unzip())
}

/// Codes by column, with up to 1,024 bins: a limit of 256 made forests less accurate.
pub struct WideTable {
    pub bins: Vec<Bins>,
    pub columns: Vec<Vec<u16>>,
}

impl WideTable {
    pub const BINS: usize = 1024;

    /// Fits the bins to `rows` and codes these rows, in their order.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn new(data: &Dataset, columns: &[usize], rows: &[u32], control: &Control) -> Result<Self, LearnError> {
        let (bins, columns) = cut_all(data, columns, rows, Self::BINS, |code| code, control)?;
        Ok(Self { bins, columns })
    }
}

/// Codes of up to 255 bins and one for missing values, so that a code is one byte. `codes` is row by row, for counting
/// into histograms; `columns` is column by column, for partitioning rows, which reads one code per row.
pub struct NarrowTable {
    pub bins: Vec<Bins>,
    pub width: usize,
    pub codes: Vec<u8>,
    pub columns: Vec<Vec<u8>>,
    /// By column; the bins of a categorical column are its categories and have no order.
    pub categories: Vec<Option<Known>>,
}

/// Rows that are transposed together, so that they stay in the cache.
const TRANSPOSED: usize = 4096;

impl NarrowTable {
    pub const BINS: usize = 255;

    /// Fits the bins to `rows` and codes these rows, in their order.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn new(data: &Dataset, columns: &[usize], rows: &[u32], control: &Control) -> Result<Self, LearnError> {
        let width = columns.len();
        let known = |(at, column): (usize, &usize)| {
            let x = data.x().column(*column);
            let category = is_category(&data.x().names()[*column]);
            category.then(|| frequent(at, x, rows, (sets::CODES, 1), control)).transpose()
        };
        let categories: Vec<Option<Known>> = columns.iter().enumerate().map(known).collect::<Result<_, _>>()?;
        let ordered: Vec<usize> =
            columns.iter().zip(&categories).filter(|(_, k)| k.is_none()).map(|(c, _)| *c).collect();
        let (cut, codes) = cut_all(data, &ordered, rows, Self::BINS, |code| code as u8, control)?;
        let mut ordered = cut.into_iter().zip(codes);
        let of = |(column, known): (&usize, &Option<Known>)| match known {
            Some(known) => Some(coded(known, data.x().column(*column), rows, control)),
            None => ordered.next().map(Ok),
        };
        let all = columns.iter().zip(&categories).filter_map(of).collect::<Result<Vec<_>, LearnError>>()?;
        let (bins, columns): (Vec<Bins>, Vec<Vec<u8>>) = all.into_iter().unzip();
        let mut codes = vec![0; width * rows.len()];
        let transpose = |(at, codes): (usize, &mut [u8])| {
            control.check()?;
            for (column, first) in columns.iter().zip(0..) {
                let column = &column[at * TRANSPOSED..];
                for (row, code) in codes.chunks_exact_mut(width).zip(column) {
                    row[first] = *code;
                }
            }
            Ok::<(), LearnError>(())
        };
        codes.par_chunks_mut((TRANSPOSED * width).max(1)).enumerate().try_for_each(transpose)?;
        Ok(Self { bins, width, codes, columns, categories })
    }
    #[inline]
    pub fn row(&self, row: usize) -> &[u8] {
        &self.codes[row * self.width..(row + 1) * self.width]
    }
}

impl FitTask<'_> {
    /// Calls `work` with the task's own table or the shared one.
    ///
    /// # Errors
    /// `Stopped` while the table is made; the errors of `work`.
    /// `Stopped` while the table is made; those of `work`.
    pub(crate) fn with_wide<R>(
        &self,
        control: &Control,
        work: impl FnOnce(&WideTable) -> Result<R, LearnError>,
    ) -> Result<R, LearnError> {
        shared::with(self.shared, || WideTable::new(self.data, self.columns, self.train, control), work)
    }

    /// As `with_wide`.
    ///
    /// # Errors
    ///
    /// As `with_wide`.
    pub(crate) fn with_narrow<R>(
        &self,
        control: &Control,
        work: impl FnOnce(&NarrowTable) -> Result<R, LearnError>,
    ) -> Result<R, LearnError> {
        shared::with(self.shared, || NarrowTable::new(self.data, self.columns, self.train, control), work)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;
    use provost_predict::matrix::Matrix;

    fn dataset(column: Vec<f32>) -> Dataset {
        let y = vec![0; column.len()];
        Dataset::new(Matrix::new(vec!["a".into()], vec![column]).unwrap(), y).unwrap()
    }

    #[test]
    fn one_bin_per_distinct_value_of_the_training_rows() {
        let data = dataset(vec![5.0, 1.0, f32::NAN, 9.0, 1.0, 7.0]);
        let wide = |data: &Dataset, rows: &[u32]| WideTable::new(data, &[0], rows, &Control::default()).unwrap();
        let table = wide(&data, &[0, 1, 2, 4, 5]);
        assert_eq!(table.columns[0], [1, 0, 3, 0, 2]);
        // Values 1, 5, 7.
        assert_eq!((table.bins[0].between(0, 1), table.bins[0].between(0, 2)), ((0, 3.0), (0, 3.0)));
        assert_eq!(table.bins[0].between(2, 3), (2, f32::MAX));
        let wide = wide(&dataset(vec![0.0, 1.0, 9.0, 10.0]), &[0, 1, 2, 3]);
        assert_eq!(wide.bins[0].between(0, 3), (1, 5.0));
    }

    #[test]
    fn a_threshold_never_reaches_the_next_value() {
        let next = f32::from_bits(1f32.to_bits() + 1);
        for column in [vec![1.0, next], vec![-f32::MAX, f32::MAX], vec![0.0, f32::from_bits(1)]] {
            let table = WideTable::new(&dataset(column.clone()), &[0], &[0, 1], &Control::default()).unwrap();
            let bins = &table.bins[0];
            let (_, t) = bins.between(0, 1);
            assert!(column[0] <= t && t < column[1], "{column:?} {t}");
        }
    }

    proptest! {
        #[test]
        fn sorted_rows_are_cut_as_ranked_ones(
            n in 1usize..900, kinds in 1u32..2000, most in 2usize..80, seed in 0u64..1000,
        ) {
            let mut rng = provost_domain::rng::SplitMix64::new(seed);
            let odd = [f32::NAN, -0.0, 0.0, f32::MAX, -f32::MAX, f32::MIN_POSITIVE];
            let mut value = |_| match rng.below(12) as usize {
                at @ ..6 => odd[at],
                _ => rng.below(kinds) as f32 - 300.0,
            };
            let column: Vec<f32> = (0..n).map(&mut value).collect();
            let rows: Vec<u32> = (0..n as u32).filter(|row| row % 5 != 2).collect();
            let ranks = Ranks::new(&column);
            let (bins, lookup) = cut(&ranks, &rows, most);
            let codes: Vec<u16> = rows.iter().map(|row| lookup[ranks.codes()[*row as usize] as usize]).collect();
            let sorted = cut_sorted(&column, &rows, most, |code| code, &Control::default()).unwrap();
            prop_assert_eq!(sorted, (bins, codes));
        }

        #[test]
        fn bins_keep_order_and_share_rows_evenly(seed in 0u64..1000, n in 300usize..3000, kinds in 1u32..4000) {
            let mut rng = provost_domain::rng::SplitMix64::new(seed);
            let column: Vec<f32> = (0..n).map(|_| rng.below(kinds) as f32).collect();
            let data = dataset(column.clone());
            let rows: Vec<u32> = (0..n as u32).collect();
            let table = NarrowTable::new(&data, &[0], &rows, &Control::default()).unwrap();
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
