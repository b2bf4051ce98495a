//! A fitted multilayer perceptron with one output.

pub mod activation;
pub mod elementwise;
pub mod layers;
pub mod product;

use crate::control::Control;
use crate::error::PredictError;
use crate::matrix::Matrix;
use crate::parallel::fill_chunks;
use crate::preprocess::Preprocessor;
use layers::{Buffers, Layers};
use serde::{Deserialize, Serialize};

/// Rows per task when predicting.
const CHUNK: usize = 512;
/// Inputs beyond this (raw columns without scaling) are cut: their products must stay within f32.
pub const INPUT_BOUND: f64 = 1e6;

/// Layers over preprocessed columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkModel {
    preprocessor: Preprocessor,
    layers: Layers,
}

impl NetworkModel {
    /// The layers' inputs are the preprocessor's outputs.
    pub fn new(preprocessor: Preprocessor, layers: Layers) -> Self {
        Self { preprocessor, layers }
    }
    /// From raw columns to the layers' inputs.
    pub fn preprocessor(&self) -> &Preprocessor {
        &self.preprocessor
    }
    /// From inputs to the log-odds.
    pub fn layers(&self) -> &Layers {
        &self.layers
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
        let mut out = vec![0.0; rows.len()];
        fill_chunks(&mut out, rows, CHUNK, |out, rows| {
            let inputs = inputs(&self.preprocessor, x, columns, rows, control)?;
            let mut buffers = Buffers::new(&self.layers, rows.len());
            for (out, z) in out.iter_mut().zip(self.layers.forward(&inputs, rows.len(), &mut buffers)) {
                // Only the weights of a doctored artifact reach infinities of both signs.
                *out = if z.is_nan() { 0.5 } else { 1.0 / (1.0 + (-f64::from(*z)).exp()) };
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// Of a decoded artifact.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn check(&self, width: usize) -> Result<(), String> {
        self.preprocessor.check(width)?;
        self.layers.check(self.preprocessor.width())
    }
}

/// An output of the preprocessor as the first layer takes it.
#[inline]
pub fn bounded(value: f64) -> f32 {
    value.clamp(-INPUT_BOUND, INPUT_BOUND) as f32
}

/// The network's inputs, row-major.
///
/// # Errors
///
/// `Stopped`.
pub fn inputs(
    preprocessor: &Preprocessor,
    x: &Matrix,
    columns: &[usize],
    rows: &[u32],
    control: &Control,
) -> Result<Vec<f32>, PredictError> {
    let width = preprocessor.width();
    let mut inputs = Vec::with_capacity(rows.len() * width);
    control.in_blocks(rows, |rows| {
        let mut design = vec![0.0; rows.len() * width];
        if width > 0 {
            preprocessor.fill(x, columns, rows, width, &mut design);
        }
        inputs.extend(design.into_iter().map(bounded));
    })?;
    Ok(inputs)
}
