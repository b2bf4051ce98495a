//! Rows to learn from. Folds and parts are lists of row numbers, never copies.

use crate::error::LearnError;
use crate::ranks::Ranks;
use provost_domain::features::CATEGORY_RULE;
use provost_predict::control::Control;
use provost_predict::matrix::Matrix;
use std::sync::OnceLock;

/// Above this number of rows the rank codings, four bytes for each cell, are not kept: sorting again takes a small part
/// of a fit.
const KEPT_ROWS: usize = 1 << 18;

/// A feature matrix with its labels.
#[derive(Debug)]
pub struct Dataset {
    x: Matrix,
    y: Vec<u8>,
    ranks: Vec<OnceLock<Ranks>>,
    category_rule: u32,
}

impl Dataset {
    /// One label, 0 or 1, for each row of `x`. Categories are taken to be coded by the current rule.
    ///
    /// # Errors
    ///
    /// `Data` where the number of labels is not that of the rows, or a label is neither 0 nor 1.
    pub fn new(x: Matrix, y: Vec<u8>) -> Result<Self, LearnError> {
        if x.rows() != y.len() {
            return Err(LearnError::Data(format!("{} labels for {} rows", y.len(), x.rows())));
        }
        if let Some(at) = y.iter().position(|l| *l > 1) {
            return Err(LearnError::Data(format!("row {at}: label {} is neither 0 nor 1", y[at])));
        }
        let ranks = x.names().iter().map(|_| OnceLock::new()).collect();
        Ok(Self { x, y, ranks, category_rule: CATEGORY_RULE })
    }
    /// The same rows, with categories that were coded by this rule.
    #[must_use]
    pub fn coded_by(self, category_rule: u32) -> Self {
        Self { category_rule, ..self }
    }
    /// The rule by which the categories were coded; a model that is trained on these rows stores it.
    pub fn category_rule(&self) -> u32 {
        self.category_rule
    }
    /// The features.
    pub fn x(&self) -> &Matrix {
        &self.x
    }
    /// The labels, 0 or 1.
    pub fn y(&self) -> &[u8] {
        &self.y
    }
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.y.len()
    }
    /// Whether rank codings are kept for later folds and fits. Where they would take too much memory they are not kept,
    /// and a caller should ask for one column after the other.
    pub fn keeps_ranks(&self) -> bool {
        self.rows() <= KEPT_ROWS
    }
    /// Calls `work` with the column's rank coding.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn with_ranks<T>(
        &self,
        column: usize,
        control: &Control,
        work: impl FnOnce(&Ranks) -> T,
    ) -> Result<T, LearnError> {
        if !self.keeps_ranks() {
            return Ok(work(&Ranks::by_all_threads(self.x.column(column), control)?));
        }
        control.check()?;
        // Sorts on this thread only: a parallel sort inside `get_or_init` could wait for a thread that waits for this
        // very cell.
        Ok(work(self.ranks[column].get_or_init(|| Ranks::new(self.x.column(column)))))
    }
}
