//! How boosted trees are grown.

/// The checked parameters of a fit, and what they become on its columns.
pub struct BoostingSettings {
    pub seed: u64,
    pub rounds: usize,
    pub rate: f64,
    pub max_depth: u32,
    pub min_split: usize,
    pub min_leaf: usize,
    /// Share of the rows that each tree sees, without replacement.
    pub subsample: f64,
    /// Columns that a split chooses from; those that part nothing do not count.
    pub columns: usize,
    /// Per column 1 (rising), -1 (falling) or 0; empty where nothing is held.
    pub monotone: Vec<i8>,
}

impl BoostingSettings {
    pub fn direction(&self, column: usize) -> i8 {
        self.monotone.get(column).copied().unwrap_or(0)
    }
}
