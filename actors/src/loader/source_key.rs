//! The key of a source's rows: equal keys mean equal rows.

use provost_domain::config::{DataSource, FeatureSet};
use provost_store::PointTotals;
use std::fs::File;
use std::os::unix::fs::MetadataExt;

/// Identifies a source and its present state: equal keys mean equal rows.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceKey {
    Store {
        verified_only: bool,
        features: FeatureSet,
        mark: PointTotals,
    },
    File {
        verified_only: bool,
        features: FeatureSet,
        kind: DataSource,
        /// The path as the client named it.
        name: String,
        state: FileState,
    },
}

/// Identifies the open file and its last change, read from its handle.
#[derive(Debug, Clone, PartialEq)]
pub struct FileState {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds since 1970 of the last change of the content and of the inode.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    pub fn of(file: &File) -> std::io::Result<Self> {
        let meta = file.metadata()?;
        Ok(Self {
            device: meta.dev(),
            inode: meta.ino(),
            bytes: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

impl std::fmt::Display for SourceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SourceKey::Store { .. } => f.write_str("the store"),
            // Without the folders of the path.
            SourceKey::File { name, .. } => f.write_str(name.rsplit('/').next().unwrap_or_default()),
        }
    }
}
