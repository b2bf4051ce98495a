//! Fitted logistic regression.

use crate::control::Control;
use crate::error::PredictError;
use crate::matrix::Matrix;
use crate::parallel::fill_chunks;
use crate::preprocess::Preprocessor;
use serde::{Deserialize, Serialize};

/// Rows per task when predicting.
const CHUNK: usize = 2_048;
/// Largest absolute value of a coefficient in a decoded artifact.
const BOUND: f64 = 1e100;

/// A preprocessor to the standardised scale, and coefficients on that scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogisticModel {
    preprocessor: Preprocessor,
    /// One coefficient per output of the preprocessor.
    coefficients: Vec<f64>,
    intercept: f64,
}

impl LogisticModel {
    /// A model with one coefficient per output of the preprocessor.
    pub fn new(preprocessor: Preprocessor, coefficients: Vec<f64>, intercept: f64) -> Self {
        Self { preprocessor, coefficients, intercept }
    }
    /// The preprocessor from raw columns to the standardised scale.
    pub fn preprocessor(&self) -> &Preprocessor {
        &self.preprocessor
    }
    /// The coefficients, one per output of the preprocessor.
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }
    /// The log-odds where every output of the preprocessor is 0.
    pub fn intercept(&self) -> f64 {
        self.intercept
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
        let width = self.coefficients.len();
        let mut out = vec![0.0; rows.len()];
        fill_chunks(&mut out, rows, CHUNK, |out, rows| {
            control.check()?;
            let mut design = vec![0.0; rows.len() * width];
            if width > 0 {
                self.preprocessor.fill(x, columns, rows, width, &mut design);
            }
            for (i, out) in out.iter_mut().enumerate() {
                let row = &design[i * width..(i + 1) * width];
                let z = row.iter().zip(&self.coefficients).fold(self.intercept, |z, (v, c)| z + v * c);
                *out = 1.0 / (1.0 + (-z).exp());
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// Checks a model of a decoded artifact. `width` is the number of the model's columns.
    ///
    /// # Errors
    ///
    /// A description of the first fault.
    pub fn check(&self, width: usize) -> Result<(), String> {
        self.preprocessor.check(width)?;
        if self.coefficients.len() != self.preprocessor.width() {
            return Err(format!("{} coefficients for {} inputs", self.coefficients.len(), self.preprocessor.width()));
        }
        match self.coefficients.iter().chain([&self.intercept]).find(|c| c.is_nan() || c.abs() > BOUND) {
            Some(c) => Err(format!("a coefficient of {c}")),
            None => Ok(()),
        }
    }
}
