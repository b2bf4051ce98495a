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
/// Inputs are limited to ± this value, since raw columns without scaling may be large and their products must not
/// exceed the range of f32.
pub const INPUT_BOUND: f64 = 1e6;

/// A preprocessor, and layers on its outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkModel {
    preprocessor: Preprocessor,
    layers: Layers,
}

impl NetworkModel {
    /// A network whose inputs are the outputs of the preprocessor.
    pub fn new(preprocessor: Preprocessor, layers: Layers) -> Self {
        Self { preprocessor, layers }
    }
    /// The preprocessor from raw columns to the layers' inputs.
    pub fn preprocessor(&self) -> &Preprocessor {
        &self.preprocessor
    }
    /// The layers from inputs to the log-odds.
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
                // Infinities of both signs can only be reached by the weights of a manipulated artifact.
                *out = if z.is_nan() { 0.5 } else { 1.0 / (1.0 + (-f64::from(*z)).exp()) };
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
        self.layers.check(self.preprocessor.width())
    }
}

/// An output of the preprocessor as an input of the first layer.
#[inline]
pub fn bounded(value: f64) -> f32 {
    value.clamp(-INPUT_BOUND, INPUT_BOUND) as f32
}

/// The network's inputs: rows × outputs of the preprocessor, row-major.
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
