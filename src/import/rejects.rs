//! Writes the rows that are not data points to a file.

use crate::error::{Error, Result};
use crate::output::OutFile;
use provost_domain::visible;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The rejected rows as JSON lines: file, line, reason and the row's text. The file is created with the first rejected row,
/// or at once if the user named it, and moved to its place when the import ends, even after an error.
pub struct Rejects {
    path: PathBuf,
    out: Option<OutFile>,
    /// The most bytes of the file, and those that it has.
    most: u64,
    bytes: u64,
    /// Rows for which the file had no room.
    left_out: u64,
}

#[derive(Serialize)]
pub(super) struct Reject<'a> {
    pub file: &'a str,
    pub line: u64,
    pub reason: &'a str,
    pub raw: &'a str,
}

impl Rejects {
    pub fn lazily(path: PathBuf) -> Self {
        Self { path, out: None, most: u64::MAX, bytes: 0, left_out: 0 }
    }
    /// Bounds the file. Its last line says how many rows had no room.
    pub fn at_most(self, bytes: u64) -> Self {
        Self { most: bytes, ..self }
    }
    /// # Errors
    /// If the file cannot be written, or is one of `inputs`.
    pub fn create(path: PathBuf, inputs: &[&Path]) -> Result<Self> {
        let out = Some(OutFile::create(&path, inputs)?);
        Ok(Self { out, ..Self::lazily(path) })
    }
    fn open(&mut self) -> Result<&mut OutFile> {
        if self.out.is_none() {
            self.out = Some(OutFile::create(&self.path, &[])?);
        }
        self.out.as_mut().ok_or_else(|| Error::failed("the rejects file is closed"))
    }
    pub(super) fn write(&mut self, reject: &Reject<'_>) -> Result<()> {
        // JSON escapes keep the row unchanged without passing control characters to a terminal.
        let line = serde_json::to_string(reject).map_err(anyhow::Error::from)?;
        let line = visible::json(&line);
        let bytes = self.bytes + line.len() as u64 + 1;
        if bytes > self.most {
            self.left_out += 1;
            return Ok(());
        }
        self.bytes = bytes;
        Ok(writeln!(self.open()?, "{line}")?)
    }
    pub(super) fn finish(mut self) -> Result<Option<PathBuf>> {
        if self.left_out > 0 {
            let reason =
                format!("{} rejected rows are not in this file: it has at most {} bytes", self.left_out, self.most);
            let line = serde_json::to_string(&Reject { file: "", line: 0, reason: &reason, raw: "" });
            writeln!(self.open()?, "{}", line.map_err(anyhow::Error::from)?)?;
        }
        match self.out.take() {
            Some(out) => out.finish().map(|()| Some(self.path.clone())),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_bounded_file_says_how_many_rows_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects.jsonl");
        let mut rejects = Rejects::lazily(path.clone()).at_most(500);
        for line in 1..=10 {
            rejects.write(&Reject { file: "a.csv", line, reason: "no decision", raw: &"\u{1}".repeat(10) }).unwrap();
        }
        assert_eq!(rejects.finish().unwrap(), Some(path.clone()));
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(text.len() < 700 && lines.len() == 5, "{text}");
        assert!(lines[4].contains("6 rejected rows are not in this file: it has at most 500 bytes"), "{text}");
    }
}
