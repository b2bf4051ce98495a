//! Imputation, presence indicators and standardisation, for models that cannot handle missing values.

use crate::matrix::Matrix;
use serde::{Deserialize, Serialize};

/// Largest absolute value of a number in a decoded artifact, small enough that the product of three such numbers and an
/// f32 does not overflow.
const BOUND: f64 = 1e60;

/// An affine map: `(value − shift) · factor`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Affine {
    /// Subtracted.
    pub shift: f64,
    /// Factor of the difference.
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
    /// The training median, which replaces a missing value.
    pub median: f64,
    /// Scaling of the output that holds the value.
    pub value: Affine,
    /// Scaling of the output that is 1 where the value is present, else 0. There is one only if some, but not all,
    /// values are missing in training.
    pub present: Option<Affine>,
}

/// Maps feature columns to a dense design matrix: first one output per column, then the indicators of presence.
///
/// A column without any value in training is constantly 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocessor {
    columns: Vec<Column>,
}

/// Describes one output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Output {
    /// Index of the output's column among the fitted columns.
    pub column: usize,
    /// Whether the output is an indicator of presence.
    pub indicator: bool,
    /// One unit of the output in units of the feature.
    pub unit: f64,
}

impl Preprocessor {
    /// A preprocessor with one entry per column.
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns }
    }
    /// The entries, one per column.
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

    /// Writes the design matrix of `rows` into `out`, row-major with `stride` numbers a row (at least `width`; `out`
    /// has `rows.len() · stride` numbers). Numbers beyond `width` stay as they are. `columns` maps the fitted columns
    /// to the matrix's.
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

    /// Checks a preprocessor of a decoded artifact. `width` is the number of the model's columns.
    ///
    /// # Errors
    ///
    /// A description of the first fault.
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
