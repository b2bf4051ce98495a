//! Opens a file below a folder by handle, so that nobody can redirect the path out of the folder between the check and
//! the opening.
//!
//! Linux resolves the whole path below the folder in one step (`openat2` with `RESOLVE_BENEATH`): a link that stays
//! below is followed, one that leaves or is absolute is refused. If the kernel (before 5.6) or a container's filter
//! does not support `openat2`, the path is opened folder by folder, and every link below the folder is refused.

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// The kernel asks for another try if a link is renamed meanwhile.
#[cfg(target_os = "linux")]
const TRIES: u32 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BeneathError {
    #[error("there is no such file below the import folder")]
    Missing,
    #[error("a link on the way to it leads out of the import folder, or is not followed on this system")]
    Leaves,
    #[error("it is not a regular file")]
    NotAFile,
    #[error("it cannot be opened: {0}")]
    Refused(Errno),
}

impl From<Errno> for BeneathError {
    fn from(e: Errno) -> Self {
        match e {
            Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG => Self::Missing,
            Errno::XDEV | Errno::LOOP => Self::Leaves,
            // A socket.
            Errno::NXIO | Errno::NODEV => Self::NotAFile,
            other => Self::Refused(other),
        }
    }
}

/// Opens the regular file below `folder` that the relative path `name` denotes. Never waits: pipes and devices are
/// refused.
pub fn open(folder: &Path, name: &str) -> Result<File, BeneathError> {
    // The folder itself, and links that lead to it, are the operator's choice.
    let folder = rustix::fs::open(folder, FOLDER, Mode::empty())?;
    let file = resolve(folder.as_fd(), name)?;
    regular(file)
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Does not wait for a pipe's other end, and does not make a terminal the process's own.
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

fn regular(file: OwnedFd) -> Result<File, BeneathError> {
    let kind = FileType::from_raw_mode(fstat(&file)?.st_mode);
    if kind == FileType::RegularFile { Ok(File::from(file)) } else { Err(BeneathError::NotAFile) }
}

#[cfg(target_os = "linux")]
fn resolve(folder: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, BeneathError> {
    use rustix::fs::{ResolveFlags, openat2};
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..TRIES {
        match openat2(folder, name, FILE, Mode::empty(), beneath) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            // An older kernel, or a filter that does not know the call and answers in its own way.
            Err(Errno::NOSYS | Errno::PERM) => return walk(folder, name),
            done => return Ok(done?),
        }
    }
    Err(BeneathError::Refused(Errno::AGAIN))
}

#[cfg(not(target_os = "linux"))]
fn resolve(folder: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, BeneathError> {
    walk(folder, name)
}

/// Opens each folder from the handle of the one before, and follows no link.
fn walk(folder: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, BeneathError> {
    let mut parts = Path::new(name).components().peekable();
    let mut at: Option<OwnedFd> = None;
    while let Some(part) = parts.next() {
        let part: &OsStr = match part {
            std::path::Component::Normal(part) => part,
            std::path::Component::CurDir => continue,
            _ => return Err(BeneathError::Leaves),
        };
        let flags = if parts.peek().is_some() { FOLDER } else { FILE };
        let from = at.as_ref().map_or(folder, AsFd::as_fd);
        at = Some(match openat(from, part, flags | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(opened) => opened,
            // For a link instead of a folder the kernel reports that it is not a folder.
            Err(Errno::NOTDIR) if is_link(from, part) => return Err(BeneathError::Leaves),
            Err(e) => return Err(e.into()),
        });
    }
    at.ok_or(BeneathError::Missing)
}

fn is_link(folder: BorrowedFd<'_>, part: &OsStr) -> bool {
    let found = rustix::fs::statat(folder, part, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
    found.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn by_walking(folder: &Path, name: &str) -> Result<File, BeneathError> {
        let folder = rustix::fs::open(folder, FOLDER, Mode::empty())?;
        regular(walk(folder.as_fd(), name)?)
    }

    type Way = fn(&Path, &str) -> Result<File, BeneathError>;
    const WAYS: [Way; 2] = [open, by_walking];

    fn content(file: Result<File, BeneathError>) -> Result<String, BeneathError> {
        let mut text = String::new();
        file?.read_to_string(&mut text).unwrap();
        Ok(text)
    }

    /// An import folder with files, and a secret beside it.
    fn folders() -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("import");
        std::fs::create_dir_all(folder.join("sub")).unwrap();
        std::fs::create_dir_all(dir.path().join("out")).unwrap();
        std::fs::write(dir.path().join("out/data"), "outside").unwrap();
        std::fs::write(folder.join("data"), "inside").unwrap();
        std::fs::write(folder.join("sub/data"), "inside").unwrap();
        (dir, folder)
    }

    #[test]
    fn regular_files_beneath_are_opened_and_nothing_else_is() {
        let (dir, folder) = folders();
        symlink(dir.path().join("out/data"), folder.join("absolute")).unwrap();
        symlink("../out/data", folder.join("relative")).unwrap();
        symlink(dir.path().join("out"), folder.join("way")).unwrap();
        symlink("loop", folder.join("loop")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, folder.join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _socket = UnixListener::bind(folder.join("socket")).unwrap();
        for way in WAYS {
            for name in ["data", "sub/data", "./sub/./data"] {
                assert_eq!(content(way(&folder, name)), Ok("inside".to_owned()), "{name}");
            }
            for (name, expected) in [
                ("absent", BeneathError::Missing),
                ("data/x", BeneathError::Missing),
                ("absolute", BeneathError::Leaves),
                ("relative", BeneathError::Leaves),
                ("way/data", BeneathError::Leaves),
                ("loop", BeneathError::Leaves),
                ("../out/data", BeneathError::Leaves),
                ("/etc/passwd", BeneathError::Leaves),
                ("pipe", BeneathError::NotAFile),
                ("socket", BeneathError::NotAFile),
                ("sub", BeneathError::NotAFile),
            ] {
                assert_eq!(content(way(&folder, name)), Err(expected), "{name}");
            }
            assert_eq!(content(way(&dir.path().join("none"), "data")), Err(BeneathError::Missing));
        }
    }

    #[test]
    fn the_folder_itself_may_be_a_link() {
        let (dir, folder) = folders();
        let link = dir.path().join("link");
        symlink(folder, &link).unwrap();
        for way in WAYS {
            assert_eq!(content(way(&link, "sub/data")), Ok("inside".to_owned()));
        }
    }

    /// A link that stays below is followed if the kernel can guarantee that it does.
    #[cfg(target_os = "linux")]
    #[test]
    fn links_that_stay_below() {
        let (_dir, folder) = folders();
        symlink("sub/../data", folder.join("link")).unwrap();
        let handle = rustix::fs::open(&folder, FOLDER, Mode::empty()).unwrap();
        let able = rustix::fs::openat2(&handle, "data", FILE, Mode::empty(), rustix::fs::ResolveFlags::BENEATH).is_ok();
        let expected = if able { Ok("inside".to_owned()) } else { Err(BeneathError::Leaves) };
        assert_eq!(content(open(&folder, "link")), expected);
        assert_eq!(content(by_walking(&folder, "link")), Err(BeneathError::Leaves));
    }

    /// Also when a test fails.
    struct SetOnDrop<'a>(&'a AtomicBool);

    impl Drop for SetOnDrop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// Another thread exchanges a file for a link to the outside, and a folder on the path too, as fast as possible.
    #[test]
    fn no_try_of_thousands_gets_outside() {
        const OPENS: usize = 4000;
        let (dir, folder) = folders();
        let done = AtomicBool::new(false);
        let (mut inside, mut refused) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let spare = |name: &str| dir.path().join(name);
                symlink(dir.path().join("out/data"), spare("file link")).unwrap();
                symlink(dir.path().join("out"), spare("folder link")).unwrap();
                while !done.load(Ordering::Relaxed) {
                    for (link, place) in [("file link", "data"), ("folder link", "sub")] {
                        let swap = rustix::fs::RenameFlags::EXCHANGE;
                        let (a, b) = (spare(link), folder.join(place));
                        rustix::fs::renameat_with(rustix::fs::CWD, a, rustix::fs::CWD, b, swap).unwrap();
                    }
                }
            });
            let _stop = SetOnDrop(&done);
            for n in 0..OPENS {
                let name = if n % 2 == 0 { "data" } else { "sub/data" };
                match content(WAYS[n / 2 % 2](&folder, name)) {
                    Ok(text) => {
                        assert_eq!(text, "inside", "try {n}");
                        inside += 1;
                    }
                    Err(e) => {
                        // Missing: it was a link when opened, and no longer one when checked.
                        let known = [BeneathError::Leaves, BeneathError::Missing, BeneathError::Refused(Errno::AGAIN)];
                        assert!(known.contains(&e), "try {n}: {e}");
                        refused += 1;
                    }
                }
            }
        });
        eprintln!("0 of {OPENS} outside, {inside} inside, {refused} refused");
        assert!(inside > 0 && refused > 0, "{inside} inside, {refused} refused: nothing was exchanged meanwhile");
    }
}
