//! The registry of learners.

use crate::Learner;
use crate::boosting::GradientBoosting;
use crate::forest::RandomForest;
use crate::logistic::LogisticRegression;
use crate::network::NeuralNetwork;
use crate::xgb::Xgboost;
use provost_domain::Algorithm;

/// The learner of an algorithm; None for the ensemble, which combines the others.
pub fn learner(algorithm: Algorithm) -> Option<&'static dyn Learner> {
    match algorithm {
        Algorithm::LogisticRegression => Some(&LogisticRegression),
        Algorithm::RandomForest => Some(&RandomForest),
        Algorithm::GradientBoosting => Some(&GradientBoosting),
        Algorithm::NeuralNetwork => Some(&NeuralNetwork),
        Algorithm::Xgboost => Some(&Xgboost),
        Algorithm::Ensemble => None,
    }
}
