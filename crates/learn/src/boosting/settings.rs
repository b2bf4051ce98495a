//! How boosted trees are grown.

/// The checked parameters of a fit, resolved for its columns.
pub struct BoostingSettings {
    pub seed: u64,
    pub rounds: usize,
    pub rate: f64,
    pub max_depth: u32,
    pub min_split: usize,
    pub min_leaf: usize,
    /// Share of the rows that each tree sees, without replacement.
    pub subsample: f64,
    /// Number of columns that a split chooses from; columns that separate no rows do not count.
    pub columns: usize,
    /// Per column 1 (rising), -1 (falling) or 0; empty where there are no constraints.
    pub monotone: Vec<i8>,
}

impl BoostingSettings {
    pub fn direction(&self, column: usize) -> i8 {
        self.monotone.get(column).copied().unwrap_or(0)
    }
}
