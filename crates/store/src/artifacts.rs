//! Artifacts on disk: content-addressed by SHA-256, synced before they are named, verified at each load.
//!
//! An artifact lies at `{root}/{first two digits}/{next two digits}/{SHA-256}`. It is written to a file below
//! `{root}/incoming`, synced, renamed, and its folder synced, so that a name never points at half a content. The writer
//! holds an advisory lock on its temporary file; whoever opens the folder removes those that nobody holds.

use crate::error::{Result, StoreError};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Folder of the files that are being written.
const INCOMING: &str = "incoming";
/// How often a write starts anew after a cleaner took its temporary file in the moment before it was locked.
const ATTEMPTS: u32 = 5;

/// Where artifacts lie besides the folder, for processes on other hosts. Blocking, and called on threads that may block.
pub trait Remote: std::fmt::Debug + Send + Sync {
    /// The bytes have this name; they are there when this returns.
    fn put(&self, sha256: &str, bytes: &[u8]) -> Result<()>;
    /// What is kept under this name; the caller verifies it.
    fn get(&self, sha256: &str) -> Result<Option<Vec<u8>>>;
    fn contains(&self, sha256: &str) -> Result<bool>;
}

/// A folder of artifacts. Cheap to clone; processes may share the folder.
#[derive(Debug, Clone)]
pub struct Artifacts {
    root: PathBuf,
    remote: Option<Arc<dyn Remote>>,
}

impl Artifacts {
    /// Creates the folder if it is missing and removes temporary files whose writer is gone.
    pub fn open(root: PathBuf) -> Result<Self> {
        let incoming = root.join(INCOMING);
        fs::create_dir_all(&incoming).map_err(|e| io_error(&incoming, e))?;
        sync_folder(&root)?;
        remove_abandoned(&incoming)?;
        Ok(Self { root, remote: None })
    }

    /// The folder becomes a copy of what is needed here: what is put goes to the remote place too, and what is missing here
    /// or damaged is fetched from there.
    pub fn with_remote(self, remote: Arc<dyn Remote>) -> Self {
        Self { remote: Some(remote), ..self }
    }

    /// Stores the bytes and returns their SHA-256 in hexadecimal; they are on the disk (and in the remote place, if there is
    /// one) when this returns. Storing content that is there already verifies it; a damaged copy is replaced.
    pub fn put(&self, bytes: &[u8]) -> Result<String> {
        let sha256 = self.put_here(bytes)?;
        if let Some(remote) = &self.remote {
            remote.put(&sha256, bytes)?;
        }
        Ok(sha256)
    }

    fn put_here(&self, bytes: &[u8]) -> Result<String> {
        let sha256 = hex(&Sha256::digest(bytes));
        let path = self.path(&sha256)?;
        let folder = path.parent().unwrap_or(&self.root);
        match fs::read(&path) {
            Ok(present) if present == bytes => {
                sync_folder(folder)?; // another process may have renamed it and not yet synced
                return Ok(sha256);
            }
            Ok(_) => tracing::warn!(artifact = %sha256, "a damaged artifact is replaced"),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(io_error(&path, e)),
        }
        self.make_folders(folder)?;
        for _ in 0..ATTEMPTS {
            if self.write_once(bytes, &path)? {
                sync_folder(folder)?;
                return Ok(sha256);
            }
        }
        Err(StoreError::Unavailable(format!("temporary files of artifact {sha256} keep disappearing")))
    }

    /// Reads and verifies.
    pub fn get(&self, sha256: &str) -> Result<Vec<u8>> {
        let here = self.get_here(sha256);
        let (Some(remote), Err(StoreError::NotFound { .. } | StoreError::Corrupt { .. })) = (&self.remote, &here) else {
            return here;
        };
        let Some(bytes) = remote.get(sha256)? else { return here };
        verify(sha256, &bytes)?;
        self.put_here(&bytes)?;
        Ok(bytes)
    }

    fn get_here(&self, sha256: &str) -> Result<Vec<u8>> {
        let path = self.path(sha256)?;
        let bytes = fs::read(&path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => StoreError::NotFound { what: "artifact", id: sha256.to_owned() },
            _ => io_error(&path, e),
        })?;
        verify(sha256, &bytes)?;
        Ok(bytes)
    }

    /// Whether an artifact of this name is there; its content is not looked at. A remote place that cannot be asked has none.
    pub fn contains(&self, sha256: &str) -> bool {
        self.path(sha256).is_ok_and(|path| path.is_file() || self.remote.as_ref().is_some_and(|r| r.contains(sha256).unwrap_or(false)))
    }

    /// Only 64 lower-case hexadecimal digits become a path, so no name leaves the folder.
    fn path(&self, sha256: &str) -> Result<PathBuf> {
        if sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            Ok(self.root.join(&sha256[..2]).join(&sha256[2..4]).join(sha256))
        } else {
            let shown: String = sha256.chars().take(80).collect();
            Err(StoreError::Invalid(format!("`{shown}` is not an artifact's name: 64 hexadecimal digits are")))
        }
    }

    /// Creates both levels and syncs what names them.
    fn make_folders(&self, folder: &Path) -> Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(folder).map_err(|e| io_error(folder, e))?;
        if let Some(first) = folder.parent() {
            sync_folder(first)?;
        }
        sync_folder(&self.root)
    }

    /// False if the temporary file was taken away before it was locked; then nothing was stored.
    fn write_once(&self, bytes: &[u8], path: &Path) -> Result<bool> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let temporary = self.root.join(INCOMING).join(name);
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => file,
            // Left by a dead process that had this process's id: it goes with the next cleaning; take another name.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(false),
            Err(e) => return Err(io_error(&temporary, e)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(e)) => return Err(io_error(&temporary, e)),
        }
        let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&temporary, path));
        match written {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => {
                let _ = fs::remove_file(&temporary); // best effort: the write's own error is the one to tell
                Err(io_error(&temporary, e))
            }
        }
    }
}

fn verify(sha256: &str, bytes: &[u8]) -> Result<()> {
    let found = hex(&Sha256::digest(bytes));
    if found == sha256 {
        return Ok(());
    }
    Err(StoreError::Corrupt {
        what: format!("artifact {sha256}"),
        why: format!("its {} bytes have the SHA-256 {found}", bytes.len()),
    })
}

/// Removes the temporary files that no living writer holds locked.
fn remove_abandoned(incoming: &Path) -> Result<()> {
    for entry in fs::read_dir(incoming).map_err(|e| io_error(incoming, e))? {
        let path = entry.map_err(|e| io_error(incoming, e))?.path();
        // A file that is gone by now was renamed or removed by its owner.
        let Ok(file) = OpenOptions::new().write(true).open(&path) else { continue };
        if file.try_lock().is_ok() && fs::remove_file(&path).is_ok() {
            tracing::info!(file = %path.display(), "removed an unfinished artifact");
        }
    }
    Ok(())
}

fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| io_error(folder, e))
}

pub(crate) fn io_error(path: &Path, e: std::io::Error) -> StoreError {
    let text = format!("{}: {e}", path.display());
    match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => StoreError::Full(text),
        _ => StoreError::Unavailable(text),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut s, b| {
        let _ = write!(s, "{b:02x}"); // writing to a String cannot fail
        s
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn artifacts() -> (tempfile::TempDir, Artifacts) {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(dir.path().join("artifacts")).unwrap();
        (dir, artifacts)
    }

    #[test]
    fn what_was_put_is_got() {
        let (_dir, a) = artifacts();
        let name = a.put(b"abc").unwrap();
        assert_eq!(name, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); // FIPS 180-2, appendix B.1
        assert_eq!(a.get(&name).unwrap(), b"abc");
        assert!(a.contains(&name));
        assert_eq!(a.put(b"abc").unwrap(), name);
        assert!(a.root.join("ba/78").join(&name).is_file());
        assert_eq!(fs::read_dir(a.root.join(INCOMING)).unwrap().count(), 0);
    }

    #[test]
    fn a_truncated_artifact_is_named_and_can_be_put_again() {
        let (_dir, a) = artifacts();
        let name = a.put(b"some model").unwrap();
        let path = a.path(&name).unwrap();
        fs::write(&path, b"some mo").unwrap();
        let error = a.get(&name).unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { what, .. } if what.contains(&name)), "{error}");
        assert_eq!(a.put(b"some model").unwrap(), name);
        assert_eq!(a.get(&name).unwrap(), b"some model");
    }

    #[test]
    fn names_are_never_paths() {
        let (dir, a) = artifacts();
        fs::write(dir.path().join("secret"), b"x").unwrap();
        for name in ["../secret", "", "/etc/passwd", &"A".repeat(64), &"../".repeat(22)[..64], &"é".repeat(32)] {
            assert!(matches!(a.get(name), Err(StoreError::Invalid(_))), "{name}");
            assert!(!a.contains(name));
        }
        assert!(matches!(a.get(&"0".repeat(64)), Err(StoreError::NotFound { .. })));
    }

    #[test]
    fn abandoned_temporary_files_go_and_held_ones_stay() {
        let (_dir, a) = artifacts();
        let dead = a.root.join(INCOMING).join("1-0");
        let held = a.root.join(INCOMING).join("1-1");
        fs::write(&dead, b"half").unwrap();
        let writer = File::create(&held).unwrap();
        writer.try_lock().unwrap();
        Artifacts::open(a.root.clone()).unwrap();
        assert!(!dead.exists());
        assert!(held.exists());
    }

    #[test]
    fn several_writers_and_cleaners_do_not_disturb_each_other() {
        let (_dir, a) = artifacts();
        std::thread::scope(|scope| {
            for worker in 0..4u8 {
                let a = a.clone();
                scope.spawn(move || {
                    for i in 0..20u8 {
                        let content = [i; 100];
                        let name = a.put(&content).unwrap();
                        assert_eq!(a.get(&name).unwrap(), content);
                        if worker == 0 {
                            Artifacts::open(a.root.clone()).unwrap();
                        }
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(a.root.join(INCOMING)).unwrap().count(), 0);
    }

    #[test]
    fn a_full_device_is_told_apart() {
        let full = std::io::Error::from_raw_os_error(28); // ENOSPC
        assert!(matches!(io_error(Path::new("x"), full), StoreError::Full(_)));
        let denied = std::io::Error::from(ErrorKind::PermissionDenied);
        assert!(matches!(io_error(Path::new("x"), denied), StoreError::Unavailable(_)));
    }
}
