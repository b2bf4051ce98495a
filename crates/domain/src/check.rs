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

impl std::fmt::Display for Fault {
    /// Of the document itself only the message.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.message),
            pointer => write!(f, "{pointer}: {}", self.message),
        }
    }
}

/// All faults of a document; never empty when returned as an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// The faults of a document that is the member `name` of another.
    pub fn below(self, name: &str) -> Self {
        Self(self.0.into_iter().map(|f| Fault { pointer: format!("/{name}{}", f.pointer), ..f }).collect())
    }
}
