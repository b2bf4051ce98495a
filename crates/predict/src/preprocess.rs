//! Imputation, presence indicators and standardisation, for the models that cannot take a missing value.

use crate::matrix::Matrix;
use serde::{Deserialize, Serialize};

/// Of a decoded artifact's numbers: no product of three of them with an f32 overflows.
const BOUND: f64 = 1e60;

/// `(value − shift) · factor`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Affine {
    /// Subtracted.
    pub shift: f64,
    /// Multiplied with.
    pub factor: f64,
}

impl Affine {
    /// The mapped value.
    #[inline]
    pub fn apply(self, value: f64) -> f64 {
        (value - self.shift) * self.factor
    }
}

/// How one column is preprocessed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// The training median, in place of a missing value.
    pub median: f64,
    /// For the output that is the value.
    pub value: Affine,
    /// For the output that is 1 where the value is present; only where some, but not all, are missing in training.
    pub present: Option<Affine>,
}

/// Maps feature columns to a dense design: one output per column, then the indicators.
///
/// A column without any value in training is constantly 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocessor {
    columns: Vec<Column>,
}

/// What one output is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Output {
    /// Index into the columns fitted on.
    pub column: usize,
    /// Whether it says that the value is present.
    pub indicator: bool,
    /// One unit of the output in units of the feature.
    pub unit: f64,
}

impl Preprocessor {
    /// One entry per column.
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns }
    }
    /// One entry per column.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Number of outputs.
    pub fn width(&self) -> usize {
        self.columns.len() + self.columns.iter().filter(|c| c.present.is_some()).count()
    }

    /// The outputs, in order.
    pub fn outputs(&self) -> Vec<Output> {
        let output = |column, affine: &Affine, indicator| Output {
            column,
            indicator,
            unit: if affine.factor > 0.0 { affine.factor.recip() } else { 1.0 },
        };
        let values = self.columns.iter().enumerate().map(|(i, c)| output(i, &c.value, false));
        let present =
            self.columns.iter().enumerate().filter_map(|(i, c)| c.present.as_ref().map(|p| output(i, p, true)));
        values.chain(present).collect()
    }

    /// The design of `rows`, row-major with `stride` (at least `width`) numbers a row, into `out` (`rows.len() · stride`
    /// numbers). Numbers beyond `width` stay as they are.
    pub fn fill(&self, x: &Matrix, columns: &[usize], rows: &[u32], stride: usize, out: &mut [f64]) {
        let mut indicator = self.columns.len();
        for (at, (fitted, column)) in self.columns.iter().zip(columns).enumerate() {
            let values = x.column(*column);
            for (row, out) in rows.iter().zip(out.chunks_exact_mut(stride)) {
                let v = f64::from(values[*row as usize]);
                out[at] = fitted.value.apply(if v.is_nan() { fitted.median } else { v });
            }
            let Some(present) = fitted.present else { continue };
            for (row, out) in rows.iter().zip(out.chunks_exact_mut(stride)) {
                out[indicator] = present.apply(f64::from(u8::from(!values[*row as usize].is_nan())));
            }
            indicator += 1;
        }
    }

    /// Of a decoded artifact.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn check(&self, width: usize) -> Result<(), String> {
        if self.columns.len() != width {
            return Err(format!("preprocessing of {} columns for a model of {width}", self.columns.len()));
        }
        let fits = |a: &Affine| a.shift.abs() <= BOUND && (0.0..=BOUND).contains(&a.factor);
        let sound = |c: &Column| c.median.abs() <= BOUND && fits(&c.value) && c.present.as_ref().is_none_or(fits);
        match self.columns.iter().position(|c| !sound(c)) {
            Some(at) => Err(format!("preprocessing of column {at} is not finite")),
            None => Ok(()),
        }
    }
}
