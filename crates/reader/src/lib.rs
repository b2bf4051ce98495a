//! Reads files of data points as a stream of rows: JSON lines, JSON arrays, pretty-printed objects, MongoDB's Extended JSON,
//! and CSV with any of four delimiters; in UTF-8, UTF-16 or an older encoding; plain, gzip or zstd. Format, encoding and
//! compression are detected from the first bytes. The bytes of a row are bounded, memory is bounded by a chunk of rows, and
//! a broken row is reported and skipped. `import`, `features`, uploads and the source of a training job use this crate.

mod detect;
mod error;
mod extended;
mod file;
mod format;
mod limits;
mod lines;
mod opened;
mod parse;
mod rows;
mod sniff;
mod strays;
mod text;
mod unpack;
mod values;

pub use error::ReadError;
pub use file::{Options, Preview, ReadReport, check, guess, is_json, preview, read};
pub use format::Format;
pub use limits::Limits;
pub use lines::{Chunk, Record};
pub use parse::{Parsed, Parser};
pub use strays::Strays;
pub use unpack::{Input, ReadBytes};
