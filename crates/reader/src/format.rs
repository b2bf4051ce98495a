//! File formats.

/// The format in which a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Detected from the file extension, else from the first character.
    #[default]
    Auto,
    Json,
    Csv,
}
