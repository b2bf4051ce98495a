//! What follows a hidden layer's sums.

use serde::{Deserialize, Serialize};

/// The function of a hidden unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// `max(0, z)`
    Relu,
    /// `tanh(z)`
    Tanh,
}
