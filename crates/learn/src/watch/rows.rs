//! Rows of a reference or a window.

use crate::error::LearnError;
use provost_predict::matrix::Matrix;

/// Rows of a reference or a window: encoded features, the applicant of each row, and the model's predictions.
#[derive(Debug, Clone)]
pub struct WatchedRows {
    x: Matrix,
    applicants: Vec<u64>,
    probabilities: Option<Vec<f64>>,
}

impl WatchedRows {
    /// Features as the model sees them (NaN is missing), the applicant of each row, and the calibrated probability of
    /// each row by a model that was not trained on the row; NaN for the other rows. Rows without a probability are left
    /// out where predictions are compared. A row of an unknown applicant must have a number of its own as the
    /// applicant. A matrix without columns has no features to compare.
    ///
    /// # Errors
    ///
    /// `Data` where the lengths differ, or a probability is not within 0 to 1.
    pub fn new(x: Matrix, applicants: Vec<u64>, probabilities: Option<Vec<f64>>) -> Result<Self, LearnError> {
        let n = applicants.len();
        if x.width() > 0 && x.rows() != n {
            return Err(LearnError::Data(format!("{} rows of features for {n} applicants", x.rows())));
        }
        if let Some(given) = &probabilities {
            if given.len() != n {
                return Err(LearnError::Data(format!("{} probabilities for {n} applicants", given.len())));
            }
            if let Some(p) = given.iter().find(|p| !p.is_nan() && !(0.0..=1.0).contains(*p)) {
                return Err(LearnError::Data(format!("a probability is {p}; 0 to 1 is allowed")));
            }
        }
        Ok(Self { x, applicants, probabilities })
    }
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.applicants.len()
    }
    /// The features.
    pub fn x(&self) -> &Matrix {
        &self.x
    }
    /// The applicant of each row.
    pub fn applicants(&self) -> &[u64] {
        &self.applicants
    }
    /// The model's probabilities; NaN for rows without one.
    pub fn probabilities(&self) -> Option<&[f64]> {
        self.probabilities.as_deref()
    }
    /// The values of a feature by its name; None where these rows do not have it.
    pub(super) fn feature(&self, name: &str) -> Option<&[f32]> {
        let column = self.x.names().iter().position(|n| n == name)?;
        Some(self.x.column(column))
    }
}
