//! A fitted random forest (Breiman 2001).

use crate::control::Control;
use crate::error::PredictError;
use crate::matrix::Matrix;
use crate::trees::{self, Tree};
use serde::{Deserialize, Serialize};

/// A fitted forest: the probability is the mean over the trees of the share of class 1 in the row's leaf.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    trees: Vec<Tree>,
}

impl Forest {
    /// Trees whose leaves are shares of class 1.
    pub fn new(trees: Vec<Tree>) -> Self {
        Self { trees }
    }
    /// The trees, in the order in which they were grown.
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }
    /// Probability of class 1 for each of `rows`. `columns` maps the forest's own columns to the matrix's.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn predict(
        &self,
        x: &Matrix,
        columns: &[usize],
        rows: &[u32],
        control: &Control,
    ) -> Result<Vec<f64>, PredictError> {
        let all = trees::sums(&self.trees, None, x, columns, rows, &[self.trees.len()], 0.0f64, control)?.pop();
        let mut sums = all.unwrap_or_default();
        sums.iter_mut().for_each(|s| *s /= self.trees.len() as f64);
        Ok(sums)
    }
    /// Checks that predicting from `width` columns cannot panic, loop or give a value outside [0, 1].
    ///
    /// # Errors
    ///
    /// A description of the first fault.
    pub fn validate(&self, width: usize) -> Result<(), String> {
        trees::validate(&self.trees, None, width)?;
        match self.trees.iter().flatten().filter_map(trees::Node::as_leaf).find(|v| !(0.0..=1.0).contains(v)) {
            Some(v) => Err(format!("leaf with probability {v}")),
            None => Ok(()),
        }
    }
}
