//! Files that a command reads whole: settings, mappings, training configurations. Their length is bounded, whatever they are.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Longest file of settings, mapping or set of parameters, in bytes.
pub const LONGEST: u64 = 1 << 20;

/// The text of a file of at most `longest` bytes.
///
/// # Errors
/// `InvalidData` for a longer one, and for one that is not UTF-8; else as the system has them.
pub fn text(path: &Path, longest: u64) -> Result<String> {
    let mut text = String::new();
    File::open(path)?.take(longest + 1).read_to_string(&mut text)?;
    if text.len() as u64 > longest {
        return Err(Error::new(ErrorKind::InvalidData, format!("it is longer than {longest} bytes")));
    }
    Ok(text)
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
