//! Rows to learn from. Folds and parts are lists of row numbers, never copies.

use crate::ranks::Ranks;
use crate::{LearnError, Matrix};
use std::sync::OnceLock;

#[derive(Debug)]
pub struct Dataset {
    x: Matrix,
    y: Vec<u8>,
    ranks: Vec<OnceLock<Ranks>>,
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
        let ranks = x.names().iter().map(|_| OnceLock::new()).collect();
        Ok(Self { x, y, ranks })
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
    /// The column's rank coding, computed when first asked for.
    pub fn ranks(&self, column: usize) -> &Ranks {
        // Serial inside: a parallel step here could wait for a thread that waits for this very cell.
        self.ranks[column].get_or_init(|| Ranks::new(self.x.column(column)))
    }
}
