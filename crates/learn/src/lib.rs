//! The learners, their search, metrics and statistics. Synchronous; parallel over rayon's current pool; no store, no async.

pub mod artifact;
pub mod calibration;
pub mod control;
pub mod dataset;
pub mod error;
pub mod learner;
pub mod learners;
pub mod logistic;
pub mod matrix;
pub mod metrics;
pub mod model;
pub mod params;
pub mod predictor;
pub mod preprocess;
pub mod stats;
pub mod weights;
#[cfg(test)]
mod testing;

pub use calibration::Calibration;
pub use control::{Control, Progress, StopReason};
pub use dataset::Dataset;
pub use error::LearnError;
pub use learner::{Fit, FitTask, Learner, Params};
pub use matrix::Matrix;
pub use model::Model;
pub use predictor::Predictor;
