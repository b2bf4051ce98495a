//! Rows to learn from. Folds and parts are lists of row numbers, never copies.

use crate::ranks::Ranks;
use crate::{LearnError, Matrix};
use std::sync::OnceLock;

/// Above this many rows the four bytes for each cell are not kept: sorting again takes a small part of a fit.
const KEPT_ROWS: usize = 1 << 18;

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
    /// Calls `work` with the column's rank coding, which is kept for the next fold and fit unless it takes much memory.
    pub fn with_ranks<T>(&self, column: usize, work: impl FnOnce(&Ranks) -> T) -> T {
        // Serial inside: a parallel step here could wait for a thread that waits for this very cell.
        let make = || Ranks::new(self.x.column(column));
        if self.rows() > KEPT_ROWS { work(&make()) } else { work(self.ranks[column].get_or_init(make)) }
    }
}
