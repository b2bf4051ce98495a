//! The lock of a data folder: one process at a time serves it.

use crate::error::{Result, StoreError, io_error};
use crate::layout::LOCK_FILE;
use crate::private;
use std::fs::{self, File, TryLockError};
use std::io::{Seek, Write};
use std::path::Path;

/// Ownership of a data folder, by an advisory lock that the kernel releases when the process ends, however it ends. The
/// file itself stays: removing it would let a third process lock another file of the same name. No other user can open it,
/// and so none can hold it.
///
/// Commands that may run while a server runs (`import`, `features`, `doctor`) open the store without this lock.
#[derive(Debug)]
pub struct DataFolderLock {
    _file: File,
}

impl DataFolderLock {
    /// Locks the folder, which is created if missing. [`StoreError::Locked`] names the process that holds it.
    pub fn acquire(folder: &Path) -> Result<Self> {
        private::make_data_folder(folder)?;
        let path = folder.join(LOCK_FILE);
        let mut file = private::open_own(&path).map_err(|e| io_error(&path, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&path).unwrap_or_default();
                let pid = if pid.trim().is_empty() { "unknown" } else { pid.trim() }.to_owned();
                return Err(StoreError::Locked { folder: folder.display().to_string(), pid });
            }
            Err(TryLockError::Error(e)) => return Err(io_error(&path, e)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|e| io_error(&path, e))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn the_second_owner_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("data");
        let first = DataFolderLock::acquire(&folder).unwrap();
        let error = DataFolderLock::acquire(&folder).unwrap_err();
        let StoreError::Locked { pid, .. } = &error else { panic!("{error}") };
        assert_eq!(*pid, std::process::id().to_string());
        drop(first);
        DataFolderLock::acquire(&folder).unwrap();
    }

    #[test]
    fn no_other_user_can_open_the_lock() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOCK_FILE);
        let mode = || fs::metadata(&path).unwrap().mode() & 0o777;
        drop(DataFolderLock::acquire(dir.path()).unwrap());
        assert_eq!(mode(), 0o600);
        // With the mode that older versions created it with.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        drop(DataFolderLock::acquire(dir.path()).unwrap());
        assert_eq!(mode(), 0o600);

        if chown(&path, Some(65_534), None).is_ok() {
            let error = DataFolderLock::acquire(dir.path()).unwrap_err().to_string();
            assert!(error.contains("user 65534"), "{error}");
        } else {
            eprintln!("SKIPPED: only root can give a file to another user");
        }
        // A link to a file that another has put there.
        fs::remove_file(&path).unwrap();
        let elsewhere = dir.path().join("elsewhere");
        fs::write(&elsewhere, "x").unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert!(DataFolderLock::acquire(dir.path()).is_err());
        assert_eq!(fs::read_to_string(elsewhere).unwrap(), "x");
    }
}
