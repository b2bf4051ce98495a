//! Rows to learn from. Folds and parts are lists of row numbers, never copies.

use crate::{LearnError, Matrix};

#[derive(Debug)]
pub struct Dataset {
    x: Matrix,
    y: Vec<u8>,
}

impl Dataset {
    /// Labels are 0 or 1, one per row.
    pub fn new(x: Matrix, y: Vec<u8>) -> Result<Self, LearnError> {
        if x.rows() != y.len() {
            return Err(LearnError::Data(format!("{} labels for {} rows", y.len(), x.rows())));
        }
        if let Some(at) = y.iter().position(|l| *l > 1) {
            return Err(LearnError::Data(format!("row {at}: label {} is neither 0 nor 1", y[at])));
        }
        Ok(Self { x, y })
    }
    pub fn x(&self) -> &Matrix {
        &self.x
    }
    pub fn y(&self) -> &[u8] {
        &self.y
    }
    pub fn rows(&self) -> usize {
        self.y.len()
    }
}
