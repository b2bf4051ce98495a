//! A linear stack of members (Wolpert 1992). A member may be a bag, which is an ensemble of the models that one learner
//! fitted on the folds. No learner fits a stack yet; artifacts can hold one, so that a later learner needs no new
//! format.

use super::member::within_columns;
use super::{Predictor, nesting};
use crate::calibration::{Calibration, logit, sigmoid};
use crate::control::Control;
use crate::error::PredictError;
use crate::matrix::Matrix;
use serde::{Deserialize, Deserializer, Serialize};
use std::cell::Cell;

/// The largest weight that a decoded artifact may have.
const BOUND: f64 = 1e6;

/// A fitted model with its weight in the sum of log-odds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StackMember {
    /// The weight, which may have any sign.
    pub weight: f64,
    /// The columns that the predictor uses, in its order, as indices into the stack's columns.
    pub columns: Vec<u32>,
    /// Maps the columns to a score; an ensemble of fold models for a bag.
    pub predictor: Box<Predictor>,
    /// Maps the score to a probability.
    pub calibration: Calibration,
}

/// `sigmoid(intercept + Σ weight · logit(p))` over the members' calibrated probabilities `p`; weights may have any
/// sign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// The log-odds before the members are added.
    pub intercept: f64,
    /// At least one member; none of them is a stack.
    #[serde(deserialize_with = "not_nested")]
    pub members: Vec<StackMember>,
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Refuses a stack within a stack.
fn not_nested<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<StackMember>, D::Error> {
    nesting::once(&INSIDE, "a stack within a stack", deserializer)
}

impl Stack {
    /// The stack's probability for one row. `p` are the members' calibrated probabilities, in the members' order.
    pub fn combine(&self, p: impl Iterator<Item = f64>) -> f64 {
        sigmoid(self.members.iter().zip(p).fold(self.intercept, |z, (member, p)| z + member.weight * logit(p)))
    }

    /// Probability of class 1 for each of `rows`. `columns` maps the stack's own columns to the matrix's.
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
        let mut of_members = Vec::with_capacity(self.members.len());
        for member in &self.members {
            let own: Vec<usize> = member.columns.iter().map(|c| columns[*c as usize]).collect();
            let p = member.predictor.predict_with(x, &own, rows, control)?;
            of_members.push(p.into_iter().map(|p| member.calibration.apply(p)).collect::<Vec<f64>>());
        }
        Ok((0..rows.len()).map(|row| self.combine(of_members.iter().map(|p| p[row]))).collect())
    }

    /// Checks a stack of a decoded artifact. `width` is the number of the stack's columns.
    ///
    /// # Errors
    ///
    /// A description of the first fault.
    pub fn check(&self, width: usize) -> Result<(), String> {
        let finite = |v: f64| v.abs() <= BOUND;
        if self.members.is_empty() || !finite(self.intercept) || !self.members.iter().all(|m| finite(m.weight)) {
            return Err("a stack without members, or with weights that are not finite".to_owned());
        }
        for member in &self.members {
            if matches!(*member.predictor, Predictor::Stack(_)) {
                return Err("a stack within a stack".to_owned());
            }
            within_columns(&member.columns, width, "a stack")?;
            member.calibration.check()?;
            member.predictor.check(member.columns.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::predictor::member::Member;

    fn member(weight: f64, predictor: Predictor) -> StackMember {
        StackMember { weight, columns: vec![0], predictor: Box::new(predictor), calibration: Calibration::None }
    }

    #[test]
    fn a_stack_of_a_bag_and_a_model_adds_up_their_log_odds() {
        let of_bag = |p| Member {
            weight: 0.5,
            columns: vec![0],
            predictor: Box::new(Predictor::Constant(p)),
            calibration: Calibration::None,
        };
        let bag = Predictor::Ensemble(vec![of_bag(0.1), of_bag(0.3)]);
        let stack = Stack { intercept: 0.2, members: vec![member(1.5, bag), member(-0.5, Predictor::Constant(0.6))] };
        let x = Matrix::new(vec!["a".into()], vec![vec![1.0, 2.0]]).unwrap();
        let bytes = postcard::to_allocvec(&Predictor::Stack(stack.clone())).unwrap();
        assert_eq!(postcard::from_bytes::<Predictor>(&bytes).unwrap(), Predictor::Stack(stack.clone()));
        stack.check(1).unwrap();
        let odds = |p: f64| (p / (1.0 - p)).ln();
        let z = 0.2 + 1.5 * odds(0.2) - 0.5 * odds(0.6);
        let p = stack.predict(&x, &[0], &[1, 0], &Control::default()).unwrap();
        assert!(p.len() == 2 && p.iter().all(|p| (p - 1.0 / (1.0 + (-z).exp())).abs() < 1e-12), "{p:?}");
    }

    #[test]
    fn nesting_and_bad_weights_are_refused() {
        let stack = |members| Stack { intercept: 0.0, members };
        let nested = Predictor::Stack(stack(vec![member(1.0, Predictor::Stack(stack(Vec::new())))]));
        assert!(postcard::from_bytes::<Predictor>(&postcard::to_allocvec(&nested).unwrap()).is_err());
        let flat = Predictor::Stack(stack(vec![member(1.0, Predictor::Constant(0.5))]));
        assert_eq!(postcard::from_bytes::<Predictor>(&postcard::to_allocvec(&flat).unwrap()).unwrap(), flat);
        assert!(stack(Vec::new()).check(1).is_err());
        assert!(stack(vec![member(f64::NAN, Predictor::Constant(0.5))]).check(1).is_err());
        assert!(stack(vec![member(1.0, Predictor::Constant(0.5))]).check(0).is_err());
    }
}
