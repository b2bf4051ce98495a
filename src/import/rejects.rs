//! The rows that are no data points, in a file of their own.

use crate::error::{Error, Result};
use crate::output::OutFile;
use provost_domain::visible;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Rejected rows: JSON lines of file, line, reason and the row's text. The file is made with the first of them, unless it
/// was asked for by name. It is in its place once the import has ended, well or not.
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
        // The row stays as it was, in JSON's escapes, so that nobody's terminal obeys it.
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
