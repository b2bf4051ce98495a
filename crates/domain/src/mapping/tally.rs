//! How the cells of rows were read.

/// What rows came to beside their points and faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Rows that the mapping leaves out.
    pub left_out: u64,
    /// Cells that their pattern did not match: read as missing.
    pub unmatched: u64,
    /// Numbers with two readings, of which one is on the field's scale.
    pub by_scale: u64,
}
