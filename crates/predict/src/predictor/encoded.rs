//! A predictor on categories that are encoded as rates of acceptance.

use super::{Predictor, nesting};
use crate::control::Control;
use crate::encoder::Encoder;
use crate::error::PredictError;
use crate::matrix::Matrix;
use serde::{Deserialize, Deserializer, Serialize};
use std::cell::Cell;

/// A predictor over encoded columns, and the encoder that computes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncodedModel {
    encoder: Encoder,
    #[serde(deserialize_with = "not_nested")]
    predictor: Box<Predictor>,
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Refuses an encoder within an encoder.
fn not_nested<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<Predictor>, D::Error> {
    nesting::once(&INSIDE, "an encoder within an encoder", deserializer)
}

/// Rows that are encoded at a time.
const CHUNK: usize = 65_536;

impl EncodedModel {
    /// A model whose `predictor` takes the outputs of `encoder`.
    pub fn new(encoder: Encoder, predictor: Box<Predictor>) -> Self {
        Self { encoder, predictor }
    }

    /// The encoder from raw columns to encoded ones.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// The predictor on the encoded columns.
    pub fn predictor(&self) -> &Predictor {
        &self.predictor
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
        let own: Vec<usize> = (0..self.encoder.outputs()).collect();
        let mut out = Vec::with_capacity(rows.len());
        for rows in rows.chunks(CHUNK) {
            control.check()?;
            let encoded = Matrix::of_finite(self.encoder.names().to_vec(), self.encoder.encode(x, columns, rows));
            let all: Vec<u32> = (0..rows.len() as u32).collect();
            out.extend(self.predictor.predict_with(&encoded, &own, &all, control)?);
        }
        Ok(out)
    }

    /// Checks a model of a decoded artifact. `width` is the number of raw columns.
    ///
    /// # Errors
    ///
    /// A description of the first fault.
    pub fn check(&self, width: usize) -> Result<(), String> {
        self.encoder.check(width)?;
        if matches!(*self.predictor, Predictor::Encoded(_) | Predictor::Ensemble(_) | Predictor::Stack(_)) {
            return Err("an encoder around a model that is no single learner's".to_owned());
        }
        self.predictor.check(self.encoder.outputs())
    }
}
