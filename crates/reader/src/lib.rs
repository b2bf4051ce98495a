//! Files of data points as a stream of rows: JSON lines, JSON arrays, pretty-printed objects, MongoDB's Extended JSON, CSV
//! with any of four delimiters, in UTF-8, UTF-16 or an older encoding, plain, gzip or zstd. What a file is made of is told
//! from its first bytes. Every row is bounded, memory is bounded by a chunk of rows, and whatever is broken is named and
//! passed by. `import`, `features` and the source of a training job read with it.

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
pub use file::{Options, Preview, ReadReport, check, guess, preview, read};
pub use format::Format;
pub use limits::Limits;
pub use lines::{Chunk, Record};
pub use parse::{Parsed, Parser};
pub use strays::Strays;
pub use unpack::{Input, ReadBytes};
