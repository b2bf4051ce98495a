//! Rank coding of one column. The coding has no parameters, so it is computed once per data set and shared by all folds
//! and fits.

use crate::error::LearnError;
use crate::sorting::sort_by;
use provost_predict::control::BLOCK;
use provost_predict::control::Control;
use std::convert::Infallible;

/// Sorted distinct values of a column, and for each row the place of its value among them.
#[derive(Debug)]
pub struct Ranks {
    values: Vec<f32>,
    codes: Vec<u32>,
}

impl Ranks {
    /// NaN is a missing value. At most 2^32 - 2 rows. Takes about 50 ns per row.
    pub fn new(column: &[f32]) -> Self {
        let sort = |order: &mut Vec<u64>| {
            order.sort_unstable();
            Ok(())
        };
        let Ok(ranks) = Self::sorted(column, sort, || Ok::<(), Infallible>(()));
        ranks
    }

    /// As `new`, on all threads of rayon's current pool and with checks of the stop token in between.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn by_all_threads(column: &[f32], control: &Control) -> Result<Self, LearnError> {
        Self::sorted(column, |order| sort_by(order, u64::cmp, control), || Ok(control.check()?))
    }

    /// `check` is called before each block of rows.
    fn sorted<E>(
        column: &[f32],
        sort: impl FnOnce(&mut Vec<u64>) -> Result<(), E>,
        check: impl Fn() -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut order: Vec<u64> = Vec::with_capacity(column.len());
        for (block, rows) in column.chunks(BLOCK).zip((0u64..).step_by(BLOCK)) {
            check()?;
            let present = block.iter().zip(rows..).filter(|(v, _)| !v.is_nan());
            order.extend(present.map(|(v, row)| u64::from(sort_key(*v)) << 32 | row));
        }
        sort(&mut order)?;
        let mut values: Vec<f32> = Vec::new();
        let mut codes = vec![u32::MAX; column.len()];
        for block in order.chunks(BLOCK) {
            check()?;
            for packed in block {
                let row = (packed & u64::from(u32::MAX)) as usize;
                let v = column[row] + 0.0; // -0 and 0 are one value
                if values.last() != Some(&v) {
                    values.push(v);
                }
                codes[row] = values.len() as u32 - 1;
            }
        }
        let missing = values.len() as u32;
        for code in codes.iter_mut().filter(|c| **c == u32::MAX) {
            *code = missing;
        }
        values.shrink_to_fit();
        Ok(Self { values, codes })
    }
    /// Ascending, without NaN.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
    /// Per row the index into `values`; `missing()` where the value is NaN.
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }
    /// The code of a missing value.
    pub fn missing(&self) -> u32 {
        self.values.len() as u32
    }
}

/// A key in the order of the numbers; -0 and 0 get one key.
fn sort_key(v: f32) -> u32 {
    let bits = (v + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The number that has this key.
fn of_key(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key ^ 1 << 31 } else { !key })
}

/// The values of some rows in ascending order, without NaN: each entry has the value's key in the upper 32 bits, and
/// the row's place among these rows in the lower ones.
pub struct Sorted(Vec<u64>);

impl Sorted {
    /// Sorts on all threads of rayon's current pool.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn by_all_threads(column: &[f32], rows: &[u32], control: &Control) -> Result<Self, LearnError> {
        let mut order: Vec<u64> = Vec::with_capacity(rows.len());
        let mut place = 0u64;
        control.in_blocks(rows, |rows| {
            for row in rows {
                let v = column[*row as usize];
                if !v.is_nan() {
                    order.push(u64::from(sort_key(v)) << 32 | place);
                }
                place += 1;
            }
        })?;
        sort_by(&mut order, u64::cmp, control)?;
        Ok(Self(order))
    }
    /// Number of values.
    pub fn count(&self) -> usize {
        self.0.len()
    }
    /// The rows' places, by ascending value.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|packed| *packed as u32 as usize)
    }
    /// Each distinct value and the number of rows that have it.
    pub fn runs(&self) -> impl Iterator<Item = (f32, usize)> {
        self.0.chunk_by(|a, b| a >> 32 == b >> 32).map(|run| (of_key((run[0] >> 32) as u32), run.len()))
    }
}
