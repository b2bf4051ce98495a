//! Backups of a data folder: a folder with a copy of the database, the artifacts that it names, and a manifest with the
//! SHA-256 of all, written last.
//!
//! A backup is taken beside a running service. The database is copied first, in one read transaction; artifacts never change
//! under their names, so those that the copy names can be copied after it, while a [`Hold`](crate::artifacts::Hold) keeps
//! them from being swept.

use crate::artifacts::{Artifacts, sync_folder};
use crate::error::{Result, StoreError, io_error};
use crate::layout::{ARTIFACTS, DATABASE, LOCK_FILE, PREDICTIONS, RESTORING};
use crate::lock::DataFolderLock;
use crate::private;
use crate::sqlite::backup::{copy, look, look_at_log};
use chrono::{DateTime, Utc};
use provost_domain::hash::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

/// Name of the manifest in a backup.
pub const MANIFEST: &str = "manifest.json";
const FORMAT: u32 = 1;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the manifest's format.
    pub format: u32,
    /// When the backup was taken.
    pub created_at: DateTime<Utc>,
    /// Version of the program that took it.
    pub provost: String,
    /// Version of the database's schema.
    pub schema: u32,
    /// Size and hash of the copied database.
    pub database: Content,
    /// Size and hash of the copied prediction log; none if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<Content>,
    /// SHA-256 of each copied artifact to its size in bytes.
    pub artifacts: BTreeMap<String, u64>,
    /// Artifacts that were missing or damaged in the data folder and are not part of the backup.
    pub damaged: BTreeSet<String>,
}

/// Size and hash of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// Size of the backup in bytes.
    pub fn bytes(&self) -> u64 {
        let log = self.predictions.as_ref().map_or(0, |log| log.bytes);
        self.database.bytes + log + self.artifacts.values().sum::<u64>()
    }
}

fn names_in(folder: &Path) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(folder).map_err(|e| io_error(folder, e))?;
    let name = |e: std::io::Result<fs::DirEntry>| e.map(|e| e.file_name().to_string_lossy().into_owned());
    entries.map(|e| name(e).map_err(|e| io_error(folder, e))).collect()
}

fn content(path: &Path) -> Result<Content> {
    let mut file = File::open(path).map_err(|e| io_error(path, e))?;
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).map_err(|e| io_error(path, e))? {
            0 => return Ok(Content { bytes, sha256: hex(&hash.finalize()) }),
            n => {
                hash.update(&buffer[..n]);
                bytes += n as u64;
            }
        }
    }
}

fn sync_file(path: &Path) -> Result<()> {
    File::open(path).and_then(|f| f.sync_all()).map_err(|e| io_error(path, e))
}

/// Takes a backup of the data folder into `target`, which must be missing or empty; `Invalid` if it is not, or if there is no
/// database. `each` is called with the number of copied artifacts and their total number. A backup without a manifest is incomplete.
pub fn take(data_dir: &Path, target: &Path, now: DateTime<Utc>, mut each: impl FnMut(u64, u64)) -> Result<Manifest> {
    let database = data_dir.join(DATABASE);
    if !database.is_file() {
        return Err(StoreError::Invalid(format!(
            "{} holds no {DATABASE}: there is nothing to back up",
            data_dir.display()
        )));
    }
    private::make_folder(target).map_err(|e| io_error(target, e))?;
    if let Some(found) = names_in(target)?.into_iter().next() {
        let target = target.display();
        return Err(StoreError::Invalid(format!(
            "{target} is not empty (it holds `{found}`); an empty folder is needed"
        )));
    }
    restrict(target)?;
    let from = Artifacts::open(data_dir.join(ARTIFACTS))?;
    // Held before the database is copied, so that no artifact that the copy names is removed before it is copied.
    let _hold = from.hold()?;
    let copied = target.join(DATABASE);
    // SQLite copies into an existing empty file, whose mode stays private.
    private::create_new(&copied).map_err(|e| io_error(&copied, e))?;
    copy(&database, &copied)?;
    sync_file(&copied)?;
    let looked = look(&copied)?;
    let predictions = copy_predictions(data_dir, target)?;
    let into = Artifacts::open(target.join(ARTIFACTS))?;
    let (mut artifacts, mut damaged) = (BTreeMap::new(), BTreeSet::new());
    let all = looked.artifacts.len() as u64;
    for (number, name) in looked.artifacts.into_iter().enumerate() {
        match from.get(&name) {
            Ok(bytes) => {
                into.put(&bytes)?;
                artifacts.insert(name, bytes.len() as u64);
            }
            Err(StoreError::Corrupt { .. } | StoreError::NotFound { .. } | StoreError::Invalid(_)) => {
                damaged.insert(name);
            }
            Err(e) => return Err(e),
        }
        each(number as u64 + 1, all);
    }
    let manifest = Manifest {
        format: FORMAT,
        created_at: now,
        provost: env!("CARGO_PKG_VERSION").to_owned(),
        schema: looked.schema,
        database: content(&copied)?,
        predictions,
        artifacts,
        damaged,
    };
    write_manifest(target, &manifest)?;
    Ok(manifest)
}

/// Copies the prediction log, if there is one.
fn copy_predictions(data_dir: &Path, target: &Path) -> Result<Option<Content>> {
    let from = data_dir.join(PREDICTIONS);
    if !from.is_file() {
        return Ok(None);
    }
    let to = target.join(PREDICTIONS);
    private::create_new(&to).map_err(|e| io_error(&to, e))?;
    copy(&from, &to)?;
    sync_file(&to)?;
    look_at_log(&to)?;
    content(&to).map(Some)
}

/// `Corrupt` if a file is not the one that the manifest names.
fn check_content(path: &Path, expected: &Content) -> Result<()> {
    let found = content(path)?;
    if found == *expected {
        return Ok(());
    }
    let why = format!("its {} bytes have the SHA-256 {}", found.bytes, found.sha256);
    Err(StoreError::Corrupt { what: path.display().to_string(), why })
}

/// Makes the folder private: it may have existed with a wider mode.
fn restrict(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(|e| io_error(folder, e))
}

fn write_manifest(target: &Path, manifest: &Manifest) -> Result<()> {
    let path = target.join(MANIFEST);
    let text = serde_json::to_string_pretty(manifest).map_err(|e| StoreError::Internal(e.to_string()))?;
    let temporary = target.join("manifest.part");
    let written = private::create(&temporary)
        .and_then(|mut file| writeln!(file, "{text}").and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, &path));
    written.map_err(|e| io_error(&path, e))?;
    sync_folder(target)
}

/// Verifies a backup and writes nothing. `Invalid` if there is none; `Corrupt` names the first file that differs from the
/// manifest.
pub fn verify(source: &Path, mut each: impl FnMut(u64, u64)) -> Result<Manifest> {
    let path = source.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => StoreError::Invalid(format!(
            "{} is no backup, or one that was broken off: it has no {MANIFEST}",
            source.display()
        )),
        _ => io_error(&path, e),
    })?;
    let corrupt = |what: &Path, why: String| StoreError::Corrupt { what: what.display().to_string(), why };
    let manifest: Manifest = serde_json::from_str(&text).map_err(|e| corrupt(&path, e.to_string()))?;
    if manifest.format != FORMAT {
        let found = manifest.format;
        return Err(StoreError::Invalid(format!("{}: format {found}; this binary knows {FORMAT}", path.display())));
    }
    let database = source.join(DATABASE);
    check_content(&database, &manifest.database)?;
    if let Some(expected) = &manifest.predictions {
        let log = source.join(PREDICTIONS);
        check_content(&log, expected)?;
        look_at_log(&log)?;
    }
    let looked = look(&database)?;
    let lacking =
        looked.artifacts.iter().find(|n| !manifest.artifacts.contains_key(*n) && !manifest.damaged.contains(*n));
    if let Some(name) = lacking {
        return Err(corrupt(&path, format!("the database names artifact {name}, which is not listed")));
    }
    let artifacts = Artifacts::to_read(source.join(ARTIFACTS));
    for (number, name) in manifest.artifacts.keys().enumerate() {
        artifacts.get(name).map_err(|e| match e {
            StoreError::NotFound { what, id } => corrupt(source, format!("{what} {id} is missing")),
            e => e,
        })?;
        each(number as u64 + 1, manifest.artifacts.len() as u64);
    }
    Ok(manifest)
}

/// Locks the data folder for a restoration; `Locked` if a process holds it, `Invalid` if it is not empty. Files of an
/// unfinished restoration are removed.
fn claim(data_dir: &Path) -> Result<DataFolderLock> {
    let lock = DataFolderLock::acquire(data_dir)?;
    let mut found = names_in(data_dir)?;
    found.remove(LOCK_FILE);
    if found.remove(RESTORING) && !found.contains(DATABASE) {
        found.remove(ARTIFACTS);
        for left in [RESTORING, ARTIFACTS].map(|name| data_dir.join(name)) {
            if left.exists() {
                fs::remove_dir_all(&left).map_err(|e| io_error(&left, e))?;
            }
        }
        if found.remove(PREDICTIONS) {
            let left = data_dir.join(PREDICTIONS);
            fs::remove_file(&left).map_err(|e| io_error(&left, e))?;
        }
    }
    match found.into_iter().next() {
        None => Ok(lock),
        Some(name) => Err(StoreError::Invalid(format!(
            "{} is not empty (it holds `{name}`); a backup is restored into an empty folder",
            data_dir.display()
        ))),
    }
}

/// Restores a backup, after all of it was checked, into a data folder that is missing or empty. The database is renamed into
/// place last, so a folder with a database is complete.
pub fn restore(source: &Path, data_dir: &Path, mut each: impl FnMut(u64, u64)) -> Result<Manifest> {
    let claimed = data_dir.exists().then(|| claim(data_dir)).transpose()?;
    let manifest = verify(source, &mut each)?;
    let _claimed = match claimed {
        Some(lock) => lock,
        None => claim(data_dir)?,
    };
    let restoring = data_dir.join(RESTORING);
    let (from, into) = (Artifacts::to_read(source.join(ARTIFACTS)), Artifacts::open(restoring.join(ARTIFACTS))?);
    for name in manifest.artifacts.keys() {
        into.put(&from.get(name)?)?;
    }
    let files = std::iter::once((DATABASE, &manifest.database));
    for (name, expected) in files.chain(manifest.predictions.iter().map(|log| (PREDICTIONS, log))) {
        let to = restoring.join(name);
        let copied =
            File::open(source.join(name)).and_then(|mut from| std::io::copy(&mut from, &mut private::create_new(&to)?));
        copied.map_err(|e| io_error(&to, e))?;
        sync_file(&to)?;
        check_content(&to, expected)?;
    }
    // The database last: a folder that has one is complete.
    let log = manifest.predictions.as_ref().map(|_| PREDICTIONS);
    for name in std::iter::once(ARTIFACTS).chain(log).chain([DATABASE]) {
        let to = data_dir.join(name);
        fs::rename(restoring.join(name), &to).map_err(|e| io_error(&to, e))?;
        sync_folder(data_dir)?;
    }
    fs::remove_dir(&restoring).map_err(|e| io_error(&restoring, e))?;
    Ok(manifest)
}

#[cfg(test)]
mod tests;
