//! Watching a model: what has changed in its data since its training, and how good its predictions are, estimated
//! without outcomes.
//!
//! Everything here is a pure function of rows and a seed, gives the same result at any number of threads, and ends soon
//! after its control's token is set. [`Reference`] is prepared once; [`Reference::compare`] compares a window with it.
//! [`performance`] needs a window's predictions alone, and [`fairness`] audits groups.

mod calibration_test;
mod cells;
mod correction;
mod domain_classifier;
mod drift;
pub mod duplicates;
pub mod fairness;
mod feature_reference;
pub mod labels;
pub mod leaks;
mod level;
mod measure;
mod outcomes;
mod performance;
mod permutation;
mod reference;
mod rows;
mod spread;
mod statistics;
mod units;

pub use correction::benjamini_hochberg;
pub use performance::{PredictedRows, performance};
pub use reference::{Reference, cycles};
pub use rows::WatchedRows;
pub use statistics::{chi_squared, kolmogorov_smirnov_and_wasserstein, two_proportions};

#[cfg(test)]
mod tests;
