//! Files that a command reads whole: settings, mappings, training configurations. Their length is bounded, whatever they are.

use crate::error::Error as Failure;
use provost_domain::visible;
use serde_json::Value;
use std::borrow::Cow;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Longest file of settings, mapping or set of parameters, in bytes.
pub const LONGEST: u64 = 1 << 20;

/// The text of a file of at most `longest` bytes.
///
/// # Errors
/// `InvalidData` for a longer file and for one that is not UTF-8; else the operating system's error.
pub fn text(path: &Path, longest: u64) -> Result<String> {
    whole(File::open(path)?, longest)
}

fn whole(source: impl Read, longest: u64) -> Result<String> {
    let mut text = String::new();
    source.take(longest + 1).read_to_string(&mut text)?;
    if text.len() as u64 > longest {
        return Err(Error::new(ErrorKind::InvalidData, format!("it is longer than {longest} bytes")));
    }
    Ok(text)
}

/// Longest document that is sent to a service, in bytes; one takes 1 MiB by default.
const LONGEST_BODY: u64 = 16 << 20;

/// The JSON document in a file, or on standard input where the name is `-`.
///
/// # Errors
/// A file that cannot be read, is too long or is no JSON; the error names the file.
pub fn json(name: &str) -> crate::error::Result<Value> {
    let text = if name == "-" { whole(std::io::stdin(), LONGEST_BODY) } else { text(Path::new(name), LONGEST_BODY) };
    let text = text.map_err(|e| Failure::Usage(format!("cannot read {}: {e}", shown(name))))?;
    serde_json::from_str(&text).map_err(|e| Failure::Usage(format!("{}: malformed JSON: {e}", shown(name))))
}

/// The name of the file in errors.
pub fn shown(name: &str) -> Cow<'_, str> {
    if name == "-" { Cow::Borrowed("standard input") } else { visible::line(name) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_without_an_end_is_not_read_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(text(&path, 4).unwrap(), "four");
        assert!(text(&path, 3).unwrap_err().to_string().contains("longer than 3 bytes"));
        assert_eq!(text(Path::new("/dev/zero"), LONGEST).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
