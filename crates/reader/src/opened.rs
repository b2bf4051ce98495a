//! A file whose head has been read: its format, encoding and first rows.

use crate::detect::{Detected, Detecting};
use crate::error::ReadError;
use crate::format::Format;
use crate::limits::Limits;
use crate::lines::{Chunk, Lines, ReadEnd, Record};
use crate::parse::members;
use crate::rows::{self, Rows};
use crate::sniff;
use crate::text::{HEAD, Headed, decoded};
use crate::unpack::{Packing, ReadBytes, broken, unpack};
use crate::values::Values;
use encoding_rs::{Encoding, UTF_8};
use provost_domain::mapping::Mapping;
use std::io::{BufRead, Read};

/// How many rows a mapping is guessed from.
pub const GUESSED_ROWS: usize = 1000;

/// A file whose head has been read.
pub struct Opened {
    pub text: Headed,
    /// The encoding of a CSV file; known once a byte beyond ASCII was read.
    pub detected: Detected,
    pub told: Vec<String>,
    pub line_end: u8,
    /// Lines to skip before the header.
    pub skip_lines: u64,
    pub what: What,
}

pub enum What {
    Empty,
    Json(sniff::Layout),
    Csv { delimiter: u8 },
}

fn ending(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let name = [".gz", ".zst", ".zstd"].iter().find_map(|packed| name.strip_suffix(packed)).unwrap_or(&name);
    name.rsplit_once('.').map_or_else(String::new, |(_, ending)| ending.to_owned())
}

pub fn open(
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
    told.extend(marked.filter(|e| *e != UTF_8).map(|encoding| format!("encoding {}", encoding.name())));
    let line_end = sniff::line_end(text.head());
    if line_end == b'\r' {
        told.push("lines that end in CR".to_owned());
    }
    if let Some(kind) = sniff::foreign(text.head()) {
        return Err(ReadError::Unreadable(format!(
            "the file is {kind}; supported are JSON and CSV, plain or compressed with gzip or zstd"
        )));
    }
    let ending = ending(name);
    let is_json = match (format, ending.as_str()) {
        (Format::Json, _) => true,
        (Format::Csv, _) => false,
        (Format::Auto, "jsonl" | "ndjson" | "json") => true,
        (Format::Auto, "csv" | "tsv") => sniff::is_surely_json(text.head()),
        (Format::Auto, _) => sniff::is_json(text.head()),
    };
    if is_json && matches!(ending.as_str(), "csv" | "tsv") {
        told.push("JSON".to_owned());
    }
    if text.head().iter().all(u8::is_ascii_whitespace) && text.is_whole() {
        return Ok(Opened { text, detected: Detected::default(), told, line_end, skip_lines: 0, what: What::Empty });
    }
    if is_json {
        let layout = sniff::layout(text.head());
        return Ok(Opened {
            text,
            detected: Detected::default(),
            told,
            line_end,
            skip_lines: 0,
            what: What::Json(layout),
        });
    }
    let named_delimiter = sniff::named_delimiter(text.head()).filter(|_| mapping.skip_lines == 0);
    let skip_lines = mapping.skip_lines + u64::from(named_delimiter.is_some());
    let delimiter = mapping.delimiter.unwrap_or_else(|| {
        let told_by_cells = || sniff::delimiter(text.head(), skip_lines, text.is_whole(), ending == "tsv");
        let found = named_delimiter.unwrap_or_else(told_by_cells);
        if found != b',' && ending != "tsv" {
            told.push(format!("delimiter {:?}", char::from(found)));
        }
        found
    });
    let detected = Detected::default();
    let known = named.is_some() || marked.is_some();
    let text = if known {
        text
    } else {
        let longest = limits.row_bytes.saturating_add(2);
        Headed::new(Box::new(Detecting::new(Box::new(text), line_end, longest, detected.clone())))
    };
    Ok(Opened { text, detected, told, line_end, skip_lines, what: What::Csv { delimiter } })
}

/// The rows of the head, split into cells.
pub fn sample(opened: &Opened, limits: &Limits) -> Vec<Vec<String>> {
    let What::Csv { delimiter } = opened.what else { return Vec::new() };
    let mut head = opened.text.head();
    if !opened.text.is_whole() {
        // The last line may be incomplete.
        head = &head[..head.iter().rposition(|b| *b == opened.line_end).map_or(head.len(), |at| at + 1)];
    }
    let mut lines = Lines::new(head, limits.row_bytes, opened.line_end);
    let mut chunk = Chunk::default();
    for _ in 0..opened.skip_lines {
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

/// The members of the objects in the head, and the objects' values as rows of cells.
pub fn sample_objects(
    opened: &Opened,
    layout: sniff::Layout,
    mapping: &Mapping,
    limits: &Limits,
) -> (Vec<String>, Vec<Vec<String>>) {
    let mut chunk = Chunk::default();
    cut(opened.text.head(), layout, limits, opened.line_end, GUESSED_ROWS, &mut |cut| {
        chunk = cut;
        false
    });
    let objects: Vec<_> = chunk.records.iter().filter_map(|r| members(chunk.raw(r), limits.row_bytes).ok()).collect();
    let mut names: Vec<String> = Vec::new();
    for name in objects.iter().flat_map(|object| object.keys()) {
        if (names.len() < limits.columns || mapping.wants(name)) && !names.contains(name) {
            names.push(name.clone());
        }
    }
    let cells = objects
        .iter()
        .map(|o| names.iter().map(|n| o.get(n).map_or_else(String::new, |m| m.text.clone())).collect())
        .collect();
    (names, cells)
}

/// Splits JSON into chunks and sends them, until the end of the text or until `send` returns stop.
pub fn cut(
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

/// Why no row of a CSV file can be read.
pub fn no_row(opened: &Opened, mapping: &Mapping) -> String {
    if let Some(fault) = opened.text.fault() {
        return broken(fault);
    }
    let behind = match mapping.skip_lines {
        0 => String::new(),
        lines => format!(" behind the {lines} lines that `skip_lines` leaves out"),
    };
    if opened.text.is_whole() {
        format!("it has no row that can be read as CSV{behind}")
    } else {
        format!("its first {HEAD} bytes have no row that can be read as CSV{behind}")
    }
}
