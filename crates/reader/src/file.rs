//! Reads one file: head, mapping, chunks of rows, report.

use crate::error::ReadError;
use crate::format::Format;
use crate::limits::Limits;
use crate::lines::{Chunk, Lines, ReadEnd};
use crate::opened::{self, GUESSED_ROWS, Opened, What, cut, no_row, sample, sample_objects};
use crate::parse::{Parser, Shape};
use crate::rows::Rows;
use crate::sniff::{self, Fractions};
use crate::unpack::{ReadBytes, broken};
use encoding_rs::Encoding;
use provost_domain::features::FeatureTables;
use provost_domain::mapping::guess::{self, Decisions, Facts};
use provost_domain::mapping::{Mapping, Separators, Unread};
use provost_domain::{Fault, Faults};
use std::io::Read;
use std::sync::Arc;

/// How many rows a preview shows.
const PREVIEWED_ROWS: usize = 8;

/// Options for reading files.
#[derive(Debug, Clone)]
pub struct Options {
    pub format: Format,
    /// Used for CSV files, and for JSON files whose objects are not data points.
    pub mapping: Option<Mapping>,
    /// Marks every point as verified.
    pub verified: bool,
    /// The most rows of one chunk.
    pub batch: usize,
    pub limits: Limits,
}

/// The result of reading one file.
#[derive(Debug, Default)]
pub struct ReadReport {
    pub lines: u64,
    /// Why reading ended before the end of the file.
    pub broken: Option<String>,
    /// What was detected in the file and not given by its name or mapping: encoding, delimiter, decimal comma.
    pub told: Vec<String>,
    /// The columns that no field is read from, as far as the head of the file shows. JSON members found later are in each
    /// chunk's [`crate::Strays`].
    pub unread: Vec<Unread>,
}

/// A file whose rows can be read: its parser and the rest of its text.
struct Ready {
    opened: Opened,
    parser: Parser,
    unread: Vec<Unread>,
    /// Number of cells in a row.
    width: usize,
}

fn ready(
    name: &str,
    file: impl Read + Send + 'static,
    options: &Options,
    tables: &FeatureTables,
    read: ReadBytes,
) -> Result<Option<Ready>, ReadError> {
    let limits = &options.limits;
    let mut mapping = options.mapping.clone().unwrap_or_default();
    let encoding = unknown_encoding(&mapping);
    if let Some(fault) = &encoding {
        mapping.fault(&fault.pointer, fault.message.clone());
    }
    // If no row is found, the mapping's other faults cannot be known: this fault is returned alone.
    let alone = || encoding.clone().map(|fault| ReadError::Mapping(Faults(vec![fault])));
    let mut opened = opened::open(name, file, options.format, &mapping, limits, read)?;
    let parser = |shape| Parser::new(shape, options.verified, tables, *limits);
    match opened.what {
        What::Empty => alone().map_or(Ok(None), Err),
        What::Json(_) if options.mapping.is_none() => {
            Ok(Some(Ready { opened, parser: parser(Shape::Json), unread: Vec::new(), width: 0 }))
        }
        What::Json(layout) => {
            let (names, rows) = sample_objects(&opened, layout, &mapping, limits);
            if names.is_empty()
                && let Some(fault) = opened.text.fault()
            {
                return Err(ReadError::Unreadable(broken(fault)));
            }
            mapping.header = Some(true);
            comma(&mut mapping, &rows, false, &mut opened.told);
            let plan = mapping.plan(names.iter().map(String::as_str)).map_err(ReadError::Mapping)?;
            let (unread, width) = (plan.unread().to_vec(), names.len());
            let known = names.iter().cloned().collect();
            let shape = Shape::Objects { plan: Box::new(plan), names, known };
            Ok(Some(Ready { opened, parser: parser(shape), unread, width }))
        }
        What::Csv { delimiter } => {
            let mut rows = sample(&opened, limits);
            if rows.is_empty() {
                let why = || ReadError::Unreadable(no_row(&opened, &mapping));
                return Err(alone().unwrap_or_else(why));
            }
            // The columns are not known if the header line broke off.
            if let Some(fault) = opened.text.fault()
                && !opened.text.head().contains(&opened.line_end)
            {
                return Err(ReadError::Unreadable(broken(fault)));
            }
            let header = mapping.header.unwrap_or(true);
            let first = if header { rows.remove(0) } else { rows[0].clone() };
            if first.len() > limits.columns {
                let why = format!(
                    "the file has {} columns; at most {} are allowed (import.max_columns)",
                    first.len(),
                    limits.columns
                );
                return Err(ReadError::Unreadable(why));
            }
            comma(&mut mapping, &rows, delimiter != b',', &mut opened.told);
            let plan = mapping.plan(first.iter().map(String::as_str)).map_err(|faults| unfit(faults, options, name))?;
            let (unread, width) = (plan.unread().to_vec(), first.len());
            let shape = Shape::Table { plan: Box::new(plan), delimiter };
            Ok(Some(Ready { opened, parser: parser(shape), unread, width }))
        }
    }
}

/// The fault of a mapping whose `encoding` is unknown.
fn unknown_encoding(mapping: &Mapping) -> Option<Fault> {
    let label = mapping.encoding.as_deref().filter(|label| Encoding::for_label(label.as_bytes()).is_none())?;
    let message = format!("`encoding` is `{label}`; a label such as utf-8, utf-16le or windows-1252 is allowed");
    Some(Fault { pointer: "/encoding".to_owned(), message })
}

/// Detects whether numbers have a decimal comma. `commas`: the delimiter is not a comma, so cells may hold commas.
fn comma(mapping: &mut Mapping, rows: &[Vec<String>], commas: bool, told: &mut Vec<String>) {
    if mapping.decimal_comma.is_some() {
        return;
    }
    let (separators, why) = match sniff::fractions(rows, commas) {
        Fractions::None => (Separators::Unsure, None),
        Fractions::Point => (Separators::Points, None),
        Fractions::Comma => (Separators::Commas, Some("decimal comma")),
        Fractions::Mixed => {
            (Separators::Mixed, Some("decimal points and commas (a mapping's `decimal_comma` says which)"))
        }
        Fractions::Unsure => {
            (Separators::Unsure, Some("ambiguous commas in numbers (a mapping's `decimal_comma` says which)"))
        }
    };
    mapping.separators = separators;
    told.extend(why.map(str::to_owned));
}

/// Without a mapping, missing columns are a hint to write one; two columns for one field are a fault in either case.
fn unfit(faults: Faults, options: &Options, name: &str) -> ReadError {
    if options.mapping.is_some() || faults.0.iter().any(|f| !f.pointer.is_empty()) {
        return ReadError::Mapping(faults);
    }
    ReadError::Unreadable(format!(
        "{faults}. A mapping (--mapping M.toml) says which column is which and how many lines come before the header; \
         `provost import --guess {name}` writes a first one"
    ))
}

/// Checks the head of a file and its mapping, and reads nothing else.
///
/// # Errors
/// As [`read`].
pub fn check(name: &str, file: impl Read + Send + 'static, options: &Options) -> Result<(), ReadError> {
    ready(name, file, options, &FeatureTables::default(), ReadBytes::default()).map(drop)
}

/// Whether a file holds JSON, by the format in the options, or by its name and its head.
///
/// # Errors
/// If the file cannot be read or has no known format.
pub fn is_json(name: &str, file: impl Read + Send + 'static, options: &Options) -> Result<bool, ReadError> {
    let opened = opened::open(name, file, options.format, &Mapping::default(), &options.limits, ReadBytes::default())?;
    Ok(matches!(opened.what, What::Json(_)))
}

/// Guesses a mapping from the head of a file and returns it as TOML.
///
/// # Errors
/// If the file cannot be read or is empty.
pub fn guess(name: &str, file: impl Read + Send + 'static, options: &Options) -> Result<String, ReadError> {
    preview(name, file, options).map(|preview| preview.mapping)
}

/// The head of a file, from which a person can tell what its columns mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The columns' names; without a header their numbers, from 0.
    pub columns: Vec<String>,
    /// Whether the first row holds the columns' names.
    pub has_header: bool,
    /// The cells of the first rows, in the columns' order; a short row has fewer.
    pub rows: Vec<Vec<String>>,
    /// What was detected: compression, encoding, delimiter.
    pub told: Vec<String>,
    /// A guessed mapping, as TOML.
    pub mapping: String,
    /// For each column what its words would mean as decisions.
    pub decisions: Vec<Decisions>,
}

/// The head of a file, with a guessed mapping.
///
/// # Errors
/// If the file cannot be read or is empty.
pub fn preview(name: &str, file: impl Read + Send + 'static, options: &Options) -> Result<Preview, ReadError> {
    let mapping = Mapping::default();
    let opened = opened::open(name, file, options.format, &mapping, &options.limits, ReadBytes::default())?;
    let mut facts = Facts { file: name.to_owned(), ..Facts::default() };
    let (names, mut rows) = match opened.what {
        What::Empty => (None, Vec::new()),
        What::Json(layout) => {
            let (names, rows) = sample_objects(&opened, layout, &mapping, &options.limits);
            (Some(names), rows)
        }
        What::Csv { delimiter } => {
            facts.delimiter = (delimiter != b',').then(|| char::from(delimiter));
            facts.encoding = opened.detected.older().map(|encoding| encoding.name().to_ascii_lowercase());
            let mut rows = sample(&opened, &options.limits);
            let first: Vec<&str> = rows.first().map(|row| row.iter().map(String::as_str).collect()).unwrap_or_default();
            facts.headerless = !guess::is_header(&first);
            let names = (!facts.headerless && !rows.is_empty()).then(|| rows.remove(0));
            (names, rows)
        }
    };
    rows.truncate(GUESSED_ROWS);
    if rows.is_empty() {
        let nothing = || "the file has no rows to guess a mapping from".to_owned();
        return Err(ReadError::Unreadable(opened.text.fault().map_or_else(nothing, broken)));
    }
    let fractions = sniff::fractions(&rows, facts.delimiter.is_some());
    let mut told = opened.told.clone();
    told.extend(opened.detected.told());
    if !told.iter().any(|text| text.contains("encoding")) && facts.encoding.is_none() {
        told.push("encoding UTF-8".to_owned());
    }
    told.extend((fractions == Fractions::Comma).then(|| "decimal comma".to_owned()));
    (facts.decimal_comma, facts.unsure) = (fractions == Fractions::Comma, fractions == Fractions::Unsure);
    let mapping = guess::guess(names.as_deref(), &rows, &facts);
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let has_header = names.is_some();
    let columns = names.unwrap_or_else(|| (0..width).map(|number| number.to_string()).collect());
    let cells = |at: usize| rows.iter().filter_map(move |row| row.get(at)).map(String::as_str);
    let decisions = (0..columns.len()).map(|at| guess::decisions(cells(at))).collect();
    rows.truncate(PREVIEWED_ROWS);
    Ok(Preview { columns, has_header, rows, told, mapping, decisions })
}

/// Reads a file to its end, or until `send` returns stop. Chunks come in the file's order together with their parser; the
/// caller parses them, on any thread. `name` gives the format if `options` do not.
///
/// # Errors
/// If no row can be read: see [`ReadError`]. A failure after the first row is in the report.
pub fn read(
    name: &str,
    file: impl Read + Send + 'static,
    options: &Options,
    tables: &FeatureTables,
    bytes: ReadBytes,
    send: &mut dyn FnMut(&Arc<Parser>, Chunk) -> bool,
) -> Result<ReadReport, ReadError> {
    let Some(ready) = ready(name, file, options, tables, bytes)? else { return Ok(ReadReport::default()) };
    let Ready { opened, parser, unread, width } = ready;
    let Opened { text, detected, mut told, line_end, skip_lines, what } = opened;
    let (parser, limits) = (Arc::new(parser), &options.limits);
    let (mut rows, mut too_many) = (0, false);
    let mut send = |chunk: Chunk| {
        rows += chunk.records.len() as u64;
        too_many = rows > limits.rows;
        !too_many && send(&parser, chunk)
    };
    let mut end = match what {
        What::Empty => ReadEnd::default(),
        What::Json(layout) => cut(text, layout, limits, line_end, options.batch, &mut send),
        What::Csv { delimiter } => {
            let mapping = options.mapping.as_ref();
            let mut lines = Lines::new(text, limits.row_bytes, line_end);
            let mut head = Chunk::default();
            for _ in 0..skip_lines {
                lines.next_into(&mut head);
                head.bytes.clear();
            }
            let mut table = Rows::new(lines, width, delimiter);
            if mapping.and_then(|m| m.header).unwrap_or(true) {
                while head.records.is_empty() && table.next_into(&mut head) {}
            }
            let mut chunk = Chunk::default();
            let mut go_on = true;
            while go_on && table.next_into(&mut chunk) {
                go_on = !chunk.is_full(options.batch) || send(std::mem::take(&mut chunk));
            }
            if go_on && !chunk.records.is_empty() {
                send(chunk);
            }
            table.end()
        }
    };
    if too_many {
        end.broken = Some(format!("the file has more than {} rows (import.max_rows)", limits.rows));
    }
    told.extend(detected.told());
    Ok(ReadReport { lines: end.lines, broken: end.broken, told, unread })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::unpack::tests::gzip;

    #[test]
    fn an_unknown_encoding_is_told_with_the_mappings_other_faults() {
        let document = serde_json::json!({"encoding": "utf-9", "columns": {"gpaa": "gpa"}});
        let mapping = Some(Mapping::from_json(&document));
        let limits = Limits::default();
        let options = Options { format: Format::Csv, mapping, verified: false, batch: 1, limits };
        let faults = |text: &'static str| match check("f.csv", text.as_bytes(), &options).unwrap_err() {
            ReadError::Mapping(faults) => faults.0.into_iter().map(|f| f.pointer).collect::<Vec<_>>(),
            ReadError::Unreadable(why) => vec![why],
        };
        assert_eq!(
            faults("data_point_id,gpa,university_name,decision\na,3,U,accepted\n"),
            ["/encoding", "/columns/gpaa"]
        );
        assert_eq!(faults(""), ["/encoding"]);
    }

    #[test]
    fn a_packed_file_that_is_broken_at_its_start_is_told_as_that() {
        let text = "data_point_id,gpa,university_name,decision\na,3,U,accepted\n".repeat(1_000);
        let limits = Limits::default();
        let options = Options { format: Format::Auto, mapping: None, verified: false, batch: 1, limits };
        let zstd = ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
        for (name, packed, part) in [("a.csv.zst", zstd, "zstd data"), ("a.csv.gz", gzip(text.as_bytes()), "gzip data")]
        {
            let cut = || std::io::Cursor::new(packed[..14].to_vec());
            for error in
                [check(name, cut(), &options).unwrap_err(), preview(name, cut(), &options).map(drop).unwrap_err()]
            {
                assert!(error.to_string().contains(part), "{name}: {error}");
            }
        }
    }

    #[test]
    fn a_packed_file_that_breaks_before_its_columns_is_no_fault_of_the_mapping() {
        let limits = Limits::default();
        let mapping = Some(Mapping::from_json(&serde_json::json!({"columns": {"decision": "outcome"}})));
        let options = Options { format: Format::Auto, mapping, verified: false, batch: 1, limits };
        // What cannot be compressed, so that half of the bytes are about half of the text.
        let column = |n: u64| format!("c{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let header = (0..2_000).map(column).collect::<Vec<_>>().join(",") + ",outcome\n1\n";
        let objects = r#"{"outcome":"accepted"}"#.repeat(1_000);
        for (name, text, kept) in [("a.jsonl.gz", &objects, 12), ("a.csv.gz", &header, 6_000)] {
            let packed = gzip(text.as_bytes());
            let error = check(name, std::io::Cursor::new(packed[..kept].to_vec()), &options).unwrap_err();
            assert!(matches!(&error, ReadError::Unreadable(why) if why.contains("gzip data")), "{name}: {error}");
        }
    }
}
