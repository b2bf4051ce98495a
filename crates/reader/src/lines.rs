//! Splits text into chunks of numbered records. The bytes of a record are bounded; a broken record is reported and skipped.

use crate::unpack::broken;
use std::io::{BufRead, Read};
use std::ops::Range;

/// A chunk ends once it holds this many bytes, however few records it has.
const CHUNK_BYTES: usize = 4 << 20;
/// How many bytes of an overlong line its fault keeps.
pub const KEPT_OF_GIANT: usize = 4096;

/// The position of one record in its chunk, or the fault that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The number of its first line, from 1.
    pub line: u64,
    /// What an id is made of where the row has none: the line number, or, for JSON values that may share a line, the value's
    /// number.
    pub number: u64,
    pub bytes: Range<usize>,
    pub fault: Option<String>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Position of the chunk in the whole run; chunks are stored in this order.
    pub index: u64,
    /// Index of the file.
    pub file: usize,
    pub bytes: Vec<u8>,
    pub records: Vec<Record>,
}

impl Chunk {
    pub fn raw(&self, record: &Record) -> &[u8] {
        &self.bytes[record.bytes.clone()]
    }
    pub fn is_full(&self, records: usize) -> bool {
        self.records.len() >= records || self.bytes.len() >= CHUNK_BYTES
    }
}

/// Reads lines into a chunk's buffer.
pub struct Lines<R> {
    reader: R,
    max_line: usize,
    /// The byte that ends a line: `\n`, or `\r` in a file without `\n`.
    line_end: u8,
    line: u64,
    /// Why reading ended before the end of the file.
    pub broken: Option<String>,
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    pub fn new(reader: R, max_line: usize, line_end: u8) -> Self {
        Self { reader, max_line, line_end, line: 0, broken: None, ended: false }
    }

    /// The most bytes of one line.
    pub fn longest(&self) -> usize {
        self.max_line
    }

    /// Lines read so far.
    pub fn count(&self) -> u64 {
        self.line
    }

    /// Appends the next line to `chunk` without its line end; `None` at the end of the file. A blank line is a record with
    /// an empty range.
    pub fn next_into(&mut self, chunk: &mut Chunk) -> Option<Record> {
        if self.ended {
            return None;
        }
        let start = chunk.bytes.len();
        let limit = self.max_line as u64 + 2;
        let read = (&mut self.reader).take(limit).read_until(self.line_end, &mut chunk.bytes);
        let line = self.line + 1;
        let mut fault = None;
        match read {
            Ok(0) => {
                self.ended = true;
                return None;
            }
            Ok(_) => {}
            Err(e) => {
                self.ended = true;
                self.broken = Some(broken(&e));
                if chunk.bytes.len() == start {
                    return None;
                }
                fault = Some("the file breaks off in the middle of this line".to_owned());
            }
        }
        self.line = line;
        let whole = chunk.bytes.last() == Some(&self.line_end);
        if !whole && fault.is_none() && (chunk.bytes.len() - start) as u64 == limit {
            fault = Some(format!("the line is longer than {} bytes (import.max_line_bytes)", self.max_line));
            chunk.bytes.truncate(start + KEPT_OF_GIANT.min(self.max_line));
            if let Err(e) = self.reader.skip_until(self.line_end) {
                self.ended = true;
                self.broken = Some(broken(&e));
            }
        }
        let mut end = chunk.bytes.len();
        while end > start && matches!(chunk.bytes[end - 1], b'\n' | b'\r') {
            end -= 1;
        }
        if fault.is_none() && end - start > self.max_line {
            fault = Some(format!("the line is longer than {} bytes (import.max_line_bytes)", self.max_line));
            end = start + KEPT_OF_GIANT.min(self.max_line);
        }
        Some(Record { line, number: line, bytes: start..end, fault })
    }
}

/// The outcome of reading a file.
#[derive(Debug, Default)]
pub struct ReadEnd {
    pub lines: u64,
    /// Why reading ended before the end of the file.
    pub broken: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn read(bytes: &[u8], max_line: usize, line_end: u8) -> (Vec<(u64, String, bool)>, u64) {
        let mut lines = Lines::new(BufReader::with_capacity(7, bytes), max_line, line_end);
        let mut out = Vec::new();
        let mut chunk = Chunk::default();
        while let Some(r) = lines.next_into(&mut chunk) {
            out.push((r.line, String::from_utf8_lossy(chunk.raw(&r)).into_owned(), r.fault.is_some()));
        }
        assert_eq!(lines.broken, None);
        (out, lines.count())
    }

    #[test]
    fn lines_are_numbered_through_blank_ones_and_foreign_line_ends() {
        let (rows, lines) = read(b"one\r\n\n  \ntwo\nthree", 100, b'\n');
        let rows: Vec<_> = rows.iter().map(|(n, t, f)| (*n, t.as_str(), *f)).collect();
        assert_eq!(rows, [(1, "one", false), (2, "", false), (3, "  ", false), (4, "two", false), (5, "three", false)]);
        assert_eq!(lines, 5);
        let (rows, _) = read(b"one\rtwo\r", 100, b'\r');
        assert_eq!(rows.iter().map(|r| r.1.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    }

    #[test]
    fn a_giant_line_is_a_fault_and_its_successor_is_read() {
        for size in [11, 12, 13, 1000] {
            let text = format!("ok\n{}\nnext\n", "x".repeat(size));
            let (rows, _) = read(text.as_bytes(), 10, b'\n');
            assert_eq!(rows.len(), 3, "{size}");
            assert!(!rows[0].2 && rows[1].2 && !rows[2].2, "{size}: {rows:?}");
            assert_eq!(rows[2].1, "next");
            assert!(rows[1].1.len() <= 10);
        }
        assert!(!read(b"0123456789\n", 10, b'\n').0[0].2, "exactly the limit is no fault");
        assert!(!read(b"0123456789\r\n", 10, b'\n').0[0].2, "nor with a carriage return");
    }
}
