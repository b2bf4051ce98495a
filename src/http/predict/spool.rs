//! Answers that wait for a client to read them: some in memory, further ones in unlinked files of bounded length. A client that
//! sends all its rows before it reads would otherwise wait for the service while the service waits for the client.

use actix_web::web::Bytes;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that wait in memory.
const MEMORY: usize = 1 << 20;
/// Bytes read from a file at a time.
const PIECE: usize = 1 << 18;
/// Bytes after which a further file is begun: what was read of a file takes room until the whole file was read.
const SEGMENT: u64 = 1 << 25;

/// A file with the bytes from `read` to `written`.
struct Segment {
    file: File,
    read: u64,
    written: u64,
}

/// A queue of bytes.
pub struct Spool {
    /// Where the files are made.
    folder: PathBuf,
    /// Bytes that may wait in the files of all streams.
    most: u64,
    /// How many streams share these bytes.
    sharing: Arc<AtomicU64>,
    memory: VecDeque<Bytes>,
    in_memory: usize,
    /// What follows the bytes in memory.
    segments: VecDeque<Segment>,
    in_files: u64,
}

impl Spool {
    /// The streams that count in `sharing` have equal parts of `most`.
    pub fn new(folder: PathBuf, most: u64, sharing: Arc<AtomicU64>) -> Self {
        sharing.fetch_add(1, Ordering::Relaxed);
        Self { folder, most, sharing, memory: VecDeque::new(), in_memory: 0, segments: VecDeque::new(), in_files: 0 }
    }

    /// Whether so many bytes may be added, or something has to be taken before.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        self.has_memory_for(bytes) || self.in_files < self.most / self.sharing.load(Ordering::Relaxed).max(1)
    }

    /// Whether `push` of so many bytes writes to no file.
    pub fn has_memory_for(&self, bytes: usize) -> bool {
        self.in_files == 0 && (self.memory.is_empty() || self.in_memory + bytes <= MEMORY)
    }

    /// Whether `pop` reads from a file.
    pub fn pops_from_file(&self) -> bool {
        self.memory.is_empty() && self.in_files > 0
    }

    /// Adds bytes behind all others.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub fn push(&mut self, bytes: Bytes) -> io::Result<()> {
        if self.has_memory_for(bytes.len()) {
            self.in_memory += bytes.len();
            self.memory.push_back(bytes);
            return Ok(());
        }
        if self.segments.back().is_none_or(|last| last.written >= SEGMENT) {
            self.segments.push_back(Segment { file: tempfile::tempfile_in(&self.folder)?, read: 0, written: 0 });
        }
        if let Some(last) = self.segments.back_mut() {
            last.file.write_all_at(&bytes, last.written)?;
            last.written += bytes.len() as u64;
            self.in_files += bytes.len() as u64;
        }
        Ok(())
    }

    /// Takes bytes off the front; None where there are none.
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
        self.in_files -= piece.len() as u64;
        if first.read == first.written {
            // Its blocks are free again.
            self.segments.pop_front();
        }
        Ok(Some(Bytes::from(piece)))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.sharing.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_come_out_in_order_whether_they_waited_in_memory_or_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(folder.path().to_owned(), 5 << 20, Arc::default());
        let part = |n: u8| Bytes::from(vec![n; 300_000]);
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        for round in 0..3 {
            for n in 0..10 {
                sent.extend_from_slice(&part(10 * round + n));
                spool.push(part(10 * round + n)).unwrap();
            }
            // Some is taken while more comes.
            for _ in 0..4 {
                got.extend_from_slice(&spool.pop().unwrap().unwrap());
            }
        }
        assert!(!spool.has_room_for(1));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the files have no names");
        while let Some(bytes) = spool.pop().unwrap() {
            got.extend_from_slice(&bytes);
        }
        assert!(sent == got && spool.has_room_for(1));
        spool.push(part(1)).unwrap();
        assert_eq!(spool.pop().unwrap().unwrap(), part(1), "it starts again in memory");
    }

    #[test]
    fn a_client_that_stays_behind_takes_no_more_disk_than_what_waits() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(folder.path().to_owned(), 8 << 20, Arc::default());
        let part = Bytes::from(vec![7; 1 << 20]);
        let mut read = 0;
        // 200 MiB go through, and some always wait.
        for _ in 0..200 {
            spool.push(part.clone()).unwrap();
            while !spool.has_room_for(part.len()) {
                read += spool.pop().unwrap().unwrap().len();
            }
            let length: u64 = spool.segments.iter().map(|segment| segment.file.metadata().unwrap().len()).sum();
            assert!(length <= (8 << 20) + 2 * SEGMENT, "{length}");
        }
        while let Some(bytes) = spool.pop().unwrap() {
            read += bytes.len();
        }
        assert!(read == 200 << 20 && spool.segments.is_empty());
    }

    #[test]
    fn streams_share_the_disk_and_one_without_any_has_its_memory() {
        let (folder, sharing) = (tempfile::tempdir().unwrap(), Arc::<AtomicU64>::default());
        let new = |most| Spool::new(folder.path().to_owned(), most, sharing.clone());
        let part = Bytes::from(vec![7; 2 << 20]);
        let mut first = new(8 << 20);
        for _ in 0..4 {
            first.push(part.clone()).unwrap();
        }
        assert!(first.has_room_for(1), "6 MiB are in the file, the first 2 in memory");
        let second = new(8 << 20);
        assert!(!first.has_room_for(1), "half of 8 MiB is less than what waits");
        drop(second);
        assert!(first.has_room_for(1));
        let mut none = new(0);
        assert!(none.has_room_for(part.len()));
        none.push(part.clone()).unwrap();
        assert!(!none.has_room_for(1));
        assert_eq!(none.pop().unwrap().unwrap(), part);
        assert!(none.has_room_for(part.len()));
    }
}
