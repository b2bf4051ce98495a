//! Reads files that hold an address with a password, or a key.

use provost_domain::{Secret, visible};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Longest file, in bytes.
const LONGEST_FILE: u64 = 1 << 16;
/// Replaces what may hold a password.
pub const HIDDEN: &str = "***";

/// Whether a text looks like an address or a key.
pub fn looks_secret(text: &str) -> bool {
    let has_login = text.split_once(':').is_some_and(|(_, rest)| rest.contains('@'));
    has_login || text.contains("://") || text.contains("pvk_")
}

/// A path for a message; hidden if it looks like an address or a key.
pub fn shown_path(path: &Path) -> String {
    let text = path.to_string_lossy();
    if looks_secret(&text) { HIDDEN.to_owned() } else { visible::line(&text).into_owned() }
}

/// Reads the single line of a file that holds an address or a key. Only blank lines may follow the line.
///
/// # Errors
/// What is wrong with the file, without any of its content.
pub fn read_file(path: &Path) -> Result<Secret, String> {
    let name = shown_path(path);
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut bytes));
    read.map_err(|e| format!("cannot read {name}: {e}"))?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(format!("{name} is longer than {LONGEST_FILE} bytes; the file must have one line"));
    }
    let text =
        String::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8 text; the file must have one line"))?;
    let mut lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines();
    let first = lines.next().unwrap_or_default().trim();
    if lines.any(|line| !line.trim().is_empty()) {
        return Err(format!("{name} has more than one line; the file must have one line"));
    }
    if first.is_empty() {
        return Err(format!("the first line of {name} is empty; the file must have one line"));
    }
    Ok(Secret::new(first))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_has_one_line_and_no_message_repeats_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |bytes: &[u8]| {
            std::fs::write(file.path(), bytes).unwrap();
            read_file(file.path())
        };
        for good in ["geheim", "geheim\n", "\u{feff} geheim \r\n\r\n  \n"] {
            assert_eq!(read(good.as_bytes()).unwrap().expose(), "geheim");
        }
        for (bytes, wanted) in [
            (&b"geheim\ngeheim\n"[..], "more than one line"),
            (b"geheim\r\n\r\ngeheim", "more than one line"),
            (b"\ngeheim", "more than one line"),
            (b"", "is empty"),
            (b"  \n\n", "is empty"),
            (b"geheim\xff", "not UTF-8"),
            (&[b'x'; 1 << 17], "longer than"),
        ] {
            let error = read(bytes).unwrap_err();
            assert!(error.contains(wanted) && error.contains("one line") && !error.contains("geheim"), "{error}");
            assert!(error.contains(&file.path().display().to_string()), "{error}");
        }
        let error = read_file(Path::new("amqp://u:geheim@bus")).unwrap_err();
        assert!(error.starts_with("cannot read ***: "), "{error}");
    }
}
