//! CSV rows out of lines. A quoted field may span lines; a stray quote costs its own line, not the rest of the file.

use super::lines::{Chunk, Lines, ReadReport, Record};
use std::collections::VecDeque;
use std::io::BufRead;

/// A row may span this many lines.
const MAX_SPAN: usize = 64;

pub struct Rows<R> {
    lines: Lines<R>,
    width: usize,
    delimiter: u8,
    /// Lines that were read ahead and are not part of a row yet.
    ahead: VecDeque<(u64, Vec<u8>, Option<String>)>,
}

impl<R: BufRead> Rows<R> {
    pub fn new(lines: Lines<R>, width: usize, delimiter: u8) -> Self {
        Self { lines, width, delimiter, ahead: VecDeque::new() }
    }

    pub fn report(self) -> ReadReport {
        ReadReport { lines: self.lines.count(), broken: self.lines.broken }
    }

    /// Makes line `index` of the look-ahead available.
    fn line(&mut self, index: usize) -> bool {
        while self.ahead.len() <= index {
            let mut scratch = Chunk::default();
            let Some(record) = self.lines.next_into(&mut scratch) else { return false };
            let bytes = scratch.raw(&record).to_vec();
            self.ahead.push_back((record.line, bytes, record.fault));
        }
        true
    }

    /// Appends the next row to `chunk`; false at the end of the file. Blank lines are passed by.
    pub fn next_into(&mut self, chunk: &mut Chunk) -> bool {
        if !self.line(0) {
            return false;
        }
        let mut span = 1;
        let mut quotes = quotes_in(&self.ahead[0].1);
        if quotes % 2 == 1 && self.ahead[0].2.is_none() {
            // The row goes on in the following lines if that closes the quote and gives as many fields as the header.
            let mut text = self.ahead[0].1.clone();
            for extra in 1..MAX_SPAN {
                if !self.line(extra) || self.ahead[extra].2.is_some() {
                    break;
                }
                text.push(b'\n');
                text.extend_from_slice(&self.ahead[extra].1);
                quotes += quotes_in(&self.ahead[extra].1);
                if quotes.is_multiple_of(2) {
                    let whole = fields(&text, self.delimiter).is_some_and(|f| f.len() == self.width);
                    if whole && well_quoted(&text, self.delimiter) {
                        span = extra + 1;
                    }
                    break;
                }
            }
        }
        let start = chunk.bytes.len();
        let mut first = None;
        for (line, bytes, fault) in self.ahead.drain(..span) {
            if chunk.bytes.len() > start {
                chunk.bytes.push(b'\n');
            }
            chunk.bytes.extend_from_slice(&bytes);
            first.get_or_insert((line, fault));
        }
        let Some((line, mut fault)) = first else { return false };
        let row = &chunk.bytes[start..];
        if fault.is_none() && row.iter().all(u8::is_ascii_whitespace) {
            return true;
        }
        if fault.is_none() && quotes_in(row) % 2 == 1 {
            fault = Some("a quote is opened and not closed".to_owned());
        }
        chunk.records.push(Record { line, bytes: start..chunk.bytes.len(), fault });
        true
    }
}

fn quotes_in(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'"').count()
}

/// Every quote opens a field, closes one, or is doubled inside one. Two stray quotes in different lines are not.
fn well_quoted(row: &[u8], delimiter: u8) -> bool {
    let mut at = 0;
    loop {
        if row.get(at) == Some(&b'"') {
            at += 1;
            loop {
                match (row.get(at), row.get(at + 1)) {
                    (None, _) => return false,
                    (Some(b'"'), Some(b'"')) => at += 2,
                    (Some(b'"'), _) => break,
                    _ => at += 1,
                }
            }
            at += 1;
        } else {
            while row.get(at).is_some_and(|b| *b != delimiter) {
                if row[at] == b'"' {
                    return false;
                }
                at += 1;
            }
        }
        match row.get(at) {
            None => return true,
            Some(b) if *b == delimiter => at += 1,
            Some(_) => return false,
        }
    }
}

/// The fields of one row; `None` unless it is exactly one row.
pub fn fields(row: &[u8], delimiter: u8) -> Option<csv::ByteRecord> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(row);
    let mut record = csv::ByteRecord::new();
    reader.read_byte_record(&mut record).ok()?.then_some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(u64, String, bool)> {
        let mut rows = Rows::new(Lines::new(text.as_bytes(), 1000), 3, b',');
        let mut chunk = Chunk::default();
        while rows.next_into(&mut chunk) {}
        let show = |r: &Record| (r.line, String::from_utf8_lossy(chunk.raw(r)).into_owned(), r.fault.is_some());
        chunk.records.iter().map(show).collect()
    }

    #[test]
    fn a_quoted_field_may_span_lines() {
        let got = rows("a,\"b\nstill b\",c\nd,e,f\n");
        assert_eq!(got, [(1, "a,\"b\nstill b\",c".to_owned(), false), (3, "d,e,f".to_owned(), false)]);
    }

    #[test]
    fn a_stray_quote_costs_one_line() {
        let got = rows("a,\"b,c\nd,e,f\ng,h,i\nj,\"k,l\nm,n,o\n");
        assert_eq!(
            got.iter().map(|r| (r.0, r.2)).collect::<Vec<_>>(),
            [(1, true), (2, false), (3, false), (4, true), (5, false)]
        );
    }

    #[test]
    fn blank_lines_are_no_rows() {
        assert_eq!(rows("\na,b,c\n   \n\nd,e,f").len(), 2);
    }
}
