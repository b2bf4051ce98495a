//! Fitted gradient-boosted trees (Friedman 2001) on log loss.

use crate::calibration::sigmoid;
use crate::control::Control;
use crate::error::PredictError;
use crate::matrix::Matrix;
use crate::trees::sets::Categories;
use crate::trees::{self, Tree};
use serde::{Deserialize, Serialize};

/// Fitted boosted trees: log-odds of the base rate plus the leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Boosting {
    base: f64,
    trees: Vec<Tree>,
}

impl Boosting {
    /// Trees whose leaves are added to the log-odds `base`.
    pub fn new(base: f64, trees: Vec<Tree>) -> Self {
        Self { base, trees }
    }
    /// The log-odds before the first tree.
    pub fn base(&self) -> f64 {
        self.base
    }
    /// The trees, in the order in which they were grown.
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }
    /// Probability of class 1 for each of `rows`. `columns` maps the model's own columns to the matrix's.
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
        Ok(self.predict_at(None, x, columns, rows, &[self.trees.len()], control)?.pop().unwrap_or_default())
    }
    /// Probabilities of class 1 by the first n trees, for each n of `ends` (ascending), one vector per n. `categories`
    /// are needed for trees that split by sets.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn predict_at(
        &self,
        categories: Option<&Categories>,
        x: &Matrix,
        columns: &[usize],
        rows: &[u32],
        ends: &[usize],
        control: &Control,
    ) -> Result<Vec<Vec<f64>>, PredictError> {
        let mut all = trees::sums(&self.trees, categories, x, columns, rows, ends, 0.0f64, control)?;
        all.iter_mut().flatten().for_each(|s| *s = sigmoid(self.base + *s));
        Ok(all)
    }
    /// Checks that predicting from `width` columns cannot panic or loop.
    ///
    /// # Errors
    ///
    /// A description of the first fault.
    pub fn validate(&self, width: usize) -> Result<(), String> {
        self.validate_with(None, width)
    }
    fn validate_with(&self, categories: Option<&Categories>, width: usize) -> Result<(), String> {
        if !self.base.is_finite() {
            return Err(format!("the base score is {}; a finite number is required", self.base));
        }
        trees::validate(&self.trees, categories, width)
    }
}

/// Boosted trees some of whose splits are sets of categories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoryBoosting {
    boosting: Boosting,
    categories: Categories,
}

impl CategoryBoosting {
    /// Boosted trees whose sets are of `categories`.
    pub fn new(boosting: Boosting, categories: Categories) -> Self {
        Self { boosting, categories }
    }
    /// The trees with their base.
    pub fn boosting(&self) -> &Boosting {
        &self.boosting
    }
    /// The categories and sets of the trees' splits.
    pub fn categories(&self) -> &Categories {
        &self.categories
    }
    /// As `Boosting::predict`; columns of categories hold the matrix's values as they are.
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
        let all = [self.boosting.trees.len()];
        let found = self.boosting.predict_at(Some(&self.categories), x, columns, rows, &all, control)?;
        Ok(found.into_iter().next_back().unwrap_or_default())
    }
    /// As `Boosting::validate`.
    ///
    /// # Errors
    ///
    /// A description of the first fault.
    pub fn validate(&self, width: usize) -> Result<(), String> {
        self.boosting.validate_with(Some(&self.categories), width)
    }
}
