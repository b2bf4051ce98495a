//! Fitted binary trees over raw values: walking, sums over many trees, checks after decoding.

mod node;
mod quick;
pub mod sets;
mod sums;
mod validity;
mod walk;

pub use node::Node;
pub use sums::{CHUNK, gather, sums};
pub use validity::validate;
pub use walk::{Sum, add, add_by_sets};

/// The nodes of one tree.
pub type Tree = Vec<Node>;

/// One split, of column 1.
#[cfg(test)]
fn stump() -> Tree {
    vec![Node::split(1, 2.5, true, 1), Node::leaf(1.0), Node::leaf(-1.0)]
}
