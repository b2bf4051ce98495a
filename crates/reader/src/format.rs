//! The formats of files.

/// What a file is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// By the name's ending, else by the first character.
    #[default]
    Auto,
    Json,
    Csv,
}
