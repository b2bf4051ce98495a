//! Why a file cannot be read.

use provost_domain::Faults;

/// Why no row of a file could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The mapping does not fit the file, or two columns are read into one field.
    #[error("{0}")]
    Mapping(Faults),
    #[error("{0}")]
    Unreadable(String),
}
