//! Folders and files that nobody but the process's own user may enter or read: folders 0700, files 0600, whatever the umask
//! is. Every crate that writes people's data makes its folders and files here.

mod narrow;

pub use narrow::{Narrowed, narrow};

use crate::error::{StoreError, io_error};
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

const FOLDER: u32 = 0o700;
const FILE: u32 = 0o600;
/// The permission bits of everybody but the owner.
pub const OTHERS: u32 = 0o077;

/// Creates the folder and its missing parents with mode 0700. A folder that exists is left as it is.
///
/// # Errors
/// Those of the operating system.
pub fn make_folder(path: &Path) -> Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        make_folder(above)?;
    }
    match DirBuilder::new().mode(FOLDER).create(path) {
        // The umask may have taken rights of the owner's own.
        Ok(()) => std::fs::set_permissions(path, Permissions::from_mode(FOLDER)),
        // Another process created it in the meantime.
        Err(e) if e.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(e) => Err(e),
    }
}

/// Creates a data folder, or checks the owner of an existing one: another user could change its content at any time.
///
/// # Errors
/// `Invalid` for a folder of another user that is not [`held_by_group`]; else those of the operating system.
pub fn make_data_folder(path: &Path) -> std::result::Result<(), StoreError> {
    let metadata = make_folder(path).and_then(|()| std::fs::metadata(path)).map_err(|e| io_error(path, e))?;
    check_data_folder(path, &metadata)
}

/// # Errors
/// `Invalid` for a folder of another user that is not [`held_by_group`].
fn check_data_folder(path: &Path, metadata: &Metadata) -> std::result::Result<(), StoreError> {
    match check_owner(metadata) {
        Err(e) if !held_by_group(metadata) => Err(StoreError::Invalid(format!(
            "data folder {}: {e}; chown the folder, or choose another",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// Whether this is a folder of root's that this process may write through one of its groups, and nobody beyond that group: so
/// Kubernetes hands over a volume (`fsGroup`). Its rights are not this process's to change; what it makes in the folder is its
/// own.
#[must_use]
pub fn held_by_group(metadata: &Metadata) -> bool {
    const GROUP: u32 = 0o030;
    const OTHERS_WRITE: u32 = 0o002;
    let mode = metadata.mode();
    metadata.is_dir()
        && metadata.uid() == 0
        && mode & GROUP == GROUP
        && mode & OTHERS_WRITE == 0
        && own_groups().contains(&metadata.gid())
}

/// The groups that this process acts with.
fn own_groups() -> Vec<u32> {
    // SAFETY: `getegid` reads a number of the process and cannot fail.
    let effective = unsafe { libc::getegid() };
    // SAFETY: with room for none, `getgroups` counts.
    let count = unsafe { libc::getgroups(0, std::ptr::null_mut()) };
    let mut groups = vec![0; usize::try_from(count).unwrap_or(0)];
    // SAFETY: there is room for `count` numbers.
    let read = unsafe { libc::getgroups(count, groups.as_mut_ptr()) };
    groups.truncate(usize::try_from(read).unwrap_or(0));
    groups.push(effective);
    groups
}

/// Creates a file for writing; it is an error if the file exists.
///
/// # Errors
/// Those of the operating system.
pub fn create_new(path: &Path) -> Result<File> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(FILE).open(path)?;
    file.set_permissions(Permissions::from_mode(FILE))?;
    Ok(file)
}

/// Creates a file for writing with mode 0600, or truncates an existing one and keeps its mode, which somebody has chosen.
///
/// # Errors
/// Those of the operating system.
pub fn create(path: &Path) -> Result<File> {
    match create_new(path) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => File::create(path),
        made => made,
    }
}

/// Opens a file of the process's own, made if missing, to read and to write. A link is not followed, the file of another
/// user is refused, and one that others may open is closed to them first: to hold a lock on a file it is enough to open it.
///
/// # Errors
/// `PermissionDenied` for the file of another user; else those of the operating system.
pub fn open_own(path: &Path) -> Result<File> {
    let existing = || OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(path);
    let file = match create_new(path) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => existing()?,
        made => return made,
    };
    let metadata = file.metadata()?;
    check_owner(&metadata)?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is no regular file"));
    }
    if metadata.mode() & OTHERS != 0 {
        file.set_permissions(Permissions::from_mode(FILE))?;
    }
    Ok(file)
}

/// # Errors
/// `PermissionDenied` if it belongs to another user than the one that this process runs as.
pub fn check_owner(metadata: &Metadata) -> Result<()> {
    let (owner, own) = (metadata.uid(), own_user());
    if owner == own {
        return Ok(());
    }
    let why = format!("it belongs to user {owner}, and this process runs as user {own}");
    Err(Error::new(ErrorKind::PermissionDenied, why))
}

/// The user that this process runs as.
pub fn own_user() -> u32 {
    // SAFETY: `geteuid` reads a number of the process and cannot fail.
    unsafe { libc::geteuid() }
}
