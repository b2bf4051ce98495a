//! Activation functions of hidden layers.

use serde::{Deserialize, Serialize};

/// The activation function of a hidden unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// `max(0, z)`
    Relu,
    /// `tanh(z)`
    Tanh,
}
