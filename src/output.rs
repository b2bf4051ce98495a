//! Files that a command writes, readable by its own user only. A file is written beside its place and renamed once complete,
//! so that an earlier file of that name stays until then. A command must not write a file that it reads.

use crate::error::{Error, Result};
use provost_store::layout::{DATABASE, PREDICTIONS};
use provost_store::private;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that is being written. Without [`OutFile::finish`] it is removed, and an earlier file stays.
pub struct OutFile {
    /// The path as the user named it.
    name: PathBuf,
    out: Option<BufWriter<File>>,
    /// Where the bytes are, and where they go; None for a target that cannot be replaced, such as a device or a pipe.
    rename: Option<(PathBuf, PathBuf)>,
}

impl OutFile {
    /// Begins a file for `path`.
    ///
    /// # Errors
    /// If `path` is one of `inputs`, under any name, or cannot be written.
    pub fn create(path: &Path, inputs: &[&Path]) -> Result<Self> {
        let cannot = |e: std::io::Error| Error::failed(format!("cannot write {}: {e}", path.display()));
        if let Some(input) = inputs.iter().find(|input| same_file(input, path)) {
            let same =
                if *input == path { String::new() } else { format!(" is the same file as {}, which", input.display()) };
            return Err(Error::Usage(format!(
                "{}{same} is read by this command and cannot be written by it",
                path.display()
            )));
        }
        // Links are followed: the file at their end is replaced, and the links stay.
        let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let found = target.metadata().ok();
        if found.as_ref().is_some_and(|m| m.is_dir()) {
            return Err(cannot(ErrorKind::IsADirectory.into()));
        }
        if found.is_some_and(|m| !m.is_file()) {
            let file = OpenOptions::new().write(true).open(&target).map_err(cannot)?;
            return Ok(Self { name: path.to_owned(), out: Some(BufWriter::new(file)), rename: None });
        }
        let (temporary, file) = beside(&target).map_err(cannot)?;
        // The permissions of the replaced file are kept, because its owner chose them.
        if let Ok(before) = target.metadata() {
            file.set_permissions(before.permissions()).map_err(cannot)?;
        }
        let rename = Some((temporary, target));
        Ok(Self { name: path.to_owned(), out: Some(BufWriter::new(file)), rename })
    }

    /// Completes the file and moves it to its place.
    ///
    /// # Errors
    /// If the last bytes cannot be written, or the file cannot be renamed.
    pub fn finish(mut self) -> Result<()> {
        let Some(out) = self.out.take() else { return Ok(()) };
        let written = out.into_inner().map_err(std::io::IntoInnerError::into_error);
        let placed = match &self.rename {
            Some((from, to)) => written.and_then(|file| file.sync_all()).and_then(|()| std::fs::rename(from, to)),
            None => written.map(drop),
        };
        placed.map_err(|e| Error::failed(format!("cannot write {}: {e}", self.name.display())))?;
        self.rename = None;
        Ok(())
    }
}

impl Write for OutFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match &mut self.out {
            Some(out) => out.write(bytes),
            None => Err(ErrorKind::BrokenPipe.into()),
        }
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.out.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for OutFile {
    fn drop(&mut self) {
        if let Some((temporary, _)) = &self.rename {
            // Best effort: the error that ended the writing is the one to report.
            let _ = std::fs::remove_file(temporary);
        }
    }
}

/// Creates a new file in the folder of `target`.
fn beside(target: &Path) -> std::io::Result<(PathBuf, File)> {
    let name = target.file_name().ok_or(ErrorKind::InvalidInput)?;
    for attempt in 0..100 {
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{attempt}.unfinished", std::process::id()));
        let path = target.with_file_name(hidden);
        match private::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// The store's two files and the two that SQLite keeps beside each; no command may write them.
pub fn database_files(data_dir: &Path) -> [PathBuf; 6] {
    let names =
        [DATABASE, PREDICTIONS].map(|name| ["", "-wal", "-shm"].map(|end| data_dir.join(format!("{name}{end}"))));
    let [[a, b, c], [d, e, f]] = names;
    [a, b, c, d, e, f]
}

/// Whether both names lead to the same file through links of either kind, or to the same place if no file is there yet.
pub fn same_file(a: &Path, b: &Path) -> bool {
    let id = |path: &Path| path.metadata().map(|m| (m.dev(), m.ino()));
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some((folder.canonicalize().ok()?, path.file_name()?.to_owned()))
    };
    match (id(a), id(b)) {
        (Ok(a), Ok(b)) => a == b,
        (Err(_), Err(_)) => place(a).is_some_and(|at| place(b) == Some(at)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_replaced_only_by_a_whole_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.csv");
        std::fs::write(&path, "before").unwrap();
        let mut out = OutFile::create(&path, &[]).unwrap();
        out.write_all(b"half").unwrap();
        drop(out);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
        let mut out = OutFile::create(&path, &[]).unwrap();
        out.write_all(b"whole").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
        out.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside");
    }

    #[test]
    fn an_input_is_no_output_under_any_name() {
        let dir = tempfile::tempdir().unwrap();
        let input = dir.path().join("in.jsonl");
        std::fs::write(&input, "x").unwrap();
        let (hard, soft) = (dir.path().join("hard"), dir.path().join("soft"));
        std::fs::hard_link(&input, &hard).unwrap();
        std::os::unix::fs::symlink("in.jsonl", &soft).unwrap();
        for out in [&input, &hard, &soft, &dir.path().join("./in.jsonl")] {
            let refused = OutFile::create(out, &[&input]).err().unwrap();
            assert!(matches!(refused, Error::Usage(_)), "{}", out.display());
        }
        // Nor the place of a file that does not exist now.
        let [_, log, ..] = database_files(dir.path());
        assert!(OutFile::create(&dir.path().join("./provost.db-wal"), &[&log]).is_err());
        // A link to another file stays, and leads to the new file.
        let out = OutFile::create(&soft, &[]).unwrap();
        out.finish().unwrap();
        assert!(soft.is_symlink() && std::fs::read(&input).unwrap().is_empty());
    }

    #[test]
    fn a_full_device_is_an_error_and_stays() {
        let mut out = OutFile::create(Path::new("/dev/full"), &[]).unwrap();
        out.write_all(b"x").unwrap();
        assert!(out.finish().unwrap_err().to_string().contains("/dev/full"));
        assert!(Path::new("/dev/full").exists());
    }
}
