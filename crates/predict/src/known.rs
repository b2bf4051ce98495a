//! The categories of one column that a fitted model tells apart, and their codes.

use serde::{Deserialize, Serialize};

/// Values of one column, each with a code: its place among them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The predictor's own.
    column: u32,
    /// Ascending.
    values: Vec<f32>,
}

impl Known {
    /// `values` ascending and finite.
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

    /// None for what is not known or missing.
    #[inline]
    pub fn code(&self, value: f32) -> Option<usize> {
        self.values.binary_search_by(|known| known.total_cmp(&value)).ok()
    }

    /// Of a decoded artifact.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn check(&self, width: usize) -> Result<(), String> {
        let ascending = self.values.is_sorted_by(|a, b| a.total_cmp(b).is_lt());
        if (self.column as usize) < width && ascending && self.values.iter().all(|v| v.is_finite()) {
            Ok(())
        } else {
            Err(format!("the categories of column {} of {width} are damaged", self.column))
        }
    }
}
