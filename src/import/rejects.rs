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
        Self { path, out: None }
    }
    /// # Errors
    /// If the file cannot be written, or is one of `inputs`.
    pub fn create(path: PathBuf, inputs: &[&Path]) -> Result<Self> {
        let out = Some(OutFile::create(&path, inputs)?);
        Ok(Self { path, out })
    }
    fn open(&mut self) -> Result<&mut OutFile> {
        if self.out.is_none() {
            self.out = Some(OutFile::create(&self.path, &[])?);
        }
        self.out.as_mut().ok_or_else(|| Error::failed("the rejects file is closed"))
    }
    pub(super) fn write(&mut self, reject: &Reject<'_>) -> Result<()> {
        let out = self.open()?;
        // JSON escapes keep the row unchanged without passing control characters to a terminal.
        let line = serde_json::to_string(reject).map_err(anyhow::Error::from)?;
        Ok(writeln!(out, "{}", visible::json(&line))?)
    }
    pub(super) fn finish(mut self) -> Result<Option<PathBuf>> {
        match self.out.take() {
            Some(out) => out.finish().map(|()| Some(self.path.clone())),
            None => Ok(None),
        }
    }
}
