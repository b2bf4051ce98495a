//! Detects the layout of a text from its beginning: line ends, JSON or CSV, delimiter, decimal separator.

use crate::rows;
use serde::de::IgnoredAny;

/// How many lines the delimiter is detected from.
const LINES: usize = 50;
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The layout of JSON values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One value per line: a broken one costs only its line.
    Lines,
    /// An array, or values that span lines.
    Values,
}

/// `\r` if no `\n` ends a line, else `\n`. A line end inside a quoted cell ends no line.
pub fn line_end(head: &[u8]) -> u8 {
    if !(head.contains(&b'\r') && head.contains(&b'\n')) {
        return if head.contains(&b'\r') { b'\r' } else { b'\n' };
    }
    let (mut quoted, mut alone, mut before) = (false, false, b'\n');
    for (at, byte) in head.iter().enumerate() {
        match byte {
            b'"' if before == b'\\' => {}
            b'"' if quoted => quoted = false,
            // A quote opens a cell at its beginning only; behind another quote it goes on with the cell.
            b'"' => quoted = matches!(before, b',' | b';' | b'\t' | b'|' | b'\r' | b'\n' | b'"'),
            b'\n' if !quoted => return b'\n',
            b'\r' if !quoted => alone |= head.get(at + 1) != Some(&b'\n'),
            _ => {}
        }
        before = *byte;
    }
    if alone { b'\r' } else { b'\n' }
}

/// How many bytes of the head zeros are counted in.
const ZEROS: usize = 1024;

/// The kind of a file in an unsupported format.
pub fn foreign(head: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 16] = [
        (b"PK\x03\x04", "a ZIP archive or a workbook (.xlsx, .ods)"),
        (b"\xd0\xcf\x11\xe0", "a workbook (.xls)"),
        (b"PAR1", "a Parquet file"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"%PDF-", "a PDF document"),
        (b"\xfd7zXZ\0", "xz data"),
        (b"7z\xbc\xaf", "a 7z archive"),
        (b"Rar!\x1a", "a RAR archive"),
        (b"ARROW1", "an Arrow or Feather file"),
        (b"Obj\x01", "an Avro file"),
        (b"\x89HDF", "an HDF5 file"),
        (b"\x89PNG", "an image (PNG)"),
        (b"\xff\xd8\xff", "an image (JPEG)"),
        (b"GIF8", "an image (GIF)"),
        // Compressed data inside compressed data.
        (b"\x1f\x8b", "gzip data within packed data"),
        (b"\x28\xb5\x2f\xfd", "zstd data within packed data"),
    ];
    if let Some((_, kind)) = KINDS.into_iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(kind);
    }
    let start: Vec<u8> = head.iter().copied().skip_while(u8::is_ascii_whitespace).take(14).collect();
    let start = start.to_ascii_lowercase();
    let counted = &head[..head.len().min(ZEROS)];
    let has = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    if start.starts_with(b"<!doctype html") || start.starts_with(b"<html") {
        Some("a web page")
    } else if start.starts_with(b"<?xml") {
        Some("an XML document")
    } else if has(0, b"BZh") && has(4, b"1AY&SY") {
        Some("bzip2 data")
    } else if has(257, b"ustar") {
        Some("a tar archive")
    } else if has(2, b"\0\0\x07_id\0") || has(2, b"\0\0\x02_id\0") {
        // The length of a document, then its first member.
        Some("BSON, as mongodump writes it (mongoexport writes JSON)")
    } else if counted.iter().filter(|byte| **byte == 0).count() * 4 > counted.len() {
        Some("binary, or a text in UTF-32")
    } else {
        None
    }
}

/// The delimiter that a first line such as `sep=;` names; spreadsheets write this line before the header.
pub fn named_delimiter(head: &[u8]) -> Option<u8> {
    let end = line_end(head);
    let line = head.split(|b| *b == end).next()?.trim_ascii_end();
    match line.split_at_checked(4)? {
        (name, [delimiter]) if name.eq_ignore_ascii_case(b"sep=") => {
            DELIMITERS.contains(delimiter).then_some(*delimiter)
        }
        // The tab at the end of this line has been trimmed.
        (name, []) if name.eq_ignore_ascii_case(b"sep=") => Some(b'\t'),
        _ => None,
    }
}

fn first(head: &[u8]) -> Option<u8> {
    head.iter().copied().find(|b| !b.is_ascii_whitespace())
}

pub fn is_json(head: &[u8]) -> bool {
    let Some(first) = first(head) else { return false };
    // A CSV cell may begin with a bracket too.
    first == b'{' || (first == b'[' && serde_json::from_slice::<IgnoredAny>(head).map_or_else(|e| e.is_eof(), |_| true))
}

/// Whether a text that may be JSON begins with a value of it, or with as much of one as the head has.
pub fn is_surely_json(head: &[u8]) -> bool {
    let first = || serde_json::Deserializer::from_slice(head).into_iter::<IgnoredAny>().next();
    is_json(head) && first().is_some_and(|value| value.map_or_else(|e| e.is_eof(), |_| true))
}

pub fn layout(head: &[u8]) -> Layout {
    match first(head) {
        Some(b'[') => return Layout::Values,
        Some(b'{') => {}
        _ => return Layout::Lines,
    }
    let end = line_end(head);
    let mut lines = head.split(|b| *b == end).filter(|line| first(line).is_some());
    let Some(line) = lines.next() else { return Layout::Lines };
    let mut values = serde_json::Deserializer::from_slice(line).into_iter::<IgnoredAny>();
    let several = match values.next() {
        Some(Ok(_)) => first(&line[values.byte_offset()..]).is_some_and(|b| b == b'{' || b == b','),
        // The object continues in the next line.
        Some(Err(e)) => e.is_eof() && lines.next().is_some_and(|next| first(next) != Some(b'{')),
        None => false,
    };
    if several { Layout::Values } else { Layout::Lines }
}

/// The lines of the head from the header on. The last line may be incomplete and is left out unless the head is the whole
/// file.
fn lines(head: &[u8], skip: u64, whole: bool) -> Vec<&[u8]> {
    let end = line_end(head);
    let mut lines: Vec<&[u8]> = head.split(|b| *b == end).collect();
    if !whole && lines.len() > 1 {
        lines.pop();
    }
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let trimmed = lines.into_iter().skip(skip).map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    trimmed.filter(|line| first(line).is_some()).take(LINES).collect()
}

/// The delimiter with which most lines have as many cells as the first line, more than one; on a tie the one with more
/// cells. In a file named `.tsv`, a tab if the first line has one.
pub fn delimiter(head: &[u8], skip: u64, whole: bool, tsv: bool) -> u8 {
    let lines = lines(head, skip, whole);
    let Some(header) = lines.first() else { return b',' };
    let score = |delimiter: u8| {
        let width = |line: &[u8]| rows::fields(line, delimiter).map_or(0, |cells| cells.len());
        let cells = width(header);
        if cells < 2 {
            return (0, 0);
        }
        (lines.iter().filter(|line| width(line) == cells).count() * 100 / lines.len(), cells)
    };
    let best = DELIMITERS.into_iter().rev().max_by_key(|delimiter| score(*delimiter)).unwrap_or(b',');
    match score(best) {
        (0, _) if tsv => b'\t',
        (0, _) => b',',
        _ if tsv && score(b'\t').0 > 0 => b'\t',
        _ => best,
    }
}

/// The decimal separator that the cells show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fractions {
    /// No number has a separator.
    None,
    /// `3.75`
    Point,
    /// `3,75`
    Comma,
    /// Both forms occur, in a file whose delimiter is not a comma: `1,234` and `1.234` are ambiguous.
    Mixed,
    /// Commas such as in `1,234` occur, and nothing shows whether they separate thousands.
    Unsure,
}

/// Detects the decimal separator from the cells. `commas`: the delimiter is not a comma, so `3,75` may occur beside `3.75`.
pub fn fractions(rows: &[Vec<String>], commas: bool) -> Fractions {
    // For commas and for points: whether one occurs, and whether one occurs where it cannot separate thousands.
    let (mut comma, mut point) = ((false, false), (false, false));
    for cell in rows.iter().flatten() {
        let Some((separator, is_fraction)) = separator(cell.trim()) else { continue };
        let found = if separator == b',' { &mut comma } else { &mut point };
        found.0 = true;
        found.1 |= is_fraction;
    }
    match (comma, point) {
        ((false, _), (false, _)) => Fractions::None,
        // `3.125` alone is a fraction.
        ((false, _), (true, _)) => Fractions::Point,
        ((true, true), (false, _)) => Fractions::Comma,
        ((true, false), (_, true)) => Fractions::Point,
        ((true, _), (true, _)) if commas => Fractions::Mixed,
        ((true, _), _) => Fractions::Unsure,
    }
}

/// The last separator of a number, and whether it certainly begins a fraction.
fn separator(cell: &str) -> Option<(u8, bool)> {
    let at = cell.rfind([',', '.'])?;
    let (whole, rest) = (&cell[..at], &cell[at + 1..]);
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let separator = cell.as_bytes()[at];
    if !digits(rest) {
        return None;
    }
    if digits(whole) {
        return Some((separator, rest.len() != 3 || whole.starts_with('0') || whole.len() > 3));
    }
    // `1,234.5` has a fraction after thousands of the other separator; `1,234,567` has only thousands and no fraction.
    let group = if separator == b',' { '.' } else { ',' };
    let mut groups = whole.split(group);
    let first = groups.next().is_some_and(|first| digits(first) && first.len() <= 3);
    (first && groups.all(|part| digits(part) && part.len() == 3)).then_some((separator, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_laid_out_in_lines_or_not() {
        for (text, layout_of) in [
            ("{\"a\":1}\n{\"a\":2}\n", Layout::Lines),
            ("{\"data_point_id\": \"broken\n{\"a\":1}\n", Layout::Lines),
            ("{\"a\": \n", Layout::Lines),
            ("{\"a\":1} x\n", Layout::Lines),
            ("{\n  \"a\": 1\n}\n", Layout::Values),
            ("{ \"a\": {\n\"b\": 1 } }", Layout::Values),
            ("{\"a\":1}{\"a\":2}", Layout::Values),
            (" \n[{\"a\":1}]", Layout::Values),
            ("[\n", Layout::Values),
            ("", Layout::Lines),
        ] {
            assert_eq!(layout(text.as_bytes()), layout_of, "{text}");
        }
        assert!(
            is_json(b" {") && is_json(b"[\n{\"a\":") && !is_json(b"[id],gpa\n") && !is_json(b"id,gpa") && !is_json(b"")
        );
    }

    #[test]
    fn what_nothing_can_be_read_from_is_told() {
        assert_eq!(foreign(b"PK\x03\x04..."), Some("a ZIP archive or a workbook (.xlsx, .ods)"));
        assert_eq!(foreign(b"\x89PNG\r\n\x1a\n"), Some("an image (PNG)"));
        assert_eq!(foreign(b" \n<!DOCTYPE HTML>"), Some("a web page"));
        assert_eq!((foreign(b"PK,gpa\n"), foreign(b"<id>,gpa\n"), foreign(b"")), (None, None, None));
        let utf32: Vec<u8> = "data_point_id,gpa\n".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        let tar = [&b"points.csv"[..], &[b'x'; 247], b"ustar\0"].concat();
        for (head, kind) in [
            (utf32.as_slice(), "binary, or a text in UTF-32"),
            (&tar, "a tar archive"),
            (b"\xa3\x01\0\0\x07_id\0abc", "BSON, as mongodump writes it (mongoexport writes JSON)"),
            (b"BZh91AY&SY..", "bzip2 data"),
            (b"\xfd7zXZ\0", "xz data"),
            (b"<?xml version=\"1.0\"?>", "an XML document"),
        ] {
            assert_eq!(foreign(head), Some(kind), "{head:?}");
        }
        assert_eq!((foreign(b"BZh,gpa\n"), foreign(b"id,gpa\na\0,3\n")), (None, None), "a stray zero is a character");
    }

    #[test]
    fn line_ends_within_quoted_cells_end_no_line() {
        for (text, expected) in [
            ("a,b\r1,\"x\ny\"\r2,z\r", b'\r'),
            ("a,b\r1,\"say \"\"x\"\"\ny\"\r", b'\r'),
            ("a,b\r1,\"say \\\"x\\\"\ny\"\r", b'\r'),
            ("\"a\nb\"\r1\r", b'\r'),
            ("a,b\n1,\"x\ry\"\n2,z\r\n", b'\n'),
            ("a,b\r\n1,\"x\ny\"\r\n", b'\n'),
            ("a,b\n1,x\ry\n", b'\n'),
            // A quote within a cell opens none.
            ("a,b\r1,5\" tall\n2,x\n", b'\n'),
        ] {
            assert_eq!(line_end(text.as_bytes()) as char, expected as char, "{text:?}");
        }
    }

    #[test]
    fn json_under_another_name_is_told_from_cells_with_brackets() {
        for (text, is) in [
            ("{\"a\": 1}\n{\"a\": 2}\n", true),
            ("[{\"a\": 1}]", true),
            ("{\"a\": {", true),
            ("{id},gpa\n", false),
            ("[id],gpa\n", false),
            ("id,gpa\n", false),
        ] {
            assert_eq!(is_surely_json(text.as_bytes()), is, "{text}");
        }
    }

    #[test]
    fn a_first_line_may_name_the_delimiter() {
        for (text, delimiter) in [
            ("sep=;\r\na;b", Some(b';')),
            ("SEP=|\n", Some(b'|')),
            ("sep=\t\na\tb", Some(b'\t')),
            ("sep=x\n", None),
            ("sep=;,b\n", None),
            ("sep\n", None),
            ("", None),
        ] {
            assert_eq!(named_delimiter(text.as_bytes()), delimiter, "{text:?}");
        }
    }

    #[test]
    fn delimiters_are_told_from_the_lines() {
        for (text, expected) in [
            ("a,b;c,d\n1,2;3,4\n", b','),
            ("s;gpa;name\n1;3,75;U, V\n2;3,5;W\n", b';'),
            ("a\tb, c\n1\t2\n", b'\t'),
            ("a|b|c\n1|2,5|3\n", b'|'),
            ("a\n1\n", b','),
            ("\"a;b\",c\n\"1;2\",3\n", b','),
            ("", b','),
        ] {
            assert_eq!(delimiter(text.as_bytes(), 0, true, false) as char, expected as char, "{text}");
        }
        assert_eq!(delimiter(b"a,b\tc,d\n", 0, true, true), b'\t');
        assert_eq!(delimiter(b"# made by; us\na,b\n1,2\n", 1, true, false), b',');
        assert_eq!((line_end(b"a\rb"), line_end(b"a\r\nb"), line_end(b"a")), (b'\r', b'\n', b'\n'));
    }

    #[test]
    fn a_decimal_comma_is_told_from_the_cells() {
        use Fractions::{Comma, Mixed, None, Point, Unsure};
        for (cells, parted_by_commas, parted_by_others) in [
            (["3,75", "160"], Comma, Comma),
            (["3,75", "3.75"], Unsure, Mixed),
            (["3,75", "3.125"], Unsure, Mixed),
            (["30,000", "3"], Unsure, Unsure),
            (["30,000", "3,75"], Comma, Comma),
            (["30,000", "3.75"], Point, Point),
            (["3,125", "3"], Unsure, Unsure),
            (["3,125", "3.75"], Point, Point),
            (["3,125", "3.125"], Unsure, Mixed),
            (["3,125", "30,000"], Unsure, Unsure),
            (["0,125", "30,000"], Comma, Comma),
            (["3.125", "7"], Point, Point),
            (["1,234.5", "3,125"], Point, Point),
            (["1.234,5", "3,125"], Comma, Comma),
            (["1,234,567", "2024-03-01"], None, None),
            (["10.1.2024", "3"], None, None),
            (["U, V", "W"], None, None),
        ] {
            let rows = [cells.map(str::to_owned).to_vec()];
            assert_eq!(fractions(&rows, false), parted_by_commas, "{cells:?}");
            assert_eq!(fractions(&rows, true), parted_by_others, "{cells:?}");
        }
    }
}
