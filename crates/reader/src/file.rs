//! A file from its first byte to its last row.

use crate::Limits;
use crate::lines::{Chunk, Lines, ReadEnd, Record};
use crate::parse::{Parser, Shape, members};
use crate::rows::{self, Rows};
use crate::sniff::{self, Fractions};
use crate::text::{Detected, Detecting, Headed, decoded};
use crate::unpack::{Packing, ReadBytes, broken, unpack};
use crate::values::Values;
use encoding_rs::Encoding;
use provost_domain::features::FeatureTables;
use provost_domain::mapping::guess::{self, Facts};
use provost_domain::mapping::{Mapping, Unread};
use provost_domain::{Fault, Faults};
use std::io::{BufRead, Read};
use std::sync::Arc;

/// Rows that a mapping is guessed from.
const GUESSED_ROWS: usize = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// By the name's ending, else by the first character.
    Auto,
    Json,
    Csv,
}

/// How files are read.
#[derive(Debug, Clone)]
pub struct Options {
    pub format: Format,
    /// For CSV files, and for JSON whose members are no data point's.
    pub mapping: Option<Mapping>,
    /// Marks every point as verified.
    pub verified: bool,
    /// Rows of one chunk.
    pub batch: usize,
    pub limits: Limits,
}

/// Why nothing of a file could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The mapping does not fit the file, or two columns are one field.
    #[error("{0}")]
    Mapping(Faults),
    #[error("{0}")]
    Unreadable(String),
}

/// What a file's reading came to.
#[derive(Debug, Default)]
pub struct ReadReport {
    pub lines: u64,
    /// Why it ended early.
    pub broken: Option<String>,
    /// What was told from the file and not from its name or mapping: encoding, delimiter, decimal comma.
    pub told: Vec<String>,
    /// The columns that no field is read from.
    pub unread: Vec<Unread>,
}

/// A file that is known as far as its head goes.
struct Opened {
    text: Headed,
    /// Of a CSV file, once a byte says what it is.
    detected: Detected,
    told: Vec<String>,
    line_end: u8,
    what: What,
}

enum What {
    Empty,
    Json(sniff::Layout),
    Csv { delimiter: u8 },
}

fn ending(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let name = [".gz", ".zst", ".zstd"].iter().find_map(|packed| name.strip_suffix(packed)).unwrap_or(&name);
    name.rsplit_once('.').map_or_else(String::new, |(_, ending)| ending.to_owned())
}

fn open(
    name: &str,
    file: impl Read + Send + 'static,
    format: Format,
    mapping: &Mapping,
    limits: &Limits,
    read: ReadBytes,
) -> Result<Opened, ReadError> {
    let unreadable = |e: std::io::Error| ReadError::Unreadable(broken(&e));
    let (text, packing) = unpack(file, limits, read).map_err(unreadable)?;
    let mut told = match packing {
        Packing::Plain => Vec::new(),
        Packing::Gzip => vec!["gzip".to_owned()],
        Packing::Zstd => vec!["zstd".to_owned()],
    };
    let named = mapping.encoding.as_deref().and_then(|label| Encoding::for_label(label.as_bytes()));
    let (text, marked) = decoded(Headed::new(text), named);
    told.extend(marked.map(|encoding| format!("encoding {}", encoding.name())));
    let line_end = sniff::line_end(text.head());
    if line_end == b'\r' {
        told.push("lines that end in CR".to_owned());
    }
    let ending = ending(name);
    let is_json = match (format, ending.as_str()) {
        (Format::Json, _) => true,
        (Format::Csv, _) => false,
        (Format::Auto, "jsonl" | "ndjson" | "json") => true,
        (Format::Auto, "csv" | "tsv") => false,
        (Format::Auto, _) => sniff::is_json(text.head()),
    };
    if text.head().iter().all(u8::is_ascii_whitespace) && text.is_whole() {
        return Ok(Opened { text, detected: Detected::default(), told, line_end, what: What::Empty });
    }
    if is_json {
        let layout = sniff::layout(text.head());
        return Ok(Opened { text, detected: Detected::default(), told, line_end, what: What::Json(layout) });
    }
    let delimiter = mapping.delimiter.unwrap_or_else(|| {
        let found = sniff::delimiter(text.head(), mapping.skip_lines, text.is_whole(), ending == "tsv");
        if found != b',' && ending != "tsv" {
            told.push(format!("delimiter {:?}", char::from(found)));
        }
        found
    });
    let detected = Detected::default();
    let known = named.is_some() || marked.is_some();
    let text = if known { text } else { Headed::new(Box::new(Detecting::new(Box::new(text), detected.clone()))) };
    Ok(Opened { text, detected, told, line_end, what: What::Csv { delimiter } })
}

/// The rows of the head, cell by cell: what the file looks like.
fn sample(opened: &Opened, mapping: &Mapping, limits: &Limits) -> Vec<Vec<String>> {
    let What::Csv { delimiter } = opened.what else { return Vec::new() };
    let mut head = opened.text.head();
    if !opened.text.is_whole() {
        // The last line may be cut off.
        head = &head[..head.iter().rposition(|b| *b == opened.line_end).map_or(head.len(), |at| at + 1)];
    }
    let mut lines = Lines::new(head, limits.row_bytes, opened.line_end);
    let mut chunk = Chunk::default();
    for _ in 0..mapping.skip_lines {
        lines.next_into(&mut chunk);
        chunk.bytes.clear();
    }
    let mut rows = Rows::new(lines, 0, delimiter);
    while chunk.records.len() <= GUESSED_ROWS && rows.next_into(&mut chunk) {
        if let [first] = chunk.records.as_slice() {
            rows.set_width(rows::fields(chunk.raw(first), delimiter).map_or(0, |cells| cells.len()));
        }
    }
    let cells = |record: &Record| -> Option<Vec<String>> {
        let cells = rows::fields(chunk.raw(record), delimiter).ok()?;
        Some(cells.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect())
    };
    chunk.records.iter().filter(|r| r.fault.is_none()).filter_map(cells).collect()
}

/// The members of the objects in the head, and their cells.
fn sample_objects(opened: &Opened, layout: sniff::Layout, limits: &Limits) -> (Vec<String>, Vec<Vec<String>>) {
    let mut chunk = Chunk::default();
    cut(opened.text.head(), layout, limits, opened.line_end, GUESSED_ROWS, &mut |cut| {
        chunk = cut;
        false
    });
    let objects: Vec<_> = chunk.records.iter().filter_map(|r| members(chunk.raw(r), limits.row_bytes).ok()).collect();
    let mut names: Vec<String> = Vec::new();
    for name in objects.iter().flat_map(|object| object.keys()) {
        if !names.contains(name) && names.len() <= limits.columns {
            names.push(name.clone());
        }
    }
    let cells = objects
        .iter()
        .map(|o| names.iter().map(|n| o.get(n).map_or_else(String::new, |m| m.text.clone())).collect())
        .collect();
    (names, cells)
}

/// Cuts JSON into chunks and passes them on, until the end of the text or until `send` says stop.
fn cut(
    text: impl BufRead,
    layout: sniff::Layout,
    limits: &Limits,
    line_end: u8,
    batch: usize,
    send: &mut dyn FnMut(Chunk) -> bool,
) -> ReadEnd {
    let mut chunk = Chunk::default();
    let mut go_on = true;
    let end = match layout {
        sniff::Layout::Lines => {
            let mut lines = Lines::new(text, limits.row_bytes, line_end);
            while go_on && let Some(record) = lines.next_into(&mut chunk) {
                if record.fault.is_some() || !chunk.raw(&record).iter().all(u8::is_ascii_whitespace) {
                    chunk.records.push(record);
                }
                go_on = !chunk.is_full(batch) || send(std::mem::take(&mut chunk));
            }
            ReadEnd { lines: lines.count(), broken: lines.broken }
        }
        sniff::Layout::Values => {
            let mut values = Values::new(text, limits.row_bytes, line_end);
            while go_on && let Some(record) = values.next_into(&mut chunk) {
                chunk.records.push(record);
                go_on = !chunk.is_full(batch) || send(std::mem::take(&mut chunk));
            }
            values.end()
        }
    };
    if go_on && !chunk.records.is_empty() {
        send(chunk);
    }
    end
}

/// A file whose rows can be read: what they are read by, and what is left of the text.
struct Ready {
    opened: Opened,
    parser: Parser,
    unread: Vec<Unread>,
    /// Cells of a row.
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
    // Where no row is found to tell the mapping's other faults with, it is told alone.
    let alone = || encoding.clone().map(|fault| ReadError::Mapping(Faults(vec![fault])));
    let mut opened = open(name, file, options.format, &mapping, limits, read)?;
    let parser = |shape| Parser::new(shape, options.verified, tables, *limits);
    match opened.what {
        What::Empty => alone().map_or(Ok(None), Err),
        What::Json(_) if options.mapping.is_none() => {
            Ok(Some(Ready { opened, parser: parser(Shape::Json), unread: Vec::new(), width: 0 }))
        }
        What::Json(layout) => {
            let (names, rows) = sample_objects(&opened, layout, limits);
            mapping.header = Some(true);
            comma(&mut mapping, &rows, false, &mut opened.told);
            let plan = mapping.plan(names.iter().map(String::as_str)).map_err(ReadError::Mapping)?;
            let (unread, width) = (plan.unread().to_vec(), names.len());
            let shape = Shape::Objects { plan: Box::new(plan), names };
            Ok(Some(Ready { opened, parser: parser(shape), unread, width }))
        }
        What::Csv { delimiter } => {
            let mut rows = sample(&opened, &mapping, limits);
            if rows.is_empty() {
                let why = || ReadError::Unreadable("its first row cannot be read as CSV".to_owned());
                return Err(alone().unwrap_or_else(why));
            }
            let header = mapping.header.unwrap_or(true);
            let first = if header { rows.remove(0) } else { rows[0].clone() };
            if first.len() > limits.columns {
                let why =
                    format!("it has {} columns; up to {} are read (import.max_columns)", first.len(), limits.columns);
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

/// The fault of a mapping whose `encoding` nobody knows.
fn unknown_encoding(mapping: &Mapping) -> Option<Fault> {
    let label = mapping.encoding.as_deref().filter(|label| Encoding::for_label(label.as_bytes()).is_none())?;
    let message = format!("`encoding` is `{label}`; a label such as utf-8, utf-16le or windows-1252 is allowed");
    Some(Fault { pointer: "/encoding".to_owned(), message })
}

/// `commas`: no comma parts the cells.
fn comma(mapping: &mut Mapping, rows: &[Vec<String>], commas: bool, told: &mut Vec<String>) {
    if mapping.decimal_comma.is_some() {
        return;
    }
    match sniff::fractions(rows, commas) {
        Fractions::Point => {}
        Fractions::Comma => {
            mapping.decimal_comma = Some(true);
            told.push("decimal comma".to_owned());
        }
        Fractions::Mixed => {
            mapping.mixed = true;
            told.push("decimal points and commas (a mapping's `decimal_comma` says which)".to_owned());
        }
    }
}

/// Without a mapping a file may lack what is needed; two columns for one field are a fault either way.
fn unfit(faults: Faults, options: &Options, name: &str) -> ReadError {
    if options.mapping.is_some() || faults.0.iter().any(|f| !f.pointer.is_empty()) {
        return ReadError::Mapping(faults);
    }
    ReadError::Unreadable(format!(
        "{faults}; a mapping (--mapping M.toml) can say which column is which, and `provost import --guess {name}` writes one"
    ))
}

/// Looks at a file's head and at its mapping, and at nothing else.
///
/// # Errors
/// As [`read`].
pub fn check(name: &str, file: impl Read + Send + 'static, options: &Options) -> Result<(), ReadError> {
    ready(name, file, options, &FeatureTables::default(), ReadBytes::default()).map(drop)
}

/// A mapping for a file, guessed from its head, as TOML.
///
/// # Errors
/// If the file cannot be read, or holds nothing.
pub fn guess(name: &str, file: impl Read + Send + 'static, options: &Options) -> Result<String, ReadError> {
    let mapping = Mapping::default();
    let opened = open(name, file, options.format, &mapping, &options.limits, ReadBytes::default())?;
    let mut facts = Facts { file: name.to_owned(), ..Facts::default() };
    let (names, mut rows) = match opened.what {
        What::Empty => (None, Vec::new()),
        What::Json(layout) => {
            let (names, rows) = sample_objects(&opened, layout, &options.limits);
            (Some(names), rows)
        }
        What::Csv { delimiter } => {
            facts.delimiter = (delimiter != b',').then(|| char::from(delimiter));
            facts.encoding = opened.detected.get().map(|encoding| encoding.name().to_ascii_lowercase());
            let mut rows = sample(&opened, &mapping, &options.limits);
            let first: Vec<&str> = rows.first().map(|row| row.iter().map(String::as_str).collect()).unwrap_or_default();
            facts.headerless = !guess::is_header(&first);
            let names = (!facts.headerless && !rows.is_empty()).then(|| rows.remove(0));
            (names, rows)
        }
    };
    rows.truncate(GUESSED_ROWS);
    if rows.is_empty() {
        return Err(ReadError::Unreadable("it has no rows to guess from".to_owned()));
    }
    facts.decimal_comma = sniff::fractions(&rows, facts.delimiter.is_some()) == Fractions::Comma;
    Ok(guess::guess(names.as_deref(), &rows, &facts))
}

/// Reads a file to its end, or until `send` says stop. Chunks come in the file's order with what their rows are read by;
/// parsing them is the caller's, on whatever thread. `name` tells the format where `options` do not.
///
/// # Errors
/// If nothing can be read: see [`ReadError`]. What breaks later is in the report.
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
    let Opened { text, detected, mut told, line_end, what } = opened;
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
            for _ in 0..mapping.map_or(0, |m| m.skip_lines) {
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
        end.broken = Some(format!("it has more than {} rows (import.max_rows)", limits.rows));
    }
    told.extend(detected.get().map(|encoding| format!("encoding {} (detected)", encoding.name())));
    Ok(ReadReport { lines: end.lines, broken: end.broken, told, unread })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
}
