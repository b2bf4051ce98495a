//! Fitted models: reading their artifacts and predicting with them. This crate does not train, and has no store and no
//! async. With the feature `parallel`, many rows are predicted on all threads of rayon's current pool; a single row is
//! always predicted on the calling thread.

#![warn(missing_docs)]

pub mod application;
pub mod artifact;
pub mod background;
pub mod boosting;
pub mod calibration;
pub mod conformal;
pub mod control;
pub mod counterfactual;
pub mod encoder;
pub mod error;
pub mod evidence;
pub mod forest;
pub mod groups;
pub mod known;
pub mod logistic;
pub mod matrix;
pub mod model;
pub mod network;
pub mod outcome;
mod parallel;
pub mod predictor;
pub mod preprocess;
pub mod ranges;
pub mod score_counts;
pub mod serving;
pub mod shapley;
pub mod stop;
pub mod trees;
pub mod venn_abers;
pub mod xgboost;

pub use calibration::Calibration;
pub use control::{Control, Progress, StopReason, Token};
pub use error::PredictError;
pub use matrix::Matrix;
pub use model::Model;
pub use predictor::Predictor;
