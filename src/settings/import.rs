//! The section `[import]`: limits on files, and the folder that training jobs read files from.

use super::value::{Reader, SettingsError};
use provost_reader::Limits;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub struct Import {
    /// The folder that a configuration's `data_path` is relative to.
    pub dir: PathBuf,
    pub limits: Limits,
    /// How many points are stored in one transaction.
    pub batch: usize,
}

impl Import {
    pub(super) fn read(read: &Reader<'_>, data_dir: &Path) -> Result<Self, SettingsError> {
        let dir = read.text("import.dir")?;
        Ok(Self {
            dir: if dir.is_empty() { data_dir.join("import") } else { PathBuf::from(dir) },
            limits: Limits {
                row_bytes: read.whole("import.max_line_bytes")?,
                cell_bytes: read.whole("import.max_cell_bytes")?,
                columns: read.whole("import.max_columns")?,
                rows: read.whole("import.max_rows")?,
                bytes: read.whole("import.max_bytes")?,
                ratio: read.whole("import.max_ratio")?,
            },
            batch: read.whole("import.batch")?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::settings::Settings;
    use std::path::Path;

    #[test]
    fn the_import_folder_follows_the_data_folder_unless_it_is_set() {
        let flags = vec![("data.dir", "--data-dir", "/srv/p".to_owned())];
        assert_eq!(Settings::from_layers(None, [], &flags).unwrap().import.dir, Path::new("/srv/p/import"));
        let env = [("PROVOST_IMPORT__DIR".to_owned(), "/in".to_owned())];
        assert_eq!(Settings::from_layers(None, env, &flags).unwrap().import.dir, Path::new("/in"));
    }
}
