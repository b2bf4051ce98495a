//! Reads files of certificates and keys in PEM form, up to a limit.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// The largest file in bytes: the certificates of all public authorities together have a quarter of it.
const LONGEST: u64 = 1 << 20;

/// The bytes of a file of certificates or of a key. The file may also hold text in any encoding.
///
/// # Errors
/// If the file cannot be read, or is longer than 1 MiB.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(Error::new(ErrorKind::InvalidData, format!("it is longer than {LONGEST} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_without_an_end_is_not_read_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----").unwrap();
        assert!(read(&path).unwrap().starts_with(b"-----"));
        assert!(read(Path::new("/dev/zero")).unwrap_err().to_string().contains("longer than 1048576"));
    }
}
