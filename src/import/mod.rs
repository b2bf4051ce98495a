//! `provost import`: files of data points into the store. One thread reads and cuts, some parse, the caller's thread stores
//! chunk after chunk in the files' order, so that of two rows with one id the later one meets the earlier.

pub mod lines;
#[doc(hidden)]
pub mod parse;
pub mod table;

use crate::error::{Error, Result};
use lines::{Chunk, ReadReport};
use parse::{Parsed, Parser};
use provost_domain::features::FeatureTables;
use provost_domain::mapping::CsvMapping;
use provost_domain::visible;
use provost_store::{PointOutcome, Store, private};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Auto,
    Jsonl,
    Csv,
}

/// What to read and how.
pub struct Options {
    pub files: Vec<PathBuf>,
    pub format: Format,
    /// For CSV files; JSON lines are read as they are.
    pub mapping: Option<CsvMapping>,
    /// Marks every point as verified.
    pub verified: bool,
    pub max_line_bytes: usize,
    /// Points in one transaction.
    pub batch: usize,
    pub threads: usize,
}

/// What became of the rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Data points found, rejected ones included.
    pub rows: u64,
    pub inserted: u64,
    pub unchanged: u64,
    pub superseded: u64,
    pub stale: u64,
    /// Same id and `seq` as a stored point, other content: refused, and in the rejects file.
    pub conflicts: u64,
    /// Rows that are no data points, in the rejects file.
    pub rejected: u64,
    /// Values off every scale, kept as missing.
    pub outliers: u64,
}

/// What one file came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileReport {
    pub file: String,
    pub lines: u64,
    /// Why the file was not read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub counts: Counts,
    pub seconds: f64,
    pub rows_per_second: f64,
    pub files: Vec<FileReport>,
    /// Where the rejected rows are, if there are any.
    pub rejects: Option<PathBuf>,
}

impl Report {
    pub fn broken(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|f| Some((f.file.as_str(), f.error.as_deref()?)))
    }
}

/// A parsed chunk handed to its consumer, in order.
pub(crate) struct Batch {
    pub file: usize,
    pub parsed: Parsed,
}

/// Bytes read so far from all files.
pub type ReadBytes = Arc<AtomicU64>;

/// Rejected rows: JSON lines of file, line, reason and the row's text. The file is made with the first of them, unless it
/// was asked for by name.
pub struct Rejects {
    path: PathBuf,
    out: Option<BufWriter<File>>,
}

#[derive(Serialize)]
struct Reject<'a> {
    file: &'a str,
    line: u64,
    reason: &'a str,
    raw: &'a str,
}

impl Rejects {
    pub fn lazily(path: PathBuf) -> Self {
        Self { path, out: None }
    }
    pub fn create(path: PathBuf) -> Result<Self> {
        let mut rejects = Self::lazily(path);
        rejects.open()?;
        Ok(rejects)
    }
    fn open(&mut self) -> Result<&mut BufWriter<File>> {
        if self.out.is_none() {
            let name = self.path.display().to_string();
            let file = private::create(&self.path)
                .map_err(|e| Error::failed(format!("cannot write the rejects file {name}: {e}")))?;
            self.out = Some(BufWriter::new(file));
        }
        self.out.as_mut().ok_or_else(|| Error::failed("the rejects file is closed"))
    }
    fn write(&mut self, reject: &Reject<'_>) -> Result<()> {
        let out = self.open()?;
        // The row stays as it was, in JSON's escapes, so that nobody's terminal obeys it.
        let line = serde_json::to_string(reject).map_err(anyhow::Error::from)?;
        Ok(writeln!(out, "{}", visible::json(&line))?)
    }
    fn finish(mut self) -> Result<Option<PathBuf>> {
        match &mut self.out {
            Some(out) => out.flush().map(|()| Some(self.path.clone())).map_err(Error::from),
            None => Ok(None),
        }
    }
}

/// Reads all files and hands their parsed chunks on in order. `each` may fail, which ends the reading.
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
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_files(options, tables, read, to_parsers));
        for _ in 0..threads {
            let (chunks, to_store) = (chunks.clone(), to_store.clone());
            scope.spawn(move || parse_chunks(&chunks, &to_store));
        }
        // The parsers alone hold the channels now: once they have ended, a reader that still sends is not left waiting.
        drop((chunks, to_store));
        let outcome = in_order(&parsed, &mut each);
        // This lets the parsers end, and the reader after them, whatever the outcome.
        drop(parsed);
        let reports = reader.join().map_err(|_| Error::failed("the reading thread panicked"))?;
        outcome.map(|()| reports)
    })
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
        let name = path.display().to_string();
        let outcome = read_file(options, path, read, tables, &mut |parser, mut chunk| {
            (chunk.index, chunk.file) = (index, file);
            index += 1;
            to_parsers.send((parser.clone(), chunk)).is_ok()
        });
        let (lines, error) = match outcome {
            Ok(report) => (report.lines, report.broken),
            Err(why) => (0, Some(why)),
        };
        reports.push(FileReport { file: name, lines, error });
    }
    reports
}

fn read_file(
    options: &Options,
    path: &Path,
    read: &ReadBytes,
    tables: &FeatureTables,
    send: &mut dyn FnMut(&Arc<Parser>, Chunk) -> bool,
) -> std::result::Result<ReadReport, String> {
    let reader = lines::open(path, read.clone()).map_err(|e| e.to_string())?;
    read_text(options, path, reader, tables, send)
}

/// Reads what the file at `path` holds, after unpacking. Public for the fuzz targets. Errors: why nothing could be read.
#[doc(hidden)]
pub fn read_text(
    options: &Options,
    path: &Path,
    mut reader: impl BufRead,
    tables: &FeatureTables,
    send: &mut dyn FnMut(&Arc<Parser>, Chunk) -> bool,
) -> std::result::Result<ReadReport, String> {
    let format = match options.format {
        Format::Auto => lines::format_of(path, &mut reader).map_err(|e| e.to_string())?,
        format => format,
    };
    if format == Format::Jsonl {
        if options.mapping.is_some() {
            return Err("a mapping is for CSV files, and this is read as JSON lines (--format csv?)".to_owned());
        }
        let parser = Arc::new(Parser::json(options, tables));
        let mut send = |chunk| send(&parser, chunk);
        return Ok(lines::chunks_of_lines(reader, options.max_line_bytes, options.batch, &mut send));
    }
    let mut lines = lines::Lines::new(reader, options.max_line_bytes);
    let mut head = Chunk::default();
    let Some(first) = lines.next_into(&mut head) else {
        return lines.broken.map_or(Ok(ReadReport::default()), Err);
    };
    if let Some(fault) = first.fault {
        return Err(format!("the header: {fault}"));
    }
    let tabs = path.to_string_lossy().trim_end_matches(".gz").ends_with(".tsv");
    let delimiter = if tabs { b'\t' } else { b',' };
    let columns = table::fields(&head.bytes[first.bytes], delimiter).ok_or("the header is empty")?;
    let columns = csv::StringRecord::from_byte_record(columns).map_err(|_| "the header is not UTF-8")?;
    let mapping = options.mapping.clone().unwrap_or_default();
    let plan = mapping.plan(columns.iter()).map_err(|faults| {
        let faults: Vec<String> =
            faults.0.iter().map(|f| format!("{} {}", f.pointer, f.message).trim().to_owned()).collect();
        let hint =
            if options.mapping.is_none() { "; a mapping (--mapping M.toml) can say which column is which" } else { "" };
        format!("{}{hint}", faults.join("; "))
    })?;
    let parser = Arc::new(Parser::table(options, tables, plan, delimiter));
    let mut send = |chunk| send(&parser, chunk);
    Ok(lines::chunks_of_table(lines, columns.len(), delimiter, options.batch, &mut send))
}

/// Imports into the store. Rows that are no data points go to `rejects`; only a store that fails ends the import.
pub fn run(
    options: &Options,
    tables: &FeatureTables,
    store: &Arc<dyn Store>,
    runtime: &tokio::runtime::Runtime,
    mut rejects: Rejects,
    read: &ReadBytes,
    mut progress: impl FnMut(&Counts),
) -> Result<Report> {
    let began = Instant::now();
    let mut counts = Counts::default();
    let files = read_all(options, tables, read, |Batch { file, parsed }| {
        let name = options.files[file].display().to_string();
        let Parsed { chunk, points, places, faults, outliers } = parsed;
        counts.rows += (points.len() + faults.len()) as u64;
        counts.outliers += outliers;
        counts.rejected += faults.len() as u64;
        for (place, reason) in &faults {
            let record = &chunk.records[*place];
            let raw = String::from_utf8_lossy(chunk.raw(record));
            let reason = &visible::line(reason);
            rejects.write(&Reject { file: &name, line: record.line, reason, raw: &raw })?;
        }
        if !points.is_empty() {
            let outcomes = runtime.block_on(store.record_points(points))?;
            for (outcome, place) in outcomes.iter().zip(&places) {
                match outcome {
                    PointOutcome::Inserted => counts.inserted += 1,
                    PointOutcome::Unchanged => counts.unchanged += 1,
                    PointOutcome::Superseded => counts.superseded += 1,
                    PointOutcome::Stale => counts.stale += 1,
                    PointOutcome::Conflict => {
                        counts.conflicts += 1;
                        let record = &chunk.records[*place];
                        let raw = String::from_utf8_lossy(chunk.raw(record));
                        let reason = "a point with this data_point_id and seq is stored with other content";
                        rejects.write(&Reject { file: &name, line: record.line, reason, raw: &raw })?;
                    }
                }
            }
        }
        progress(&counts);
        Ok(())
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let rows_per_second = if seconds > 0.0 { counts.rows as f64 / seconds } else { 0.0 };
    Ok(Report { counts, seconds, rows_per_second, files, rejects: rejects.finish()? })
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
        let options = Options {
            files: vec![file],
            format: Format::Jsonl,
            mapping: None,
            verified: false,
            max_line_bytes: 100,
            batch: 1,
            threads: 2,
        };
        // The reader is far from the file's end, its channel full, when the first chunk fails to be stored.
        let ended = read_all(&options, &FeatureTables::default(), &ReadBytes::default(), |_| {
            Err(Error::failed("no space left"))
        });
        assert!(ended.unwrap_err().to_string().contains("no space left"));
    }
}
