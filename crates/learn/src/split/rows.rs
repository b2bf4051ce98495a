//! The data that a split is decided by.

/// The data that a split is decided by, one entry per row.
#[derive(Debug, Clone, Copy)]
pub struct SplitRows<'a> {
    /// 0 or 1.
    pub labels: &'a [u8],
    /// Equal for rows of one applicant.
    pub applicants: &'a [u64],
    /// Unique per row.
    pub row_ids: &'a [u128],
    /// Application years, `i32::MIN` where unknown.
    pub years: &'a [i32],
}
