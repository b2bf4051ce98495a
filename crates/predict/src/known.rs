//! The categories of one column that a fitted model distinguishes, and their codes.

use serde::{Deserialize, Serialize};

/// The known values of one column. The code of a value is its index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// Index of the column among the predictor's own.
    column: u32,
    /// The values, ascending.
    values: Vec<f32>,
}

impl Known {
    /// `values` must be ascending and finite.
    pub fn new(column: usize, values: Vec<f32>) -> Self {
        Self { column: column as u32, values }
    }

    /// The predictor's own column.
    pub fn column(&self) -> usize {
        self.column as usize
    }

    /// The known values, by code.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The code of a value; None if the value is unknown or missing.
    #[inline]
    pub fn code(&self, value: f32) -> Option<usize> {
        self.values.binary_search_by(|known| known.total_cmp(&value)).ok()
    }

    /// Checks known values of a decoded artifact. `width` is the number of the predictor's columns.
    ///
    /// # Errors
    ///
    /// A description of the first fault.
    pub fn check(&self, width: usize) -> Result<(), String> {
        let ascending = self.values.is_sorted_by(|a, b| a.total_cmp(b).is_lt());
        if (self.column as usize) < width && ascending && self.values.iter().all(|v| v.is_finite()) {
            Ok(())
        } else {
            Err(format!("the categories of column {} of {width} are damaged", self.column))
        }
    }
}
