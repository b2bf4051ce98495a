//! What is watched of a model and of its data.

pub mod fairness;
