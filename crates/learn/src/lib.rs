//! The learners, their search, metrics and statistics. All of it is synchronous, parallel over rayon's current pool,
//! and uses neither a store nor async code.

#![warn(missing_docs)]

mod bins;
pub mod boosting;
pub mod bootstrap;
pub mod calibration;
mod categories;
#[cfg(test)]
mod conformance;
pub mod counts;
pub mod dataset;
pub mod drift;
pub mod encoding;
pub mod ensemble;
pub mod error;
mod evidence;
pub mod forest;
pub mod gate;
pub mod importance;
pub mod intervals;
pub mod learner;
pub mod learners;
pub mod logistic;
mod losses;
mod max_features;
pub mod metrics;
pub mod neighbours;
pub mod network;
pub mod params;
mod prefetch;
pub mod preprocess;
pub mod ranks;
pub mod search;
pub mod select;
pub mod shared;
mod shares;
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
pub mod watch;
pub mod weights;
pub mod xgboost;

pub use dataset::Dataset;
pub use error::LearnError;
pub use learner::{Fit, FitTask, Learner};
pub use params::{CheckedParams, Params};
pub use shared::Shared;
pub use temporal::Temporal;
pub use trained::Trained;

// What training returns is defined in `provost_predict`; callers that only train do not need to name that crate.
pub use provost_predict::predictor::member;
pub use provost_predict::{
    Calibration, Control, Matrix, Model, PredictError, Predictor, Progress, StopReason, artifact, control, matrix,
    model, predictor,
};
