//! Joins lines into CSV rows. A quoted cell may span lines; a stray quote costs only its own line.

use crate::lines::{Chunk, Lines, ReadEnd, Record};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::BufRead;

/// The most lines of one row.
const MAX_SPAN: usize = 64;

pub struct Rows<R> {
    lines: Lines<R>,
    width: usize,
    delimiter: u8,
    /// Lines that were read but belong to no row yet.
    ahead: VecDeque<(u64, Vec<u8>, Option<String>)>,
}

impl<R: BufRead> Rows<R> {
    pub fn new(lines: Lines<R>, width: usize, delimiter: u8) -> Self {
        Self { lines, width, delimiter, ahead: VecDeque::new() }
    }

    /// Sets the number of cells in a row; 0 means unknown.
    pub fn set_width(&mut self, width: usize) {
        self.width = width;
    }

    pub fn end(self) -> ReadEnd {
        ReadEnd { lines: self.lines.count(), broken: self.lines.broken }
    }

    /// Reads ahead until line `index` of the look-ahead is there; false if the file ends before.
    fn line(&mut self, index: usize) -> bool {
        while self.ahead.len() <= index {
            let mut scratch = Chunk::default();
            let Some(record) = self.lines.next_into(&mut scratch) else { return false };
            let bytes = scratch.raw(&record).to_vec();
            self.ahead.push_back((record.line, bytes, record.fault));
        }
        true
    }

    /// Appends the next row to `chunk`; false at the end of the file. Blank lines are skipped.
    pub fn next_into(&mut self, chunk: &mut Chunk) -> bool {
        if !self.line(0) {
            return false;
        }
        let (mut span, mut too_long) = (1, false);
        let mut quotes = quotes_in(&self.ahead[0].1);
        // An odd number of quotes also occurs where one is inside an unquoted cell: 5" tall.
        let is_open = quotes % 2 == 1
            && self.ahead[0].2.is_none()
            && escape(&without_blanks(&self.ahead[0].1, self.delimiter), self.delimiter).is_none();
        if is_open {
            // The row spans lines only if a following line closes the quote and the row then has as many cells as the
            // header.
            let mut text = self.ahead[0].1.clone();
            for extra in 1..MAX_SPAN {
                if !self.line(extra) || self.ahead[extra].2.is_some() {
                    break;
                }
                if text.len() + 1 + self.ahead[extra].1.len() > self.lines.longest() {
                    too_long = true;
                    break;
                }
                text.push(b'\n');
                text.extend_from_slice(&self.ahead[extra].1);
                quotes += quotes_in(&self.ahead[extra].1);
                if quotes.is_multiple_of(2) {
                    if fields(&text, self.delimiter).is_ok_and(|f| self.width == 0 || f.len() == self.width) {
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
            chunk.bytes.truncate(start);
            return true;
        }
        if fault.is_none() && is_open && span == 1 && escape(row, self.delimiter).is_none() {
            let within = format!(" within {} bytes (import.max_line_bytes)", self.lines.longest());
            let within = if too_long { within } else { String::new() };
            fault = Some(format!("a quote is opened and not closed{within}"));
        }
        chunk.records.push(Record { line, number: line, bytes: start..chunk.bytes.len(), fault });
        true
    }
}

fn quotes_in(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'"').count()
}

/// How a quote is escaped inside a quoted cell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    Doubled,
    Backslash,
}

/// Whether each quoted cell ends with its closing quote. A quote inside an unquoted cell is an ordinary character.
fn is_well_quoted(row: &[u8], delimiter: u8, escape: Escape) -> bool {
    let mut at = 0;
    loop {
        if row.get(at) == Some(&b'"') {
            at += 1;
            loop {
                match (row.get(at), row.get(at + 1)) {
                    (None, _) => return false,
                    (Some(b'"'), Some(b'"')) if escape == Escape::Doubled => at += 2,
                    (Some(b'\\'), Some(_)) if escape == Escape::Backslash => at += 2,
                    (Some(b'"'), _) => break,
                    _ => at += 1,
                }
            }
            at += 1;
        } else {
            while row.get(at).is_some_and(|b| *b != delimiter) {
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

/// How quotes are escaped in the row; None if a quoted cell does not end at its closing quote.
fn escape(row: &[u8], delimiter: u8) -> Option<Escape> {
    [Escape::Doubled, Escape::Backslash].into_iter().find(|escape| is_well_quoted(row, delimiter, *escape))
}

/// The row without the blanks between a delimiter and an opening quote: `a, "b"`.
fn without_blanks(row: &[u8], delimiter: u8) -> Cow<'_, [u8]> {
    let spaced = row.first() == Some(&b' ') || row.windows(2).any(|pair| pair == [delimiter, b' ']);
    if !spaced || !row.contains(&b'"') {
        return Cow::Borrowed(row);
    }
    let mut out = Vec::with_capacity(row.len());
    let mut at = 0;
    loop {
        let blanks = row[at..].iter().take_while(|b| **b == b' ').count();
        let mut quoted = row.get(at + blanks) == Some(&b'"');
        if quoted {
            out.push(b'"');
            at += blanks + 1;
        }
        while let Some(byte) = row.get(at).filter(|byte| quoted || **byte != delimiter) {
            let doubled = quoted && *byte == b'"' && row.get(at + 1) == Some(&b'"');
            quoted &= doubled || *byte != b'"';
            out.push(*byte);
            if doubled {
                out.push(b'"');
            }
            at += 1 + usize::from(doubled);
        }
        if at >= row.len() {
            break;
        }
        out.push(delimiter);
        at += 1;
    }
    Cow::Owned(out)
}

/// Splits one row into its cells.
///
/// # Errors
/// Why the text is not exactly one row.
pub fn fields(row: &[u8], delimiter: u8) -> Result<csv::ByteRecord, &'static str> {
    let mut builder = csv::ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(delimiter);
    // The row's line end was removed: any line break left is part of a cell.
    builder.terminator(csv::Terminator::Any(b'\n'));
    let tidied = without_blanks(row, delimiter);
    let row = if escape(&tidied, delimiter).is_some() { &*tidied } else { row };
    if row.contains(&b'"') {
        match escape(row, delimiter) {
            Some(Escape::Doubled) => {}
            Some(Escape::Backslash) => {
                builder.double_quote(false).escape(Some(b'\\'));
            }
            None => {
                return Err(
                    "a quoted cell does not end at its closing quote: quotes inside it are written as \"\" or \\\"",
                );
            }
        }
    } else {
        builder.quoting(false);
    }
    let mut reader = builder.buffer_capacity(row.len() + 1).from_reader(row);
    let mut record = csv::ByteRecord::new();
    match reader.read_byte_record(&mut record) {
        Ok(true) => Ok(record),
        _ => Err("it is not one CSV row"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(u64, String, bool)> {
        let mut rows = Rows::new(Lines::new(text.as_bytes(), 1000, b'\n'), 3, b',');
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
    fn a_quote_inside_a_bare_cell_opens_nothing() {
        let got = rows("a,5\" tall,c\nd,e,f\n\"x\",6\" tall,\"y\"\ng,\"6\"\" tall\nstill\",i\n");
        let got: Vec<_> = got.iter().map(|r| (r.0, r.1.as_str(), r.2)).collect();
        let spans = "g,\"6\"\" tall\nstill\",i";
        let spaced = rows("a, \"b\nstill b\",c\nd,e,f\n");
        assert_eq!(spaced.iter().map(|r| (r.0, r.2)).collect::<Vec<_>>(), [(1, false), (3, false)]);
        assert_eq!(
            got,
            [(1, "a,5\" tall,c", false), (2, "d,e,f", false), (3, "\"x\",6\" tall,\"y\"", false), (4, spans, false)]
        );
    }

    #[test]
    fn a_row_over_several_lines_is_bounded_as_one_line_is() {
        let long = "b".repeat(600);
        let got = rows(&format!("a,\"{long}\n{long}\",c\nd,e,f\n"));
        // The second line is a row of its own with a quote inside an unquoted cell; who parses it counts its two cells.
        assert_eq!(got.iter().map(|r| (r.0, r.2)).collect::<Vec<_>>(), [(1, true), (2, false), (3, false)]);
    }

    #[test]
    fn blank_lines_are_no_rows() {
        assert_eq!(rows("\na,b,c\n   \n\nd,e,f").len(), 2);
    }

    #[test]
    fn quotes_inside_a_cell_are_doubled_or_escaped() {
        let cells = |row: &str| {
            fields(row.as_bytes(), b',')
                .map(|r| r.iter().map(|c| String::from_utf8_lossy(c).into_owned()).collect::<Vec<_>>())
        };
        for (row, expected) in [
            (r#"a,"U, ""A""",b"#, ["a", r#"U, "A""#, "b"]),
            (r#"a,"U \"A\"",b"#, ["a", r#"U "A""#, "b"]),
            (r#"a,5" tall "x",b"#, ["a", r#"5" tall "x""#, "b"]),
            (r"a,C:\x,b", ["a", r"C:\x", "b"]),
            (r#"a,  "U, ""A""", "b""#, ["a", r#"U, "A""#, "b"]),
            (r#" "a", "U \"A\"",b"#, ["a", r#"U "A""#, "b"]),
            (r#"a,"x"", ""y",b"#, ["a", r#"x", "y"#, "b"]),
            (r#"a, "U" of X,b"#, ["a", r#" "U" of X"#, "b"]),
            (r#""a","C:\","b""#, ["a", r"C:\", "b"]),
        ] {
            assert_eq!(cells(row).as_deref(), Ok(expected.map(str::to_owned).as_slice()), "{row}");
        }
        for wrong in [r#"a,"U"A,b"#, r#"a,"U" ,b"#, r#"a,"U"#] {
            assert!(cells(wrong).is_err(), "{wrong}");
        }
    }
}
