//! Closes what others may enter or read in a data folder that an older version made, or that was copied with other rights.

use super::{OTHERS, check_data_folder, check_owner, held_by_group};
use crate::error::{Result, StoreError, io_error};
use crate::layout::{ARTIFACTS, DATABASE, LOCK_FILE, PREDICTIONS, RESTORING};
use std::collections::BTreeSet;
use std::fs::{self, DirEntry, Metadata, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// The most entries that are checked. Users who cannot enter the folder can read nothing in it, so the rest can stay as
/// it is.
const MOST: u32 = 200_000;
/// Levels below the data folder that Provost makes.
const DEEPEST: u32 = 5;
/// A folder in which everybody may write, such as `/tmp`.
const SHARED: u32 = 0o1002;

/// What was closed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrowed {
    /// Folders that others could enter.
    pub folders: u64,
    /// Files that others could read or write.
    pub files: u64,
    /// Of what they are.
    pub kinds: BTreeSet<&'static str>,
    /// There were more entries than are checked.
    pub unfinished: bool,
    /// The data folder itself stays open: it is more than a data folder.
    pub left_open: bool,
}

impl Narrowed {
    /// One line that says what was done; None if there was nothing to do.
    pub fn text(&self, folder: &Path) -> Option<String> {
        let mut parts = Vec::new();
        if self.folders + self.files > 0 {
            let kinds: Vec<&str> = self.kinds.iter().copied().collect();
            let (folders, files, kinds) = (self.folders, self.files, kinds.join(", "));
            parts.push(format!(
                "other users could enter or read folders ({folders}) and files ({files}) of it, which are closed now: {kinds}"
            ));
        }
        if self.left_open {
            parts.push("it holds other things, too, and stays open to other users: give it to Provost alone, or `chmod 700` it".to_owned());
        }
        if self.unfinished {
            parts.push(format!("more than {MOST} entries are in it, and the others were not looked at"));
        }
        (!parts.is_empty()).then(|| format!("data folder {}: {}", folder.display(), parts.join("; ")))
    }
}

/// What an entry of a data folder is; None for what Provost does not make there.
fn kind(name: &str) -> Option<&'static str> {
    let between = |start: &str, end: &str| name.starts_with(start) && name.ends_with(end);
    match name {
        ARTIFACTS => Some("artifacts"),
        RESTORING => Some("restoration"),
        "import" => Some("import folder"),
        "demo" => Some("demo"),
        LOCK_FILE => Some("lock"),
        "provost.url" => Some("service's address"),
        _ if name.starts_with(DATABASE) => Some("database"),
        _ if name.starts_with(PREDICTIONS) => Some("prediction log"),
        _ if between("rejects-", ".jsonl") => Some("rejects"),
        _ if between("sample-", ".jsonl") => Some("samples"),
        _ if name.starts_with(".doctor-") => Some("doctor"),
        _ => None,
    }
}

/// Whose content is Provost's all the way down. What lies in the import folder is others' to look after.
fn is_ours_below(name: &str) -> bool {
    matches!(name, ARTIFACTS | RESTORING)
}

/// Closes a data folder and what Provost has made in it to other users. Links are not followed, and what belongs to another
/// user stays as it is.
///
/// # Errors
/// `Invalid` for a folder of another user, and for one in which everybody may write.
pub fn narrow(folder: &Path) -> Result<Narrowed> {
    let metadata = match fs::metadata(folder) {
        // With a store elsewhere, a command may need no data folder.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Narrowed::default()),
        found => found.map_err(|e| io_error(folder, e))?,
    };
    check_data_folder(folder, &metadata)?;
    if metadata.mode() & SHARED == SHARED {
        let why = "every user may write in it; choose a folder of its own";
        return Err(StoreError::Invalid(format!("data folder {}: {why}", folder.display())));
    }
    let mut narrowed = Narrowed::default();
    let (mut left, mut has_others, mut has_folders_of_others) = (MOST, false, false);
    for entry in fs::read_dir(folder).map_err(|e| io_error(folder, e))? {
        let entry = entry.map_err(|e| io_error(folder, e))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        match kind(&name) {
            Some(kind) => {
                let deepest = if is_ours_below(&name) { DEEPEST } else { 0 };
                below(&entry, kind, deepest, &mut left, &mut narrowed)?;
            }
            None if name == "lost+found" => {}
            None => {
                has_others = true;
                has_folders_of_others |= entry.file_type().is_ok_and(|t| t.is_dir());
            }
        }
    }
    if metadata.mode() & OTHERS != 0 && !held_by_group(&metadata) {
        narrowed.left_open = has_folders_of_others || (has_others && is_somebodys_place(&metadata));
        if !narrowed.left_open {
            close(folder, &metadata, "data folder", &mut narrowed)?;
        }
    }
    Ok(narrowed)
}

/// Whether this is the folder that the process runs in, or its user's home.
fn is_somebodys_place(metadata: &Metadata) -> bool {
    let same = |path: &Path| fs::metadata(path).is_ok_and(|m| (m.dev(), m.ino()) == (metadata.dev(), metadata.ino()));
    same(Path::new(".")) || std::env::var_os("HOME").is_some_and(|home| same(Path::new(&home)))
}

fn below(entry: &DirEntry, kind: &'static str, deepest: u32, left: &mut u32, narrowed: &mut Narrowed) -> Result<()> {
    if *left == 0 {
        narrowed.unfinished = true;
        return Ok(());
    }
    *left -= 1;
    let path = entry.path();
    // One that is gone by now was another process's to remove.
    let Ok(metadata) = fs::symlink_metadata(&path) else { return Ok(()) };
    if metadata.is_symlink() || check_owner(&metadata).is_err() {
        return Ok(());
    }
    if metadata.mode() & OTHERS != 0 && (metadata.is_dir() || metadata.is_file()) {
        close(&path, &metadata, kind, narrowed)?;
    }
    if metadata.is_dir() && deepest > 0 {
        for entry in fs::read_dir(&path).map_err(|e| io_error(&path, e))? {
            below(&entry.map_err(|e| io_error(&path, e))?, kind, deepest - 1, left, narrowed)?;
        }
    }
    Ok(())
}

fn close(path: &Path, metadata: &Metadata, kind: &'static str, narrowed: &mut Narrowed) -> Result<()> {
    // The owner's rights stay: a file may have been made read-only on purpose.
    match fs::set_permissions(path, Permissions::from_mode(metadata.mode() & 0o700)) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(io_error(path, e)),
    }
    *(if metadata.is_dir() { &mut narrowed.folders } else { &mut narrowed.files }) += 1;
    narrowed.kinds.insert(kind);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::private;
    use std::path::PathBuf;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    /// A data folder as older versions made it under the usual umask.
    fn old() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        for folder in ["data", "data/artifacts", "data/artifacts/ab", "data/artifacts/ab/cd", "data/import"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
            fs::set_permissions(dir.path().join(folder), Permissions::from_mode(0o755)).unwrap();
        }
        for file in [
            "provost.db",
            "provost.db-wal",
            "provost.lock",
            "artifacts/hold.lock",
            "artifacts/ab/cd/abcd",
            "rejects-1.jsonl",
            "import/theirs.csv",
        ] {
            fs::write(data.join(file), "x").unwrap();
            fs::set_permissions(data.join(file), Permissions::from_mode(0o644)).unwrap();
        }
        (dir, data)
    }

    #[test]
    fn an_older_folder_is_closed_once_and_said_in_one_line() {
        let (dir, data) = old();
        std::os::unix::fs::symlink("/etc/hostname", data.join("rejects-link.jsonl")).unwrap();
        fs::write(data.join("notes.txt"), "x").unwrap();
        let narrowed = narrow(&data).unwrap();
        assert_eq!((narrowed.folders, narrowed.files, narrowed.left_open), (5, 6, false), "{narrowed:?}");
        let said = narrowed.text(&data).unwrap();
        assert!(said.contains("folders (5)") && said.contains("files (6)") && said.contains("rejects"), "{said}");
        assert_eq!(said.lines().count(), 1);
        for (path, expected) in [
            ("", 0o700),
            ("artifacts/ab/cd", 0o700),
            ("artifacts/ab/cd/abcd", 0o600),
            ("provost.db-wal", 0o600),
            ("provost.lock", 0o600),
            ("import", 0o700),
        ] {
            assert_eq!(mode(&data.join(path)), expected, "{path}");
        }
        assert_eq!(mode(&data.join("import/theirs.csv")), 0o644, "others look after what they put there");
        assert_ne!(fs::metadata("/etc/hostname").map_or(0, |m| m.mode()) & 0o777, 0o600, "no link is followed");
        assert_eq!(narrow(&data).unwrap(), Narrowed::default());
        drop(dir);
    }

    #[test]
    fn a_folder_that_is_more_than_a_data_folder_stays_open_and_says_so() {
        let (_dir, data) = old();
        fs::create_dir(data.join("somebody")).unwrap();
        let narrowed = narrow(&data).unwrap();
        assert!(narrowed.left_open && narrowed.files == 6, "{narrowed:?}");
        assert_eq!((mode(&data), mode(&data.join("provost.db"))), (0o755, 0o600));
        assert!(narrowed.text(&data).unwrap().contains("chmod 700"));
    }

    #[test]
    fn a_folder_of_everybody_is_refused() {
        let (_dir, data) = old();
        fs::set_permissions(&data, Permissions::from_mode(0o1777)).unwrap();
        let error = narrow(&data).unwrap_err().to_string();
        assert!(error.contains("every user may write"), "{error}");
    }

    #[test]
    fn a_folder_of_another_user_is_refused() {
        let (_dir, data) = old();
        if std::os::unix::fs::chown(&data, Some(65_534), None).is_err() {
            eprintln!("SKIPPED: only root can give a folder to another user");
            return;
        }
        let error = narrow(&data).unwrap_err().to_string();
        assert!(error.contains("user 65534") && error.contains("chown"), "{error}");
    }

    /// Runs `work` as another user in these groups. The system call changes the calling thread alone, and each has its own.
    fn as_user<T: Send>(user: u32, groups: &[u32], work: impl FnOnce() -> T + Send) -> T {
        let on_its_own = || {
            // SAFETY: the pointer is to as many numbers as are told; both calls change the rights of this thread only.
            let done = unsafe {
                libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr())
                    + libc::syscall(libc::SYS_setresgid, -1, user, -1)
                    + libc::syscall(libc::SYS_setresuid, -1, user, -1)
            };
            assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
            work()
        };
        std::thread::scope(|scope| scope.spawn(on_its_own).join().unwrap())
    }

    #[test]
    fn a_folder_that_root_gave_to_a_group_is_taken_unless_others_may_write_in_it() {
        const USER: u32 = 65_533;
        const GROUP: u32 = 20_017;
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("volume");
        fs::create_dir(&data).unwrap();
        if std::os::unix::fs::chown(&data, Some(0), Some(GROUP)).is_err() {
            eprintln!("SKIPPED: only root can give a folder to a group");
            return;
        }
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let taken = |mode: u32, groups: &[u32]| {
            fs::set_permissions(&data, Permissions::from_mode(mode)).unwrap();
            as_user(USER, groups, || {
                let made = private::make_data_folder(&data).and_then(|()| narrow(&data));
                made.map_err(|e| e.to_string())
            })
        };
        for mode in [0o2770, 0o2775, 0o770] {
            assert_eq!(taken(mode, &[5, GROUP]), Ok(Narrowed::default()), "{mode:o}");
        }
        for (mode, groups) in [(0o2777, &[GROUP][..]), (0o1777, &[GROUP]), (0o2755, &[GROUP]), (0o2770, &[5])] {
            let error = taken(mode, groups).unwrap_err();
            assert!(error.contains("belongs to user 0") || error.contains("ermission denied"), "{mode:o}: {error}");
        }
        // What the process makes there is closed, also to the group, whatever the volume's owner did to it since.
        taken(0o2770, &[GROUP]).unwrap();
        as_user(USER, &[GROUP], || private::create_new(&data.join("provost.db")).map(drop)).unwrap();
        assert_eq!((mode(&data.join("provost.db")), mode(&data)), (0o600, 0o2770));
        fs::set_permissions(data.join("provost.db"), Permissions::from_mode(0o660)).unwrap();
        assert_eq!(taken(0o2770, &[GROUP]).unwrap().files, 1);
        assert_eq!(mode(&data.join("provost.db")), 0o600);
        // The folder of another user stays refused, whatever its group.
        std::os::unix::fs::chown(&data, Some(65_534), None).unwrap();
        assert!(taken(0o2770, &[GROUP]).unwrap_err().contains("user 65534"));
    }
}
