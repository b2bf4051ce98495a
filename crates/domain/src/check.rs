//! Faults of a document, collected all at once and named by JSON pointer.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::ToSchema;

/// One thing that is wrong with a document: where (an RFC 6901 pointer), and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// RFC 6901 pointer to the offending member, "" for the document itself.
    pub pointer: String,
    /// Names the field, the value found and what is allowed.
    pub message: String,
}

/// Faults that the text of `Faults` lists; of further ones it gives the number.
const TOLD: usize = 10;
/// Maximum number of characters of a pointer and of a message in such a text. What a client sent may be of any length.
const LONGEST_POINTER: usize = 100;
const LONGEST_MESSAGE: usize = 400;

/// The text, or its first `most` characters and an ellipsis.
pub fn brief(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

impl std::fmt::Display for Fault {
    /// Pointer and message; only the message for a fault of the document itself.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.pointer.is_empty() {
            write!(f, "{}: ", brief(&self.pointer, LONGEST_POINTER))?;
        }
        f.write_str(&brief(&self.message, LONGEST_MESSAGE))
    }
}

/// All faults of a document; never empty when returned as an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", told(.0))]
pub struct Faults(pub Vec<Fault>);

fn told(faults: &[Fault]) -> String {
    let mut texts: Vec<String> = faults.iter().take(TOLD).map(ToString::to_string).collect();
    if faults.len() > TOLD {
        texts.push(format!("and {} more", faults.len() - TOLD));
    }
    texts.join("; ")
}

impl Faults {
    /// The same faults, with pointers into an enclosing document in which this document is the member `name`.
    pub fn below(self, name: &str) -> Self {
        Self(self.0.into_iter().map(|f| Fault { pointer: format!("/{name}{}", f.pointer), ..f }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_about_a_long_document_is_short() {
        let fault = Fault { pointer: format!("/{}", "ä".repeat(5000)), message: "ö".repeat(5000) };
        let text = Faults(vec![fault; 5000]).to_string();
        assert!(text.len() < 12_000 && text.ends_with("; and 4990 more"), "{}", text.len());
        assert_eq!((brief("äöü", 3), brief("äöü", 2)), ("äöü".into(), "äö…".into()));
    }
}
