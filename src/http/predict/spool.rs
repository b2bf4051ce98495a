//! Holds answers until the client reads them: some in memory, further ones in unlinked files. A client that sends all
//! its rows before it reads would otherwise wait for the service while the service waits for the client.

use actix_web::web::Bytes;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes wait in memory.
const MEMORY: usize = 1 << 20;
/// Bytes read from a file at a time.
const PIECE: usize = 1 << 18;
/// Bytes of the disk that stay free whatever the settings allow: the store may be on the same disk.
const KEPT_FREE: u64 = 256 << 20;

/// The disk space for waiting answers, shared by the spools of all streams.
pub struct SpoolDisk {
    /// The folder of the files.
    folder: PathBuf,
    /// The most bytes of all files together.
    most: u64,
    kept_free: u64,
    spools: AtomicU64,
    /// Bytes of all files, including bytes that were read already.
    used: AtomicU64,
}

impl SpoolDisk {
    pub fn new(folder: PathBuf, most: u64) -> Self {
        Self { folder, most, kept_free: KEPT_FREE, spools: AtomicU64::new(0), used: AtomicU64::new(0) }
    }

    /// The share of one spool.
    fn share(&self) -> u64 {
        self.most / self.spools.load(Ordering::Relaxed).max(1)
    }

    /// The size at which a spool begins another file: a file occupies its space until all of it was read.
    fn segment(&self) -> u64 {
        (self.share() / 8).max(1 << 20)
    }

    /// Counts bytes as used, unless they are too many.
    fn take(&self, bytes: u64) -> bool {
        let within = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.most);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, within).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// Whether writing this many bytes leaves enough of the disk free.
    fn has_space_for(&self, bytes: u64) -> io::Result<bool> {
        let disk = rustix::fs::statvfs(&self.folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize) >= self.kept_free.saturating_add(bytes))
    }
}

/// A file with the bytes from `read` to `written`.
struct Segment {
    file: File,
    read: u64,
    written: u64,
}

/// A queue of bytes.
pub struct Spool {
    disk: Arc<SpoolDisk>,
    memory: VecDeque<Bytes>,
    in_memory: usize,
    /// The files with the bytes after those in memory.
    segments: VecDeque<Segment>,
    /// Bytes of these files, including bytes that were read already.
    in_files: u64,
}

impl Spool {
    pub fn new(disk: Arc<SpoolDisk>) -> Self {
        disk.spools.fetch_add(1, Ordering::Relaxed);
        Self { disk, memory: VecDeque::new(), in_memory: 0, segments: VecDeque::new(), in_files: 0 }
    }

    /// Whether this many bytes may be added now, or some must be taken first.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        self.has_memory_for(bytes) || self.in_files + bytes as u64 <= self.disk.share()
    }

    /// Whether `push` of this many bytes stays in memory.
    pub fn has_memory_for(&self, bytes: usize) -> bool {
        self.segments.is_empty() && (self.memory.is_empty() || self.in_memory + bytes <= MEMORY)
    }

    /// Whether `pop` reads from a file.
    pub fn pops_from_file(&self) -> bool {
        self.memory.is_empty() && !self.segments.is_empty()
    }

    /// Appends bytes; returns them if some must be taken first.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub fn push(&mut self, bytes: Bytes) -> io::Result<Option<Bytes>> {
        if self.has_memory_for(bytes.len()) {
            self.in_memory += bytes.len();
            self.memory.push_back(bytes);
            return Ok(None);
        }
        let length = bytes.len() as u64;
        if !self.has_room_for(bytes.len()) || !self.disk.has_space_for(length)? || !self.disk.take(length) {
            return Ok(Some(bytes));
        }
        self.in_files += length;
        if self.segments.back().is_none_or(|last| last.written >= self.disk.segment()) {
            self.segments.push_back(Segment { file: tempfile::tempfile_in(&self.disk.folder)?, read: 0, written: 0 });
        }
        if let Some(last) = self.segments.back_mut() {
            last.file.write_all_at(&bytes, last.written)?;
            last.written += length;
        }
        Ok(None)
    }

    /// Takes bytes from the front; None if there are none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn pop(&mut self) -> io::Result<Option<Bytes>> {
        if let Some(bytes) = self.memory.pop_front() {
            self.in_memory -= bytes.len();
            return Ok(Some(bytes));
        }
        let Some(first) = self.segments.front_mut().filter(|first| first.read < first.written) else { return Ok(None) };
        let mut piece = vec![0; (first.written - first.read).min(PIECE as u64) as usize];
        first.file.read_exact_at(&mut piece, first.read)?;
        first.read += piece.len() as u64;
        if first.read == first.written {
            let written = first.written;
            // The disk space is free once the file is closed.
            self.segments.pop_front();
            self.in_files -= written;
            self.disk.give_back(written);
        }
        Ok(Some(Bytes::from(piece)))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.segments.clear();
        self.disk.give_back(self.in_files);
        self.disk.spools.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tempfile::TempDir;

    fn disk(folder: &TempDir, most: u64, kept_free: u64) -> Arc<SpoolDisk> {
        Arc::new(SpoolDisk { kept_free, ..SpoolDisk::new(folder.path().to_owned(), most) })
    }

    /// The disk space of the spool's files, in bytes.
    fn on_disk(spool: &Spool) -> u64 {
        spool.segments.iter().map(|segment| segment.file.metadata().unwrap().len()).sum()
    }

    #[test]
    fn bytes_come_out_in_order_whether_they_waited_in_memory_or_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(disk(&folder, 8 << 20, 0));
        let part = |n: u8| Bytes::from(vec![n; 300_000]);
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        for round in 0..3 {
            for n in 0..10 {
                sent.extend_from_slice(&part(10 * round + n));
                assert!(spool.push(part(10 * round + n)).unwrap().is_none());
            }
            // Some bytes are taken while more are added.
            for _ in 0..4 {
                got.extend_from_slice(&spool.pop().unwrap().unwrap());
            }
        }
        assert!(!spool.has_room_for(8 << 20));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the files have no names");
        while let Some(bytes) = spool.pop().unwrap() {
            got.extend_from_slice(&bytes);
        }
        assert!(sent == got && spool.has_room_for(8 << 20));
        assert!(spool.push(part(1)).unwrap().is_none());
        assert_eq!(spool.pop().unwrap().unwrap(), part(1), "it starts again in memory");
    }

    #[test]
    fn a_client_that_stays_behind_takes_no_more_disk_than_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(&folder, 8 << 20, 0);
        let mut spool = Spool::new(disk.clone());
        let part = Bytes::from(vec![7; 700_000]);
        let (mut read, mut highest) = (0, 0);
        // 140 MB pass through the spool, and some always wait.
        for _ in 0..200 {
            let mut waiting = Some(part.clone());
            while let Some(bytes) = waiting {
                waiting = spool.push(bytes).unwrap();
                if waiting.is_some() {
                    read += spool.pop().unwrap().unwrap().len();
                }
            }
            highest = highest.max(on_disk(&spool));
            assert_eq!(on_disk(&spool), disk.used.load(Ordering::Relaxed));
        }
        assert!((7 << 20..=8 << 20).contains(&highest), "{highest}");
        while let Some(bytes) = spool.pop().unwrap() {
            read += bytes.len();
        }
        assert!(read == 200 * part.len() && spool.segments.is_empty());
        assert_eq!(disk.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn streams_share_the_disk_and_take_no_more_together_than_one_may() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(&folder, 8 << 20, 0);
        let part = Bytes::from(vec![7; 1 << 20]);
        let full = |spool: &mut Spool| (0..20).take_while(|_| spool.push(part.clone()).unwrap().is_none()).count();
        let mut first = Spool::new(disk.clone());
        assert_eq!(full(&mut first), 9, "one in memory, eight in files");
        let mut second = Spool::new(disk.clone());
        assert_eq!(full(&mut second), 1, "its half is not free yet, but its memory is");
        // As much as is in memory, and half of what is in files.
        for _ in 0..17 {
            first.pop().unwrap().unwrap();
        }
        assert!(first.push(part.clone()).unwrap().is_some(), "it has its half");
        assert_eq!((on_disk(&first), full(&mut second)), (4 << 20, 4));
        assert_eq!(disk.used.load(Ordering::Relaxed), 8 << 20);
        drop(first);
        assert_eq!(full(&mut second), 4, "all of the disk is for one again");
        drop(second);
        assert_eq!(disk.used.load(Ordering::Relaxed), 0);
        let mut none = Spool::new(self::disk(&folder, 0, 0));
        assert_eq!(full(&mut none), 1, "without a disk there is the memory");
        assert_eq!(none.pop().unwrap().unwrap(), part);
        assert!(none.has_room_for(part.len()));
    }

    #[test]
    fn a_disk_that_is_nearly_full_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(disk(&folder, 8 << 20, 1 << 62));
        let part = Bytes::from(vec![7; 1 << 20]);
        assert!(spool.push(part.clone()).unwrap().is_none(), "memory needs no disk");
        assert_eq!(spool.push(part.clone()).unwrap().unwrap(), part);
        assert_eq!(spool.pop().unwrap().unwrap(), part);
        assert!(spool.push(part).unwrap().is_none());
    }
}
