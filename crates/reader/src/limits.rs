//! Limits on a file.

/// The most that a file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one row: a line, a CSV row that spans lines, or one JSON object.
    pub row_bytes: usize,
    /// Bytes of one CSV cell.
    pub cell_bytes: usize,
    /// Columns of a CSV file.
    pub columns: usize,
    /// Rows of one file.
    pub rows: u64,
    /// Bytes of one file after decompression.
    pub bytes: u64,
    /// Decompressed bytes per compressed byte; checked once more than 64 MiB were decompressed.
    pub ratio: u64,
}

impl Default for Limits {
    /// The settings' defaults.
    fn default() -> Self {
        Self { row_bytes: 1 << 20, cell_bytes: 1 << 16, columns: 2000, rows: 10_000_000, bytes: 16 << 30, ratio: 1000 }
    }
}
