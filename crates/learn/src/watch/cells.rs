//! Codes values as small numbers, so that a permutation only needs counts.

use super::measure::{ascending, runs};
use provost_domain::watch::DriftTest;

/// The code of a missing value.
pub(super) const MISSING: usize = 255;
/// The code of a row that does not count.
const LEFT_OUT: u8 = 254;
/// The codes of values are below this.
const MOST: usize = 254;
/// Rows of a category that the smaller side should have on average; rarer categories share a cell.
const EXPECTED: usize = 5;
/// Present values that each side needs.
const LEAST_VALUES: u32 = 10;

/// How cells are compared.
#[derive(Debug, Clone)]
pub(super) enum Scale {
    /// Cells have an order; the distance from each cell to the next.
    Ordered(Vec<f64>),
    /// Cells have no order.
    Nominal,
}

/// One feature of all rows that are permuted.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    /// The code of each row.
    pub codes: Vec<u8>,
    pub scale: Scale,
    /// Number of rows with each code.
    pub totals: [u32; 256],
    /// Number of cells for values.
    pub cells: usize,
    /// Whether values are tested: there are enough on both sides, and not all in one cell.
    pub values_tested: bool,
    /// Whether the share of missing values is tested: some rows have a value and others not.
    pub missing_tested: bool,
}

impl Cells {
    /// Codes the values of all rows, of which the first `first` are one side and the others the other side. NaN is a
    /// missing value, or a row that does not count. Numbers are cut into at most 254 cells: one for each value where
    /// there are not more, else so that cells have about equally many rows. Frequent categories have a cell each. Cells
    /// depend on the values of both sides together, so that all permutations are exchangeable with the observed order.
    pub(super) fn new(test: DriftTest, values: &[f32], first: usize, missing_counts: bool) -> Self {
        let sorted = ascending(values.iter().copied());
        let runs = runs(&sorted);
        let (ends, scale) = match test {
            DriftTest::KolmogorovSmirnov => {
                let (ends, gaps) = ordered(&runs, sorted.len());
                (Ends::Ordered(ends), Scale::Ordered(gaps))
            }
            DriftTest::ChiSquared | DriftTest::Proportion => {
                let smaller = first.min(values.len() - first).max(1);
                let least = (EXPECTED * values.len()).div_ceil(smaller) as u64;
                (Ends::Nominal(nominal(&runs, least)), Scale::Nominal)
            }
        };
        let without = if missing_counts { MISSING as u8 } else { LEFT_OUT };
        let codes: Vec<u8> =
            values.iter().map(|v| if v.is_nan() { without } else { ends.code(*v + 0.0) as u8 }).collect();
        let mut totals = [0; 256];
        let mut of_first = 0;
        for (row, code) in codes.iter().enumerate() {
            totals[usize::from(*code)] += 1;
            of_first += u32::from(row < first && usize::from(*code) < MOST);
        }
        let of_second = sorted.len() as u32 - of_first;
        let cells = ends.cells();
        Self {
            scale,
            cells,
            values_tested: totals.iter().take(cells).filter(|rows| **rows > 0).count() > 1
                && of_first.min(of_second) >= LEAST_VALUES,
            missing_tested: totals[MISSING] > 0 && (totals[MISSING] as usize) < codes.len(),
            totals,
            codes,
        }
    }

    /// Whether the values are tested, and whether the share of missing values is.
    pub(super) fn tested(&self) -> [bool; 2] {
        [self.values_tested, self.missing_tested]
    }
}

/// Assigns values to cells.
enum Ends {
    /// The largest value of each cell.
    Ordered(Vec<f32>),
    /// The categories with a cell of their own, ascending; one more cell has the others.
    Nominal(Vec<f32>),
}

impl Ends {
    fn code(&self, value: f32) -> usize {
        match self {
            Self::Ordered(ends) => ends.partition_point(|end| *end < value),
            Self::Nominal(own) => own.binary_search_by(|v| v.total_cmp(&value)).unwrap_or(own.len()),
        }
    }
    fn cells(&self) -> usize {
        match self {
            Self::Ordered(ends) => ends.len(),
            Self::Nominal(own) => own.len() + 1,
        }
    }
}

/// The largest value of each cell, and the distances between the cells' means.
fn ordered(runs: &[(f32, u64)], n: usize) -> (Vec<f32>, Vec<f64>) {
    let least = if runs.len() <= MOST { 1 } else { n.div_ceil(MOST - 1) as u64 };
    let (mut ends, mut means): (Vec<f32>, Vec<f64>) = (Vec::new(), Vec::new());
    let (mut rows, mut sum) = (0, 0.0);
    for (at, (value, count)) in runs.iter().enumerate() {
        rows += count;
        sum += *count as f64 * f64::from(*value);
        if rows >= least || at + 1 == runs.len() {
            ends.push(*value);
            means.push(sum / rows as f64);
            (rows, sum) = (0, 0.0);
        }
    }
    let gaps = means.windows(2).map(|pair| pair[1] - pair[0]).collect();
    (ends, gaps)
}

/// Categories with at least `least` rows, the most frequent ones if there are too many; ascending.
fn nominal(runs: &[(f32, u64)], least: u64) -> Vec<f32> {
    let mut frequent: Vec<(f32, u64)> = runs.iter().filter(|(_, count)| *count >= least).copied().collect();
    frequent.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut own: Vec<f32> = frequent.iter().take(MOST - 1).map(|(value, _)| *value).collect();
    own.sort_unstable_by(f32::total_cmp);
    own
}
