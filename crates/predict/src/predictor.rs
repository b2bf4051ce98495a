//! A fitted predictor of any algorithm: what is needed to predict, and nothing else.

pub mod encoded;
pub mod member;
mod nesting;
pub mod stack;

use crate::boosting::{Boosting, CategoryBoosting};
use crate::control::Control;
use crate::error::PredictError;
use crate::forest::Forest;
use crate::logistic::LogisticModel;
use crate::matrix::Matrix;
use crate::network::NetworkModel;
use crate::xgboost::XgboostModel;
use encoded::EncodedModel;
use member::Member;
use serde::{Deserialize, Serialize};
use stack::Stack;

/// One variant per algorithm; each holds its own preprocessing, so that it predicts from the raw matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Predictor {
    /// The same probability for every row.
    Constant(f64),
    /// Logistic regression.
    Logistic(LogisticModel),
    /// A random forest.
    Forest(Forest),
    /// Gradient-boosted trees.
    Boosting(Boosting),
    /// A weighted mean of calibrated models.
    Ensemble(Vec<Member>),
    /// A multilayer perceptron.
    Network(NetworkModel),
    /// Trees that XGBoost grew.
    Xgboost(XgboostModel),
    /// An encoder of categories as rates, and one of the above on the encoded columns.
    Encoded(EncodedModel),
    /// Gradient-boosted trees with splits by sets of categories.
    CategoryBoosting(CategoryBoosting),
    /// A linear combination of calibrated models.
    Stack(Stack),
}

impl Predictor {
    /// Probability of class 1 for each of `rows`, in order. `columns` maps the predictor's own columns to the matrix's.
    pub fn predict(&self, x: &Matrix, columns: &[usize], rows: &[u32]) -> Vec<f64> {
        match self.predict_with(x, columns, rows, &Control::default()) {
            Ok(p) => p,
            Err(_) => unreachable!("a control that nobody else holds stops nothing, and nothing else is an error"),
        }
    }

    /// As `predict`; stops when the control's token is set.
    ///
    /// # Errors
    ///
    /// `Stopped`, and nothing else.
    pub fn predict_with(
        &self,
        x: &Matrix,
        columns: &[usize],
        rows: &[u32],
        control: &Control,
    ) -> Result<Vec<f64>, PredictError> {
        match self {
            Predictor::Constant(p) => Ok(vec![*p; rows.len()]),
            Predictor::Logistic(m) => m.predict(x, columns, rows, control),
            Predictor::Forest(forest) => forest.predict(x, columns, rows, control),
            Predictor::Boosting(boosting) => boosting.predict(x, columns, rows, control),
            Predictor::Ensemble(members) => member::predict(members, x, columns, rows, control),
            Predictor::Network(m) => m.predict(x, columns, rows, control),
            Predictor::Xgboost(m) => m.predict(x, columns, rows, control),
            Predictor::Encoded(m) => m.predict(x, columns, rows, control),
            Predictor::CategoryBoosting(m) => m.predict(x, columns, rows, control),
            Predictor::Stack(m) => m.predict(x, columns, rows, control),
        }
    }

    /// Checks a predictor of a decoded artifact for everything that `predict` relies on. `width` is the number of its
    /// columns.
    ///
    /// # Errors
    ///
    /// A description of the first fault.
    pub fn check(&self, width: usize) -> Result<(), String> {
        match self {
            Predictor::Constant(p) if (0.0..=1.0).contains(p) => Ok(()),
            Predictor::Constant(p) => Err(format!("a constant probability of {p}")),
            Predictor::Logistic(m) => m.check(width),
            Predictor::Forest(forest) => forest.validate(width),
            Predictor::Boosting(boosting) => boosting.validate(width),
            Predictor::Ensemble(members) => member::check(members, width),
            Predictor::Network(m) => m.check(width),
            Predictor::Xgboost(m) => m.check(width),
            Predictor::Encoded(m) => m.check(width),
            Predictor::CategoryBoosting(m) => m.validate(width),
            Predictor::Stack(m) => m.check(width),
        }
    }
}
