//! JSON that does not have one object per line: arrays, objects over several lines, several values on a line. The text is
//! split into values without being parsed; the bytes of a value are bounded.

use crate::lines::{Chunk, KEPT_OF_GIANT, ReadEnd, Record};
use crate::unpack::broken;
use std::io::BufRead;

/// The state of the scan inside a value.
#[derive(Default)]
struct Scan {
    depth: u32,
    string: bool,
    escaped: bool,
    scalar: bool,
}

impl Scan {
    /// Takes the next byte. `Some(true)`: the value ends with this byte; `Some(false)`: it ended before this byte.
    fn take(&mut self, byte: u8) -> Option<bool> {
        if self.string {
            if self.escaped {
                self.escaped = false;
            } else if byte == b'\\' {
                self.escaped = true;
            } else if byte == b'"' {
                self.string = false;
                return (self.depth == 0).then_some(true);
            }
            return None;
        }
        match byte {
            b'"' if !self.scalar => self.string = true,
            b'{' | b'[' if !self.scalar => self.depth += 1,
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                return (self.depth == 0).then_some(true);
            }
            _ if self.depth > 0 => {}
            // A literal, a number or invalid text ends before any byte that can follow a value.
            b' ' | b'\t' | b'\r' | b'\n' | b',' | b']' | b'[' | b'{' | b'"' if self.scalar => return Some(false),
            _ => self.scalar = true,
        }
        None
    }
}

/// Reads values into a chunk's buffer.
pub struct Values<R> {
    reader: R,
    max: usize,
    line: u64,
    line_end: u8,
    /// Number of values so far.
    values: u64,
    in_array: bool,
    pub broken: Option<String>,
    ended: bool,
}

impl<R: BufRead> Values<R> {
    pub fn new(reader: R, max: usize, line_end: u8) -> Self {
        Self { reader, max, line: 1, line_end, values: 0, in_array: false, broken: None, ended: false }
    }

    pub fn end(self) -> ReadEnd {
        ReadEnd { lines: self.line, broken: self.broken }
    }

    fn stop(&mut self, why: String) {
        self.ended = true;
        self.broken = Some(why);
    }

    /// Skips to the first byte of the next value; false at the end of the file.
    fn seek(&mut self) -> bool {
        loop {
            let bytes = match self.reader.fill_buf() {
                Ok([]) => {
                    self.ended = true;
                    if self.in_array {
                        self.broken = Some("the JSON array is not closed: the file breaks off".to_owned());
                    }
                    return false;
                }
                Ok(bytes) => bytes,
                Err(e) => {
                    let why = broken(&e);
                    self.stop(why);
                    return false;
                }
            };
            let mut passed = 0;
            for byte in bytes {
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' | b',' => self.line += u64::from(*byte == self.line_end),
                    b'[' if !self.in_array => self.in_array = true,
                    b']' if self.in_array => self.in_array = false,
                    _ => break,
                }
                passed += 1;
            }
            let found = passed < bytes.len();
            self.reader.consume(passed);
            if found {
                return true;
            }
        }
    }

    /// Appends the next value to `chunk`; `None` at the end of the file.
    pub fn next_into(&mut self, chunk: &mut Chunk) -> Option<Record> {
        if self.ended || !self.seek() {
            return None;
        }
        let (start, line) = (chunk.bytes.len(), self.line);
        let (mut scan, mut length, mut fault) = (Scan::default(), 0usize, None);
        loop {
            let bytes = match self.reader.fill_buf() {
                Ok([]) => {
                    self.ended = true;
                    if !scan.scalar {
                        fault = Some("the file breaks off in the middle of this value".to_owned());
                        self.stop("the file breaks off in the middle of a JSON value".to_owned());
                    }
                    break;
                }
                Ok(bytes) => bytes,
                Err(e) => {
                    let why = broken(&e);
                    self.stop(why);
                    fault = Some("the file breaks off in the middle of this value".to_owned());
                    break;
                }
            };
            let mut taken = bytes.len();
            let mut ended = false;
            for (at, byte) in bytes.iter().enumerate() {
                if let Some(with) = scan.take(*byte) {
                    (taken, ended) = (at + usize::from(with), true);
                    break;
                }
            }
            length = length.saturating_add(taken);
            if length <= self.max {
                chunk.bytes.extend_from_slice(&bytes[..taken]);
            } else if chunk.bytes.len() < start + KEPT_OF_GIANT {
                let more = (start + KEPT_OF_GIANT - chunk.bytes.len()).min(taken);
                chunk.bytes.extend_from_slice(&bytes[..more]);
            }
            self.line += bytes[..taken].iter().filter(|b| **b == self.line_end).count() as u64;
            self.reader.consume(taken);
            if ended {
                break;
            }
        }
        if length > self.max {
            fault = Some(format!("the value is longer than {} bytes (import.max_line_bytes)", self.max));
            chunk.bytes.truncate(start + KEPT_OF_GIANT.min(self.max));
        }
        self.values += 1;
        Some(Record { line, number: self.values, bytes: start..chunk.bytes.len(), fault })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn values(text: &str, max: usize) -> (Vec<(u64, String, bool)>, Option<String>) {
        let mut all = None;
        for size in [1, 3, 1000] {
            let mut values = Values::new(BufReader::with_capacity(size, text.as_bytes()), max, b'\n');
            let mut chunk = Chunk::default();
            let mut found = Vec::new();
            while let Some(r) = values.next_into(&mut chunk) {
                found.push((r.line, String::from_utf8_lossy(chunk.raw(&r)).into_owned(), r.fault.is_some()));
            }
            let found = (found, values.end().broken);
            assert!(all.is_none() || all.as_ref() == Some(&found), "the buffer's size changes nothing");
            all = Some(found);
        }
        all.unwrap_or_default()
    }

    fn texts(text: &str) -> Vec<String> {
        let (values, broken) = values(text, 100);
        assert_eq!(broken, None, "{text}");
        assert!(values.iter().all(|v| !v.2), "{values:?}");
        values.into_iter().map(|v| v.1).collect()
    }

    #[test]
    fn arrays_and_objects_are_cut_into_values() {
        let expected = [r#"{"a":"]},{\"x"}"#, r#"{"b":[{},[1,2]]}"#];
        let [a, b] = expected;
        for text in [
            format!("[{a},{b}]"),
            format!("[\n{a},\n{b}\n]\n"),
            format!("{a}{b}"),
            format!("{a}\n{b}"),
            format!(" {a} ,\n\n{b},\n"),
            format!("[{a}]\n[{b}]"),
        ] {
            assert_eq!(texts(&text), expected, "{text}");
        }
        assert_eq!(texts("[1, \"x y\", [2,3], null]"), ["1", "\"x y\"", "[2,3]", "null"]);
        assert!(texts("[]").is_empty() && texts("").is_empty() && texts(" \n ").is_empty());
        assert_eq!(texts("[oops] }"), ["oops", "}"], "rubbish is a value of its own");
    }

    #[test]
    fn values_are_numbered_by_their_first_line() {
        let (found, _) = values("[\n{\n\"a\": 1\n},\n\n{}\n]", 100);
        assert_eq!(found.iter().map(|v| v.0).collect::<Vec<_>>(), [2, 6]);
    }

    #[test]
    fn what_breaks_off_or_is_too_long_is_a_fault() {
        let (found, broken) = values("[{\"a\":1},{\"b\":", 100);
        assert_eq!(found.iter().map(|v| v.2).collect::<Vec<_>>(), [false, true]);
        assert!(broken.is_some_and(|why| why.contains("breaks off")));
        assert!(values("[{}", 100).1.is_some_and(|why| why.contains("not closed")));
        let long = format!("[{{\"a\":\"{}\"}},{{}}]", "x".repeat(200));
        let (found, broken) = values(&long, 100);
        assert_eq!((found[0].2, found[1].1.as_str(), found[1].2, broken), (true, "{}", false, None));
        assert!(found[0].1.len() <= 100);
    }
}
