//! Faults of a document, collected all at once and named by JSON pointer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that is wrong with a document: where (an RFC 6901 pointer), and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// RFC 6901 pointer to the offending member, "" for the document itself.
    pub pointer: String,
    /// Names the field, the value found and what is allowed.
    pub message: String,
}

/// All faults of a document; never empty when returned as an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(|f| format!("{}: {}", f.pointer, f.message)).collect::<Vec<_>>().join("; "))]
pub struct Faults(pub Vec<Fault>);
