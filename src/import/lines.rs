//! Files as chunks of numbered records: plain or gzip, every record bounded, whatever is broken named and passed by.

use super::{Format, table};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes after which a chunk is handed on, however few records it has.
const CHUNK_BYTES: usize = 4 << 20;
/// A fault keeps this much of an overlong line.
const KEPT_OF_GIANT: usize = 4096;

/// One record's place in its chunk, or why it is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Number of its first line, from 1.
    pub line: u64,
    pub bytes: Range<usize>,
    pub fault: Option<String>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Position in the whole run; chunks are stored in this order.
    pub index: u64,
    /// Which of the files.
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

/// Counts the bytes that were read from the disk, for the progress bar.
struct Counted {
    file: File,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(buf)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// The file's text: gzip by its first two bytes, with or without further members.
pub fn open(path: &Path, count: Arc<AtomicU64>) -> std::io::Result<Box<dyn BufRead + Send>> {
    unpacked(BufReader::with_capacity(1 << 18, Counted { file: File::open(path)?, count }))
}

/// Public for the fuzz targets.
#[doc(hidden)]
pub fn unpacked(mut reader: impl BufRead + Send + 'static) -> std::io::Result<Box<dyn BufRead + Send>> {
    Ok(if reader.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(reader)))
    } else {
        Box::new(reader)
    })
}

/// By the name's ending, else by the first character that is not white space.
pub fn format_of(path: &Path, reader: &mut dyn BufRead) -> std::io::Result<Format> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    Ok(match ending {
        "jsonl" | "ndjson" | "json" => Format::Jsonl,
        "csv" | "tsv" => Format::Csv,
        _ => {
            let head = reader.fill_buf()?;
            let first = head.iter().find(|b| !b.is_ascii_whitespace() && ![0xef, 0xbb, 0xbf].contains(*b));
            if first == Some(&b'{') { Format::Jsonl } else { Format::Csv }
        }
    })
}

/// Reads lines into a chunk's buffer.
pub struct Lines<R> {
    reader: R,
    max_line: usize,
    line: u64,
    /// Why reading ended before the end of the file.
    pub broken: Option<String>,
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    pub fn new(reader: R, max_line: usize) -> Self {
        Self { reader, max_line, line: 0, broken: None, ended: false }
    }

    /// Lines read so far.
    pub fn count(&self) -> u64 {
        self.line
    }

    /// Appends the next line to `chunk` without its line end; `None` at the end of the file. Blank lines are records
    /// too, with an empty range.
    pub fn next_into(&mut self, chunk: &mut Chunk) -> Option<Record> {
        if self.ended {
            return None;
        }
        let start = chunk.bytes.len();
        let limit = self.max_line as u64 + 2;
        let read = (&mut self.reader).take(limit).read_until(b'\n', &mut chunk.bytes);
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
        let whole = chunk.bytes.last() == Some(&b'\n');
        if !whole && fault.is_none() && (chunk.bytes.len() - start) as u64 == limit {
            fault = Some(format!("the line is longer than {} bytes (import.max_line_bytes)", self.max_line));
            chunk.bytes.truncate(start + KEPT_OF_GIANT.min(self.max_line));
            if let Err(e) = self.reader.skip_until(b'\n') {
                self.ended = true;
                self.broken = Some(broken(&e));
            }
        }
        let mut end = chunk.bytes.len();
        while end > start && matches!(chunk.bytes[end - 1], b'\n' | b'\r') {
            end -= 1;
        }
        let mut start = start;
        if line == 1 && chunk.bytes[start..end].starts_with(&[0xef, 0xbb, 0xbf]) {
            start += 3;
        }
        if fault.is_none() && end - start > self.max_line {
            fault = Some(format!("the line is longer than {} bytes (import.max_line_bytes)", self.max_line));
            end = start + KEPT_OF_GIANT.min(self.max_line);
        }
        Some(Record { line, bytes: start..end, fault })
    }
}

fn broken(e: &std::io::Error) -> String {
    match e.kind() {
        std::io::ErrorKind::UnexpectedEof => "the gzip data is cut off".to_owned(),
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => format!("the gzip data is corrupt: {e}"),
        _ => e.to_string(),
    }
}

/// What a file's reading came to.
#[derive(Debug, Default)]
pub struct ReadReport {
    pub lines: u64,
    /// Why it ended early.
    pub broken: Option<String>,
}

/// Cuts JSON lines into chunks and passes them on, until the end of the file or until `send` says stop.
pub fn chunks_of_lines<R: BufRead>(
    reader: R,
    max_line: usize,
    batch: usize,
    send: &mut dyn FnMut(Chunk) -> bool,
) -> ReadReport {
    let mut lines = Lines::new(reader, max_line);
    let mut chunk = Chunk::default();
    while let Some(record) = lines.next_into(&mut chunk) {
        if record.fault.is_some() || !chunk.raw(&record).iter().all(u8::is_ascii_whitespace) {
            chunk.records.push(record);
        }
        if chunk.is_full(batch) && !send(std::mem::take(&mut chunk)) {
            break;
        }
    }
    if !chunk.records.is_empty() {
        send(chunk);
    }
    ReadReport { lines: lines.count(), broken: lines.broken }
}

/// The same for CSV after its header: a record may span lines.
pub fn chunks_of_table<R: BufRead>(
    lines: Lines<R>,
    width: usize,
    delimiter: u8,
    batch: usize,
    send: &mut dyn FnMut(Chunk) -> bool,
) -> ReadReport {
    let mut rows = table::Rows::new(lines, width, delimiter);
    let mut chunk = Chunk::default();
    while rows.next_into(&mut chunk) {
        if chunk.is_full(batch) && !send(std::mem::take(&mut chunk)) {
            break;
        }
    }
    if !chunk.records.is_empty() {
        send(chunk);
    }
    rows.report()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    fn read(bytes: &[u8], max_line: usize) -> (Vec<(u64, String, bool)>, ReadReport) {
        let mut out = Vec::new();
        let report = chunks_of_lines(BufReader::with_capacity(7, bytes), max_line, 2, &mut |chunk| {
            for r in &chunk.records {
                out.push((r.line, String::from_utf8_lossy(chunk.raw(r)).into_owned(), r.fault.is_some()));
            }
            true
        });
        (out, report)
    }

    #[test]
    fn lines_are_numbered_through_blank_ones_and_foreign_line_ends() {
        let (rows, report) = read(b"\xef\xbb\xbfone\r\n\n  \ntwo\nthree", 100);
        let rows: Vec<_> = rows.iter().map(|(n, t, f)| (*n, t.as_str(), *f)).collect();
        assert_eq!(rows, [(1, "one", false), (4, "two", false), (5, "three", false)]);
        assert_eq!((report.lines, report.broken), (5, None));
    }

    #[test]
    fn a_giant_line_is_a_fault_and_its_successor_is_read() {
        for size in [11, 12, 13, 1000] {
            let text = format!("ok\n{}\nnext\n", "x".repeat(size));
            let (rows, _) = read(text.as_bytes(), 10);
            assert_eq!(rows.len(), 3, "{size}");
            assert!(!rows[0].2 && rows[1].2 && !rows[2].2, "{size}: {rows:?}");
            assert_eq!(rows[2].1, "next");
            assert!(rows[1].1.len() <= 10);
        }
        assert!(!read(b"0123456789\n", 10).0[0].2, "exactly the limit is no fault");
        assert!(!read(b"0123456789\r\n", 10).0[0].2, "nor with a carriage return");
    }

    #[test]
    fn a_truncated_gzip_keeps_its_whole_lines_and_says_so() {
        let text: String = (0..20_000).map(|i| format!("line {} {i}\n", i * 7919 % 10_007)).collect();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(text.as_bytes()).unwrap();
        let bytes = gz.finish().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.jsonl.gz");
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let mut whole = 0;
        let report = chunks_of_lines(open(&path, Arc::default()).unwrap(), 1000, 100, &mut |chunk| {
            whole += chunk.records.iter().filter(|r| r.fault.is_none()).count();
            true
        });
        assert!(whole > 1000 && whole < 20_000, "{whole}");
        assert!(report.broken.unwrap().contains("cut off"));
    }

    #[test]
    fn the_format_is_read_off_the_name_or_the_first_character() {
        for (name, text, format) in [
            ("a.jsonl", "garbage", Format::Jsonl),
            ("a.JSONL.gz", "", Format::Jsonl),
            ("a.csv.gz", "{", Format::Csv),
            ("a.txt", " \n{\"a\":1}", Format::Jsonl),
            ("a", "id,gpa", Format::Csv),
        ] {
            assert_eq!(format_of(Path::new(name), &mut text.as_bytes()).unwrap(), format, "{name}");
        }
    }
}
