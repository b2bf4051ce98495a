//! Answers that wait for a client to read them: some in memory, further ones in an unlinked file of bounded length. A client that
//! sends all its rows before it reads would otherwise wait for the service while the service waits for the client.

use actix_web::web::Bytes;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Bytes that wait in memory.
const MEMORY: usize = 1 << 20;
/// Bytes read from the file at a time.
const PIECE: usize = 1 << 18;

/// A queue of bytes.
pub struct Spool {
    /// Where the file is made.
    folder: PathBuf,
    /// Bytes that may wait in the file.
    most: u64,
    memory: VecDeque<Bytes>,
    in_memory: usize,
    /// With the bytes from `read` to `written`, which follow those in memory.
    file: Option<File>,
    read: u64,
    written: u64,
}

impl Spool {
    pub fn new(folder: PathBuf, most: u64) -> Self {
        Self { folder, most, memory: VecDeque::new(), in_memory: 0, file: None, read: 0, written: 0 }
    }

    /// Whether there is no room for more until something is taken.
    pub fn is_full(&self) -> bool {
        self.written - self.read >= self.most
    }

    /// Adds bytes behind all others.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub fn push(&mut self, bytes: Bytes) -> io::Result<()> {
        if self.read == self.written && self.in_memory + bytes.len() <= MEMORY {
            self.in_memory += bytes.len();
            self.memory.push_back(bytes);
            return Ok(());
        }
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile_in(&self.folder)?,
        };
        let written = file.write_all_at(&bytes, self.written);
        self.file = Some(file);
        written?;
        self.written += bytes.len() as u64;
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
        let left = self.written - self.read;
        let (Some(file), true) = (&self.file, left > 0) else { return Ok(None) };
        let mut piece = vec![0; left.min(PIECE as u64) as usize];
        file.read_exact_at(&mut piece, self.read)?;
        self.read += piece.len() as u64;
        if self.read == self.written {
            // Its blocks are free again as soon as all was read.
            file.set_len(0)?;
            (self.read, self.written) = (0, 0);
        }
        Ok(Some(Bytes::from(piece)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_come_out_in_order_whether_they_waited_in_memory_or_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(folder.path().to_owned(), 5 << 20);
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
        assert!(spool.is_full());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
        while let Some(bytes) = spool.pop().unwrap() {
            got.extend_from_slice(&bytes);
        }
        assert!(sent == got && !spool.is_full());
        spool.push(part(1)).unwrap();
        assert_eq!(spool.pop().unwrap().unwrap(), part(1), "it starts again in memory");
    }
}
