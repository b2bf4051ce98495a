//! The registry of learners.

use crate::boosting::GradientBoosting;
use crate::encoding::Encoding;
use crate::forest::RandomForest;
use crate::learner::Learner;
use crate::logistic::LogisticRegression;
use crate::network::NeuralNetwork;
use crate::xgboost::Xgboost;
use provost_domain::Algorithm;

/// The learner of an algorithm; None for the ensemble, which combines the others.
pub fn learner(algorithm: Algorithm) -> Option<&'static dyn Learner> {
    match algorithm {
        Algorithm::LogisticRegression => Some(&Encoding(LogisticRegression)),
        Algorithm::RandomForest => Some(&Encoding(RandomForest)),
        Algorithm::GradientBoosting => Some(&Encoding(GradientBoosting)),
        Algorithm::NeuralNetwork => Some(&Encoding(NeuralNetwork)),
        Algorithm::Xgboost => Some(&Encoding(Xgboost)),
        Algorithm::Ensemble => None,
    }
}
