//! Searches an algorithm's candidates by cross-validation: which to try, in what order, which to drop early, which one
//! wins.

pub mod choice;
pub mod draws;
#[cfg(test)]
mod looks;
pub mod pruner;
mod race_entry;
pub mod rule;
pub mod sampler;
pub mod space;
pub mod study;
pub mod tpe;
pub mod trial;
pub mod tuning;
mod window;
pub mod workers;

pub use rule::Rule;
pub use sampler::{Listed, Sampler};
pub use space::Space;
pub use study::{Fold, Study, StudyEnd};
pub use tpe::Bayesian;
pub use trial::{FoldResult, Journal, NoJournal, TrialResult, TrialStatus};
