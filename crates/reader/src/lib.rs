//! Files of data points as a stream of rows: JSON lines, JSON arrays, pretty-printed objects, MongoDB's Extended JSON, CSV
//! with any of four delimiters, in UTF-8, UTF-16 or an older encoding, plain, gzip or zstd. What a file is made of is told
//! from its first bytes. Every row is bounded, memory is bounded by a chunk of rows, and whatever is broken is named and
//! passed by. `import`, `features` and the source of a training job read with it.

mod detect;
mod extended;
mod file;
mod lines;
mod opened;
mod parse;
mod rows;
mod sniff;
mod strays;
mod text;
mod unpack;
mod values;

pub use file::{Format, Options, ReadError, ReadReport, check, guess, read};
pub use lines::{Chunk, Record};
pub use parse::{Parsed, Parser};
pub use strays::Strays;
pub use unpack::{Input, ReadBytes};

/// What a file may hold at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one row: a line, a CSV row over several lines, one JSON object.
    pub row_bytes: usize,
    /// Bytes of one CSV cell.
    pub cell_bytes: usize,
    /// Columns of a CSV file.
    pub columns: usize,
    /// Rows of a file.
    pub rows: u64,
    /// Bytes of a file, after unpacking.
    pub bytes: u64,
    /// Bytes that one packed byte may become, once more than 64 MiB were unpacked.
    pub ratio: u64,
}

impl Default for Limits {
    /// The settings' defaults.
    fn default() -> Self {
        Self { row_bytes: 1 << 20, cell_bytes: 1 << 16, columns: 2000, rows: 10_000_000, bytes: 16 << 30, ratio: 1000 }
    }
}
