//! Artifacts on disk: content-addressed by SHA-256, synced before they are named, verified at each load.
//!
//! An artifact lies at `{root}/{first two digits}/{next two digits}/{SHA-256}`. It is written to a file below
//! `{root}/incoming`, synced, renamed, and its folder synced, so that a name never points at half a content. The writer
//! holds an advisory lock on its temporary file; whoever opens the folder removes those that nobody holds.
//!
//! What no record names is removed once it is old ([`Artifacts::sweep`]). An artifact is stored before a record names it, by
//! whatever process, so its age counts from when it was last stored.

use crate::error::{Result, StoreError, io_error};
use crate::private;
use provost_domain::hash::hex;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Folder of the files that are being written.
const INCOMING: &str = "incoming";
/// Locked shared while artifacts are stored or copied, exclusively while artifacts are removed.
const HOLD: &str = "hold.lock";
/// How often a write starts again because a cleaner removed its temporary file before it was locked.
const ATTEMPTS: u32 = 5;

/// A second place for artifacts, which processes on other hosts can read. Its methods block.
pub trait Remote: std::fmt::Debug + Send + Sync {
    /// Stores the bytes under their SHA-256; they are durable when this returns.
    fn put(&self, sha256: &str, bytes: &[u8]) -> Result<()>;
    /// The bytes that are stored under this name; the caller verifies them.
    fn get(&self, sha256: &str) -> Result<Option<Vec<u8>>>;
    /// Whether bytes are stored under this name.
    fn contains(&self, sha256: &str) -> Result<bool>;
    /// Names of the artifacts that were last stored before this time.
    fn older_than(&self, before: SystemTime) -> Result<Vec<String>>;
    /// Removes these artifacts unless they were stored again since `before`, and unfinished writes from before that time. An
    /// artifact that is stored at the same time stays complete.
    fn sweep(&self, names: &[String], before: SystemTime) -> Result<Swept>;
}

/// While this is held no artifact is removed. Released when dropped, or when the process ends.
#[derive(Debug)]
pub struct Hold(#[allow(dead_code)] File); // the lock goes with the file

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Artifacts that were removed.
    pub removed: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Another process holds the folder, so the sweep stopped.
    pub held: bool,
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
        private::make_folder(&incoming).map_err(|e| io_error(&incoming, e))?;
        sync_folder(&root)?;
        remove_abandoned(&incoming)?;
        Ok(Self { root, remote: None })
    }

    /// Opens a folder for reading only: nothing is created or removed in it.
    pub fn to_read(root: PathBuf) -> Self {
        Self { root, remote: None }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.root
    }

    /// Makes the folder a cache of `remote`: artifacts are stored in both, and one that is missing or damaged in the folder is
    /// fetched from the remote. A sweep cleans both.
    pub fn with_remote(self, remote: Arc<dyn Remote>) -> Self {
        Self { remote: Some(remote), ..self }
    }

    /// The folder without the remote.
    pub fn local(&self) -> Self {
        Self { root: self.root.clone(), remote: None }
    }

    /// Stores the bytes and returns their SHA-256 in hexadecimal; they are on the disk (and in the remote place, if there is
    /// one) when this returns. Storing content that is there already verifies it and renews its time; a damaged copy is
    /// replaced.
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
        let _hold = self.hold()?;
        match fs::read(&path) {
            Ok(present) if present == bytes => {
                let refreshed = File::open(&path).and_then(|f| f.set_modified(SystemTime::now()));
                refreshed.map_err(|e| io_error(&path, e))?;
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
        let (Some(remote), Err(StoreError::NotFound { .. } | StoreError::Corrupt { .. })) = (&self.remote, &here)
        else {
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

    /// Whether an artifact of this name exists. Its content is not verified. A remote that cannot be reached counts as empty.
    pub fn contains(&self, sha256: &str) -> bool {
        self.path(sha256).is_ok_and(|path| {
            path.is_file() || self.remote.as_ref().is_some_and(|r| r.contains(sha256).unwrap_or(false))
        })
    }

    /// Prevents removals until the returned value is dropped. Several holders are allowed. Waits for a removal at work.
    pub fn hold(&self) -> Result<Hold> {
        let file = self.hold_file()?;
        file.lock_shared().map_err(|e| io_error(&self.root.join(HOLD), e))?;
        Ok(Hold(file))
    }

    fn hold_file(&self) -> Result<File> {
        let path = self.root.join(HOLD);
        private::open_own(&path).map_err(|e| io_error(&path, e))
    }

    /// Names of the artifacts that were last stored before this time, in the folder or in the remote.
    pub fn older_than(&self, before: SystemTime) -> Result<Vec<String>> {
        let mut names = BTreeSet::new();
        for first in folders(&self.root)? {
            for second in folders(&first)? {
                for entry in read_folder(&second)? {
                    let name = entry.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
                    if self.path(&name).is_ok_and(|path| path == entry) && is_older(&entry, before)? {
                        names.insert(name);
                    }
                }
            }
        }
        if let Some(remote) = &self.remote {
            names.extend(remote.older_than(before)?);
        }
        Ok(names.into_iter().collect())
    }

    /// Removes these artifacts unless they were stored again since `before`. The folder is locked for one removal at a time;
    /// where another process holds it, the sweep ends and the next one continues.
    pub fn sweep(&self, names: &[String], before: SystemTime) -> Result<Swept> {
        let lock = self.hold_file()?;
        let mut swept = Swept::default();
        for name in names {
            let path = self.path(name)?;
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Swept { held: true, ..swept }),
                Err(TryLockError::Error(e)) => return Err(io_error(&self.root.join(HOLD), e)),
            }
            let bytes = path.metadata().map_or(0, |m| m.len());
            if is_older(&path, before)? {
                match fs::remove_file(&path) {
                    Ok(()) => {
                        swept.removed += 1;
                        swept.bytes += bytes;
                    }
                    Err(e) if e.kind() == ErrorKind::NotFound => {} // another process sweeps too
                    Err(e) => return Err(io_error(&path, e)),
                }
            }
            lock.unlock().map_err(|e| io_error(&self.root.join(HOLD), e))?;
        }
        if let Some(remote) = &self.remote {
            let there = remote.sweep(names, before)?;
            swept.removed += there.removed;
            swept.bytes += there.bytes;
        }
        Ok(swept)
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

    /// Creates both folder levels and syncs their parents.
    fn make_folders(&self, folder: &Path) -> Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        private::make_folder(folder).map_err(|e| io_error(folder, e))?;
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
        let mut file = match private::create_new(&temporary) {
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
                let _ = fs::remove_file(&temporary); // best effort: the error of the write is the one to report
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
        // A missing file was renamed or removed by its writer.
        let Ok(file) = OpenOptions::new().write(true).open(&path) else { continue };
        if file.try_lock().is_ok() && fs::remove_file(&path).is_ok() {
            tracing::info!(file = %path.display(), "removed an unfinished artifact");
        }
    }
    Ok(())
}

fn read_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|e| io_error(folder, e))?;
    entries.map(|entry| entry.map(|e| e.path()).map_err(|e| io_error(folder, e))).collect()
}

/// The subfolders whose names are two hexadecimal digits.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_level = |path: &PathBuf| path.file_name().is_some_and(|name| name.len() == 2) && path.is_dir();
    Ok(read_folder(folder)?.into_iter().filter(is_level).collect())
}

/// Whether the file was last modified before this time; false if it does not exist any more.
fn is_older(path: &Path, before: SystemTime) -> Result<bool> {
    match path.metadata().and_then(|m| m.modified()) {
        Ok(modified) => Ok(modified < before),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(io_error(path, e)),
    }
}

pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| io_error(folder, e))
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

    fn backdate(a: &Artifacts, name: &str, days: u64) -> SystemTime {
        let then = SystemTime::now() - std::time::Duration::from_secs(days * 86_400);
        File::open(a.path(name).unwrap()).unwrap().set_modified(then).unwrap();
        then
    }

    #[test]
    fn a_sweep_takes_what_is_old_and_spares_what_was_stored_again() {
        let (_dir, a) = artifacts();
        let [old, again, young] = [b"old", b"two", b"new"].map(|content| a.put(content).unwrap());
        let day_ago = SystemTime::now() - std::time::Duration::from_secs(86_400);
        backdate(&a, &old, 3);
        backdate(&a, &again, 3);
        let mut found = a.older_than(day_ago).unwrap();
        found.sort();
        let mut expected = [old.clone(), again.clone()];
        expected.sort();
        assert_eq!(found, expected);
        a.put(b"two").unwrap(); // between the look and the sweep
        found.push(young.clone());
        let swept = a.sweep(&found, day_ago).unwrap();
        assert_eq!(swept, Swept { removed: 1, bytes: 3, held: false });
        assert_eq!([a.contains(&old), a.contains(&again), a.contains(&young)], [false, true, true]);
        assert_eq!(a.put(b"old").unwrap(), old, "what went can come again");
    }

    #[test]
    fn nothing_goes_while_somebody_holds_the_folder() {
        let (_dir, a) = artifacts();
        let name = a.put(b"x").unwrap();
        let now = SystemTime::now();
        backdate(&a, &name, 3);
        let holds = [a.hold().unwrap(), a.hold().unwrap()];
        a.put(b"y").unwrap();
        assert_eq!(a.sweep(std::slice::from_ref(&name), now).unwrap(), Swept { held: true, ..Swept::default() });
        assert!(a.contains(&name));
        drop(holds);
        assert_eq!(a.sweep(std::slice::from_ref(&name), now).unwrap().removed, 1);
        assert!(!a.contains(&name));
    }

    #[test]
    fn writers_and_a_sweeper_race_and_nothing_that_was_just_stored_is_lost() {
        let (_dir, a) = artifacts();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for i in 0..200u8 {
                    let name = a.put(&[i % 4; 64]).unwrap();
                    assert!(a.contains(&name), "swept right after it was stored");
                    let _ = File::open(a.path(&name).unwrap()).map(|f| f.set_modified(SystemTime::UNIX_EPOCH));
                }
            });
            let before = SystemTime::now() - std::time::Duration::from_secs(3600);
            while !writer.is_finished() {
                a.sweep(&a.older_than(before).unwrap(), before).unwrap();
            }
        });
    }

    #[test]
    fn a_full_device_is_told_apart() {
        let full = std::io::Error::from_raw_os_error(28); // ENOSPC
        assert!(matches!(io_error(Path::new("x"), full), StoreError::Full(_)));
        let denied = std::io::Error::from(ErrorKind::PermissionDenied);
        assert!(matches!(io_error(Path::new("x"), denied), StoreError::Unavailable(_)));
    }
}
