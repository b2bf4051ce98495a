//! The learners, their search, metrics and statistics. Synchronous; parallel over rayon's current pool; no store, no async.

pub mod artifact;
mod bins;
pub mod boosting;
mod bootstrap;
pub mod calibration;
mod categories;
#[cfg(test)]
mod conformance;
pub mod control;
pub mod dataset;
pub mod drift;
pub mod encoding;
pub mod ensemble;
pub mod error;
pub mod forest;
pub mod gate;
pub mod importance;
pub mod intervals;
pub mod learner;
pub mod learners;
pub mod logistic;
pub mod matrix;
mod max_features;
pub mod member;
pub mod metrics;
pub mod model;
pub mod network;
pub mod params;
pub mod predictor;
mod prefetch;
pub mod preprocess;
pub mod ranks;
pub mod search;
pub mod select;
pub mod shared;
mod sorting;
pub mod split;
pub mod stats;
#[cfg(test)]
mod stops;
pub mod temporal;
#[cfg(test)]
mod testdata;
#[cfg(test)]
mod testing;
pub mod train;
pub mod trained;
mod trees;
pub mod weights;
pub mod xgb;

pub use calibration::Calibration;
pub use control::{Control, Progress, StopReason};
pub use dataset::Dataset;
pub use error::LearnError;
pub use learner::{Fit, FitTask, Learner, Params};
pub use matrix::Matrix;
pub use model::Model;
pub use predictor::Predictor;
pub use shared::Shared;
pub use temporal::Temporal;
pub use trained::Trained;
