//! Artifacts on disk: content-addressed by SHA-256, synced before they are named, verified at each load.

use crate::error::Result;
use std::path::PathBuf;

#[derive(Debug, Clone)]
pub struct Artifacts {
    root: PathBuf,
}

impl Artifacts {
    pub fn open(root: PathBuf) -> Result<Self> {
        Ok(Self { root })
    }
    /// Writes a temporary file, syncs it, renames it, syncs the folder. Returns the SHA-256 in hexadecimal.
    pub fn put(&self, bytes: &[u8]) -> Result<String> {
        let _ = (&self.root, bytes);
        todo!()
    }
    /// Reads and verifies.
    pub fn get(&self, sha256: &str) -> Result<Vec<u8>> {
        let _ = sha256;
        todo!()
    }
    pub fn contains(&self, sha256: &str) -> bool {
        let _ = sha256;
        todo!()
    }
}
