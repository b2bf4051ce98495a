//! Reads files of data points: one thread reads and splits, several parse, and the caller's thread receives the chunks in
//! the files' order.

use crate::error::{Error, Result};
use crate::settings::Settings;
use provost_domain::Faults;
use provost_domain::features::FeatureTables;
use provost_domain::mapping::Unread;
use provost_reader::{Chunk, Format, Parsed, Parser, ReadBytes, ReadError, ReadReport, Strays};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// How the user names a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FormatName {
    Auto,
    /// JSON of any layout
    #[value(alias = "json")]
    Jsonl,
    Csv,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Auto => Self::Auto,
            FormatName::Jsonl => Self::Json,
            FormatName::Csv => Self::Csv,
        }
    }
}

/// What to read, and how.
pub struct Options {
    pub files: Vec<PathBuf>,
    /// The files' names in reports, in the files' order; by default their paths.
    pub names: Vec<String>,
    /// How to read; each chunk is stored in one transaction.
    pub reading: provost_reader::Options,
    pub threads: usize,
}

impl Options {
    /// Options for files of any format without a mapping, within the limits of the settings.
    pub fn new(settings: &Settings, files: Vec<PathBuf>) -> Self {
        let reading = provost_reader::Options {
            format: Format::Auto,
            mapping: None,
            verified: false,
            batch: settings.import.batch,
            limits: settings.import.limits,
        };
        Self { files, names: Vec::new(), reading, threads: settings.threads }
    }

    /// The name of a file in reports.
    pub fn name(&self, file: usize) -> String {
        let path = || self.files.get(file).map(|path| path.display().to_string()).unwrap_or_default();
        self.names.get(file).cloned().unwrap_or_else(path)
    }
}

/// The report on one file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileReport {
    pub file: String,
    pub lines: u64,
    /// Why the file was not read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was detected in the file: compression, encoding, delimiter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
    /// The columns and members that no field is read from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
    /// How many unread columns are not in the list.
    #[serde(skip_serializing_if = "is_zero")]
    pub unread_more: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's form
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Checks the head of each file, so that faults of the mapping, and two columns for one field, are reported before the first
/// row is stored. A file that cannot be read is reported when it is its turn.
///
/// # Errors
/// [`Error::Usage`] with all faults of the first faulty file.
pub fn check(options: &Options) -> Result<()> {
    for path in &options.files {
        // A pipe can be read only once; opening it again would wait for a writer that is gone.
        if !path.metadata().is_ok_and(|m| m.is_file()) {
            continue;
        }
        let Ok(file) = File::open(path) else { continue };
        if let Err(ReadError::Mapping(faults)) = provost_reader::check(&path.to_string_lossy(), file, &options.reading)
        {
            return Err(Error::Usage(format!("{}:{}", path.display(), listed(&faults))));
        }
    }
    Ok(())
}

/// The faults, one per line.
pub fn listed(faults: &Faults) -> String {
    faults.0.iter().map(|fault| format!("\n  {fault}")).collect()
}

/// A parsed chunk with its place in the order.
pub(crate) struct Batch {
    pub file: usize,
    pub parsed: Parsed,
}

/// Reads all files and passes their parsed chunks to `each` in order. An error of `each` ends the reading.
pub(crate) fn read_all(
    options: &Options,
    tables: &FeatureTables,
    read: &ReadBytes,
    mut each: impl FnMut(Batch) -> Result<()>,
) -> Result<Vec<FileReport>> {
    let threads = options.threads.clamp(1, 8);
    let (to_parsers, chunks) = sync_channel::<(Arc<Parser>, Chunk)>(2 * threads);
    let (to_store, parsed) = sync_channel::<(u64, usize, Parsed)>(2 * threads);
    let chunks = Arc::new(Mutex::new(chunks));
    let mut strays = vec![Strays::default(); options.files.len()];
    let mut each = |mut batch: Batch| {
        strays[batch.file].extend(std::mem::take(&mut batch.parsed.strays));
        each(batch)
    };
    let reports = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_files(options, tables, read, to_parsers));
        for _ in 0..threads {
            let (chunks, to_store) = (chunks.clone(), to_store.clone());
            scope.spawn(move || parse_chunks(&chunks, &to_store));
        }
        // Only the parsers hold the channels now: once they end, the reader's send fails instead of waiting.
        drop((chunks, to_store));
        let outcome = in_order(&parsed, &mut each);
        // Dropping the channel ends the parsers, and thereby the reader, whatever the outcome.
        drop(parsed);
        let reports = reader.join().map_err(|_| Error::failed("the reading thread panicked"))?;
        outcome.map(|()| reports)
    });
    let mut reports: Vec<FileReport> = reports?;
    for (report, strays) in reports.iter_mut().zip(strays) {
        report.unread_more = strays.append_to(&mut report.unread);
    }
    Ok(reports)
}

fn in_order(parsed: &Receiver<(u64, usize, Parsed)>, each: &mut impl FnMut(Batch) -> Result<()>) -> Result<()> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    while let Ok((index, file, parsed)) = parsed.recv() {
        waiting.insert(index, (file, parsed));
        while let Some((file, parsed)) = waiting.remove(&next) {
            next += 1;
            each(Batch { file, parsed })?;
        }
    }
    if waiting.is_empty() { Ok(()) } else { Err(Error::failed("a parsing thread panicked")) }
}

fn parse_chunks(chunks: &Mutex<Receiver<(Arc<Parser>, Chunk)>>, to_store: &SyncSender<(u64, usize, Parsed)>) {
    loop {
        let next = chunks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((parser, chunk)) = next else { return };
        let (index, file) = (chunk.index, chunk.file);
        if to_store.send((index, file, parser.chunk(chunk))).is_err() {
            return;
        }
    }
}

fn read_files(
    options: &Options,
    tables: &FeatureTables,
    read: &ReadBytes,
    to_parsers: SyncSender<(Arc<Parser>, Chunk)>,
) -> Vec<FileReport> {
    let mut index = 0;
    let mut reports = Vec::new();
    for (file, path) in options.files.iter().enumerate() {
        let name = options.name(file);
        let outcome = read_file(options, (&name, path), read, tables, &mut |parser, mut chunk| {
            (chunk.index, chunk.file) = (index, file);
            index += 1;
            to_parsers.send((parser.clone(), chunk)).is_ok()
        });
        let ReadReport { lines, broken: error, told, unread } = match outcome {
            Ok(report) => report,
            Err(why) => ReadReport { broken: Some(why.to_string()), ..ReadReport::default() },
        };
        reports.push(FileReport { file: name, lines, error, told, unread, unread_more: 0 });
    }
    reports
}

fn read_file(
    options: &Options,
    (name, path): (&str, &Path),
    read: &ReadBytes,
    tables: &FeatureTables,
    send: &mut dyn FnMut(&Arc<Parser>, Chunk) -> bool,
) -> std::result::Result<ReadReport, ReadError> {
    let file = File::open(path).map_err(|e| ReadError::Unreadable(e.to_string()))?;
    provost_reader::read(name, file, &options.reading, tables, read.clone(), send)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_store_that_fails_ends_the_reading_of_a_long_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("long.jsonl");
        std::fs::write(&file, "{}\n".repeat(2000)).unwrap();
        let limits = provost_reader::Limits { row_bytes: 100, ..provost_reader::Limits::default() };
        let reading =
            provost_reader::Options { format: Format::Json, mapping: None, verified: false, batch: 1, limits };
        let options = Options { files: vec![file], names: Vec::new(), reading, threads: 2 };
        // The reader is far from the file's end, its channel full, when the first chunk fails to be stored.
        let ended = read_all(&options, &FeatureTables::default(), &ReadBytes::default(), |_| {
            Err(Error::failed("no space left"))
        });
        assert!(ended.unwrap_err().to_string().contains("no space left"));
    }
}
