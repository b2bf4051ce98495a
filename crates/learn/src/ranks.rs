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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_point_at_sorted_distinct_values() {
        let column = [3.0, f32::NAN, -1e30, 0.0, -0.0, 3.0, 1e30, f32::MIN_POSITIVE];
        let ranks = Ranks::new(&column);
        assert_eq!(ranks.values(), [-1e30, 0.0, f32::MIN_POSITIVE, 3.0, 1e30]);
        assert_eq!(ranks.codes(), [3, 5, 0, 1, 1, 3, 4, 2]);
        assert_eq!(Ranks::new(&[f32::NAN; 2]).codes(), [0, 0]);
        let other = Ranks::by_all_threads(&column);
        assert_eq!((other.values(), other.codes()), (ranks.values(), ranks.codes()));
    }
}
