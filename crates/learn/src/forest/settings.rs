//! How a forest's trees are grown.

/// The checked parameters of a fit, and what they become on its rows and columns.
pub struct ForestSettings {
    pub seed: u64,
    /// Columns to visit per node; constant ones count, but the search goes on until one varies.
    pub features: usize,
    pub max_depth: u32,
    /// Minima count distinct rows, not draws.
    pub min_split: usize,
    pub min_leaf: usize,
    pub bootstrap: bool,
    /// Per class.
    pub weights: [f64; 2],
    /// Whether trees are kept so that they can be cut back.
    pub inner: bool,
    /// Nodes of at most so many rows have their codes copied; the trees are the same.
    pub copies: Vec<usize>,
}

impl ForestSettings {
    /// Distinct rows that a node needs to be split.
    pub fn enough(&self) -> usize {
        self.min_split.max(2 * self.min_leaf)
    }
}
