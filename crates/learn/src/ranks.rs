//! A coding of one column that has no parameters: computed once per data set, shared by every fold and fit.

use rayon::prelude::*;

/// Sorted distinct values of a column, and for each row the place of its value among them.
#[derive(Debug)]
pub struct Ranks {
    values: Vec<f32>,
    codes: Vec<u32>,
}

impl Ranks {
    /// NaN is missing. Rows: at most 2^32 - 2.
    pub fn new(column: &[f32]) -> Self {
        Self::sorted(column, |order| order.sort_unstable())
    }

    /// The same by all threads of rayon's current pool.
    pub fn by_all_threads(column: &[f32]) -> Self {
        Self::sorted(column, |order| order.par_sort_unstable())
    }

    fn sorted(column: &[f32], sort: impl FnOnce(&mut [u64])) -> Self {
        let mut order: Vec<u64> = Vec::with_capacity(column.len());
        for (row, v) in column.iter().enumerate().filter(|(_, v)| !v.is_nan()) {
            order.push(u64::from(sort_key(*v)) << 32 | row as u64);
        }
        sort(&mut order);
        let mut values: Vec<f32> = Vec::new();
        let mut codes = vec![u32::MAX; column.len()];
        for packed in &order {
            let row = (packed & u64::from(u32::MAX)) as usize;
            let v = column[row] + 0.0; // -0 and 0 are one value
            if values.last() != Some(&v) {
                values.push(v);
            }
            codes[row] = values.len() as u32 - 1;
        }
        let missing = values.len() as u32;
        for code in codes.iter_mut().filter(|c| **c == u32::MAX) {
            *code = missing;
        }
        values.shrink_to_fit();
        Self { values, codes }
    }
    /// Ascending, without NaN.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
    /// Per row the index into `values`; `missing()` where the value is NaN.
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }
    pub fn missing(&self) -> u32 {
        self.values.len() as u32
    }
}

/// Orders as the numbers do; -0 and 0 get one key.
fn sort_key(v: f32) -> u32 {
    let bits = (v + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The number that has this key.
fn of_key(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key ^ 1 << 31 } else { !key })
}

/// The values of some rows in ascending order, NaN left out: each one's key, and below it the row's place among these rows.
pub struct Sorted(Vec<u64>);

impl Sorted {
    pub fn by_all_threads(column: &[f32], rows: &[u32]) -> Self {
        let mut order: Vec<u64> = Vec::with_capacity(rows.len());
        for (place, row) in (0u64..).zip(rows) {
            let v = column[*row as usize];
            if !v.is_nan() {
                order.push(u64::from(sort_key(v)) << 32 | place);
            }
        }
        order.par_sort_unstable();
        Self(order)
    }
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
    pub fn places(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|packed| *packed as u32 as usize)
    }
    /// Each distinct value and how many places have it.
    pub fn runs(&self) -> impl Iterator<Item = (f32, usize)> {
        self.0.chunk_by(|a, b| a >> 32 == b >> 32).map(|run| (of_key((run[0] >> 32) as u32), run.len()))
    }
}
