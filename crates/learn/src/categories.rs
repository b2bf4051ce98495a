//! The categories of one column that a fit tells apart, and their codes.

use crate::sorting::sort_by;
use crate::{Control, LearnError};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// Values of one column, each with a code: its place among them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The predictor's own.
    column: u32,
    /// Ascending.
    values: Vec<f32>,
}

impl Known {
    /// Those that at least `least` of the rows have, the `most` most frequent at most.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn new(
        column: usize,
        x: &[f32],
        rows: &[u32],
        (most, least): (usize, usize),
        control: &Control,
    ) -> Result<Self, LearnError> {
        let mut present: Vec<f32> = Vec::with_capacity(rows.len());
        control.in_blocks(rows, |rows| {
            present.extend(rows.iter().map(|row| x[*row as usize]).filter(|v| !v.is_nan()));
        })?;
        sort_by(&mut present, f32::total_cmp, control)?;
        let runs = present.chunk_by(|a, b| a.total_cmp(b).is_eq());
        let mut runs: Vec<&[f32]> = runs.filter(|run| run.len() >= least).collect();
        runs.sort_by_key(|run| Reverse(run.len()));
        let mut values: Vec<f32> = runs.iter().take(most).map(|run| run[0]).collect();
        values.sort_unstable_by(f32::total_cmp);
        Ok(Self { column: column as u32, values })
    }

    pub fn column(&self) -> usize {
        self.column as usize
    }

    /// By code.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// None for what is not known or missing.
    #[inline]
    pub fn code(&self, value: f32) -> Option<usize> {
        self.values.binary_search_by(|known| known.total_cmp(&value)).ok()
    }

    /// Of a decoded artifact.
    pub fn check(&self, width: usize) -> Result<(), String> {
        let ascending = self.values.is_sorted_by(|a, b| a.total_cmp(b).is_lt());
        if (self.column as usize) < width && ascending && self.values.iter().all(|v| v.is_finite()) {
            Ok(())
        } else {
            Err(format!("the categories of column {} of {width} are damaged", self.column))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_most_frequent_are_known_by_their_order() {
        let x = [7.0, f32::NAN, 3.0, 7.0, 9.0, 3.0, 7.0, 1.0];
        let rows: Vec<u32> = (0..8).collect();
        let of =
            |rows: &[u32], most, least| Known::new(2, &x, rows, (most, least), &Control::default()).unwrap().values;
        assert_eq!(of(&rows, 9, 1), [1.0, 3.0, 7.0, 9.0]);
        assert_eq!(of(&rows, 9, 2), [3.0, 7.0]);
        // Of equals the smaller.
        assert_eq!(of(&rows, 3, 1), [1.0, 3.0, 7.0]);
        assert_eq!(of(&rows[3..5], 3, 1), [7.0, 9.0]);
        let known = Known::new(2, &x, &rows, (9, 2), &Control::default()).unwrap();
        assert_eq!([3.0, 7.0, 1.0, f32::NAN].map(|v| known.code(v)), [Some(0), Some(1), None, None]);
        assert!(known.check(3).is_ok() && known.check(2).is_err());
    }
}
