//! How a forest's trees are grown.

/// The checked parameters of a fit, resolved for its rows and columns.
pub struct ForestSettings {
    pub seed: u64,
    /// Columns to visit per node; constant ones count, but the search goes on until one varies.
    pub features: usize,
    pub max_depth: u32,
    /// The minima count distinct rows, not draws.
    pub min_split: usize,
    pub min_leaf: usize,
    pub bootstrap: bool,
    /// The weight of each class.
    pub weights: [f64; 2],
    /// Whether trees keep what is needed to cut them back.
    pub inner: bool,
    /// Sizes in rows of the copies of nodes' codes, descending; they do not change the trees.
    pub copies: Vec<usize>,
}

impl ForestSettings {
    /// Distinct rows that a node needs to be split.
    pub fn enough(&self) -> usize {
        self.min_split.max(2 * self.min_leaf)
    }
}
