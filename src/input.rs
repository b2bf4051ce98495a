//! Reads whole files for commands: settings, mappings, training configurations. The length is bounded, even for endless
//! devices.

use crate::error::Error as Failure;
use provost_domain::visible;
use serde_json::Value;
use std::borrow::Cow;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Longest file of settings, mapping or parameters, in bytes.
pub const LONGEST: u64 = 1 << 20;

/// Reads a text file of at most `longest` bytes.
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
        return Err(Error::new(ErrorKind::InvalidData, format!("the file is longer than {longest} bytes")));
    }
    Ok(text)
}

/// Longest document that is sent to a service, in bytes; a service accepts 1 MiB by default.
const LONGEST_BODY: u64 = 16 << 20;

/// Reads the JSON document in a file, or on standard input if the name is `-`.
///
/// # Errors
/// If the file cannot be read, is too long or is not JSON; the error names the file.
pub fn json(name: &str) -> crate::error::Result<Value> {
    let text = if name == "-" { whole(std::io::stdin(), LONGEST_BODY) } else { text(Path::new(name), LONGEST_BODY) };
    let text = text.map_err(|e| Failure::Usage(format!("cannot read {}: {e}", shown(name))))?;
    serde_json::from_str(&text).map_err(|e| Failure::Usage(format!("{}: malformed JSON: {e}", shown(name))))
}

/// The file's name for errors.
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
