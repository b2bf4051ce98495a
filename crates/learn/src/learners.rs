//! The registry of learners.

use crate::Learner;
use crate::boosting::GradientBoosting;
use crate::forest::RandomForest;
use crate::logistic::LogisticRegression;
use provost_domain::Algorithm;

/// The learner of an algorithm; None for the ensemble, which combines the others.
pub fn learner(algorithm: Algorithm) -> Option<&'static dyn Learner> {
    match algorithm {
        Algorithm::LogisticRegression => Some(&LogisticRegression),
        Algorithm::NeuralNetwork => None,
        Algorithm::Xgboost => None,
        Algorithm::RandomForest => Some(&RandomForest),
        Algorithm::GradientBoosting => Some(&GradientBoosting),
        Algorithm::Ensemble => None,
    }
}
