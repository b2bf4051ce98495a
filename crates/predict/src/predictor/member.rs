//! One model inside an ensemble.

use super::{Predictor, nesting};
use crate::calibration::Calibration;
use crate::control::Control;
use crate::error::PredictError;
use crate::matrix::Matrix;
use serde::{Deserialize, Deserializer, Serialize};
use std::cell::Cell;

/// A fitted model with its weight in the mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Positive; the weights of an ensemble sum to 1.
    pub weight: f64,
    /// The columns that the predictor uses, in its order, as indices into the ensemble's columns.
    pub columns: Vec<u32>,
    /// Maps the columns to a score.
    #[serde(deserialize_with = "not_nested")]
    pub predictor: Box<Predictor>,
    /// Maps the score to a probability.
    pub calibration: Calibration,
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Refuses an ensemble within an ensemble.
fn not_nested<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<Predictor>, D::Error> {
    nesting::once(&INSIDE, "an ensemble within an ensemble", deserializer)
}

/// Weighted mean of the members' calibrated probabilities. The parameters are those of `Predictor::predict`.
pub(super) fn predict(
    members: &[Member],
    x: &Matrix,
    columns: &[usize],
    rows: &[u32],
    control: &Control,
) -> Result<Vec<f64>, PredictError> {
    let mut mean = vec![0.0; rows.len()];
    for member in members {
        let own: Vec<usize> = member.columns.iter().map(|c| columns[*c as usize]).collect();
        for (mean, p) in mean.iter_mut().zip(member.predictor.predict_with(x, &own, rows, control)?) {
            *mean += member.weight * member.calibration.apply(p);
        }
    }
    mean.iter_mut().for_each(|p| *p = p.clamp(0.0, 1.0));
    Ok(mean)
}

/// Checks that a member's columns are among the `width` columns of `what`.
///
/// # Errors
///
/// Names the first column that is not.
pub(super) fn within_columns(columns: &[u32], width: usize, what: &str) -> Result<(), String> {
    match columns.iter().find(|column| **column as usize >= width) {
        Some(column) => Err(format!("{what}'s member uses column {column} of {width}")),
        None => Ok(()),
    }
}

/// Checks members of a decoded artifact for everything that `predict` relies on. `width` is the number of the
/// ensemble's columns.
pub(super) fn check(members: &[Member], width: usize) -> Result<(), String> {
    let total: f64 = members.iter().map(|m| m.weight).sum();
    if members.iter().any(|m| m.weight.is_nan() || m.weight <= 0.0) || (total - 1.0).abs() > 1e-6 {
        return Err(format!("the weights of an ensemble have to be positive and sum to 1; their sum is {total}"));
    }
    for member in members {
        if matches!(*member.predictor, Predictor::Ensemble(_) | Predictor::Stack(_)) {
            return Err("an ensemble around an ensemble or a stack".to_owned());
        }
        within_columns(&member.columns, width, "an ensemble")?;
        member.calibration.check()?;
        member.predictor.check(member.columns.len())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn member(weight: f64, predictor: Predictor) -> Member {
        Member { weight, columns: vec![0], predictor: Box::new(predictor), calibration: Calibration::None }
    }

    #[test]
    fn predicts_the_weighted_mean() {
        let x = Matrix::new(vec!["a".into()], vec![vec![1.0, 2.0]]).unwrap();
        let members = [member(0.25, Predictor::Constant(0.2)), member(0.75, Predictor::Constant(0.6))];
        assert!(
            predict(&members, &x, &[0], &[1, 0], &Control::default()).unwrap().iter().all(|p| (p - 0.5).abs() < 1e-12)
        );
        check(&members, 1).unwrap();
    }

    #[test]
    fn refuses_nesting_and_bad_weights() {
        let nested =
            Predictor::Ensemble(vec![member(1.0, Predictor::Ensemble(vec![member(1.0, Predictor::Constant(0.5))]))]);
        let bytes = postcard::to_allocvec(&nested).unwrap();
        assert!(postcard::from_bytes::<Predictor>(&bytes).is_err());
        let flat = Predictor::Ensemble(vec![member(1.0, Predictor::Constant(0.5))]);
        assert_eq!(postcard::from_bytes::<Predictor>(&postcard::to_allocvec(&flat).unwrap()).unwrap(), flat);
        assert!(check(&[member(f64::NAN, Predictor::Constant(0.5))], 1).is_err());
        assert!(check(&[member(0.5, Predictor::Constant(0.5))], 1).unwrap_err().contains("their sum is 0.5"));
        assert!(check(&[member(1.0, Predictor::Constant(0.5))], 0).unwrap_err().contains("column 0 of 0"));
        assert!(check(&[], 1).is_err());
    }
}
