//! How the cells of rows were read.

/// Counts of what was read from rows, beside points and faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Rows that the mapping leaves out.
    pub left_out: u64,
    /// Cells that did not match their pattern and were read as missing.
    pub unmatched: u64,
    /// Numbers with two readings, of which only one is on the field's scale.
    pub by_scale: u64,
}
