//! Where rows come from: the store, or a file below the import folder.

use super::scan::{Scan, Scanner};
use super::{beneath, blocking};
use crate::error::LoadError;
use crate::options::Options;
use provost_domain::config::{DataSource, FeatureSet};
use provost_domain::mapping::CsvMapping;
use provost_domain::{AdmissionDataPoint, TrainingConfig};
use provost_store::{PointSelection, PointsMark};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;

/// A longer line is rejected unread.
const MAX_LINE: usize = 1 << 20;

/// Names a source and its present state: equal keys mean equal rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    Store {
        verified_only: bool,
        features: FeatureSet,
        mark: PointsMark,
    },
    File {
        verified_only: bool,
        features: FeatureSet,
        kind: DataSource,
        /// As the client named it.
        name: String,
        state: FileState,
    },
}

/// Which file was opened and when it last changed, read from its handle.
#[derive(Debug, Clone, PartialEq)]
pub struct FileState {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds since 1970, of the content and of the file's record.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileState {
    fn of(file: &File) -> std::io::Result<Self> {
        let meta = file.metadata()?;
        Ok(Self {
            device: meta.dev(),
            inode: meta.ino(),
            bytes: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

/// A source that is open for reading. A file is read from the handle that was checked and is never opened by its name again.
pub enum Source {
    Store(Key),
    File(Key, File),
}

impl Source {
    pub fn key(&self) -> &Key {
        match self {
            Source::Store(key) | Source::File(key, _) => key,
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Key::Store { .. } => f.write_str("the store"),
            // Without the folders on the way.
            Key::File { name, .. } => f.write_str(name.rsplit('/').next().unwrap_or_default()),
        }
    }
}

/// Opens what a configuration names. Fails for a `data_path` that is not a regular file below the import folder.
pub async fn open(config: &TrainingConfig, options: &Options) -> Result<Source, LoadError> {
    let (verified_only, features) = (config.use_verified_only, config.features);
    if config.data_source == DataSource::Mongodb {
        return Ok(Source::Store(Key::Store { verified_only, features, mark: options.store.points_mark().await? }));
    }
    let (kind, folder) = (config.data_source, options.import_dir.clone());
    let name = config.data_path.clone().unwrap_or_default();
    blocking(move || {
        let refused = |why: &dyn std::fmt::Display| LoadError::Data(format!("data_path `{name}`: {why}"));
        if !provost_domain::config::stays_below(&name) {
            return Err(refused(&"allowed is a relative path that stays below the import folder"));
        }
        let file = beneath::open(&folder, &name).map_err(|e| refused(&e))?;
        let state = FileState::of(&file).map_err(|e| refused(&e))?;
        Ok(Source::File(Key::File { verified_only, features, kind, name, state }, file))
    })
    .await
}

/// Reads the whole source once.
pub async fn scan(source: Source, config: &TrainingConfig, options: &Options) -> Result<Scan, LoadError> {
    let (tables, verified_only, features) = (options.tables.clone(), config.use_verified_only, config.features);
    match source {
        Source::Store(key) => {
            let mut batches = options.store.stream_points(PointSelection { verified_only }).await?;
            blocking(move || {
                let mut scanner = Scanner::new(&tables, verified_only, features);
                while let Some(batch) = batches.blocking_recv() {
                    batch?.iter().for_each(|point| scanner.take(point));
                }
                Ok(scanner.finish(key))
            })
            .await
        }
        Source::File(key, file) => {
            let kind = config.data_source;
            blocking(move || {
                let mut scanner = Scanner::new(&tables, verified_only, features);
                let read = unpacked(file).and_then(|reader| match kind {
                    DataSource::Csv => read_csv(reader, &mut scanner),
                    _ => read_json(reader, &mut scanner),
                });
                read.map_err(|why| LoadError::Data(format!("data_path: {key}: {why}")))?;
                Ok(scanner.finish(key))
            })
            .await
        }
    }
}

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}

/// Plain or gzip, told by the first two bytes.
fn unpacked(file: File) -> Result<Box<dyn BufRead>, String> {
    let mut file = BufReader::new(file);
    let gzip = file.fill_buf().map_err(text)?.starts_with(&[0x1f, 0x8b]);
    Ok(if gzip { Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(file))) } else { Box::new(file) })
}

/// An array of points, or one point a line.
fn read_json(mut reader: Box<dyn BufRead>, scanner: &mut Scanner<'_>) -> Result<(), String> {
    let array = loop {
        let bytes = reader.fill_buf().map_err(text)?;
        let blank = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
        match bytes.get(blank) {
            Some(first) => break *first == b'[',
            None if bytes.is_empty() => return Ok(()),
            None => reader.consume(blank),
        }
    };
    if array {
        let points: Vec<serde_json::Value> =
            serde_json::from_reader(reader).map_err(|e| format!("the file is not a JSON array: {e}"))?;
        for (row, point) in (1..).zip(points) {
            match AdmissionDataPoint::from_value(point) {
                Ok(point) => scanner.take(&point),
                Err(faults) => scanner.reject(row, &faults),
            }
        }
        return Ok(());
    }
    let (mut line, mut row) = (Vec::new(), 0);
    loop {
        line.clear();
        row += 1;
        let read = reader.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line).map_err(text)?;
        if read == 0 {
            return Ok(());
        }
        if line.len() > MAX_LINE {
            scanner.reject(row, &format!("the line is longer than {MAX_LINE} bytes"));
            reader.skip_until(b'\n').map_err(text)?;
        } else if !line.iter().all(u8::is_ascii_whitespace) {
            match AdmissionDataPoint::from_json(&line) {
                Ok(point) => scanner.take(&point),
                Err(faults) => scanner.reject(row, &faults),
            }
        }
    }
}

/// A header, then a point a row, in the columns that `provost import` knows without a mapping.
fn read_csv(reader: Box<dyn BufRead>, scanner: &mut Scanner<'_>) -> Result<(), String> {
    let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
    let plan = CsvMapping::default().plan(csv.headers().map_err(text)?.iter()).map_err(text)?;
    for (row, record) in (1..).zip(csv.records()) {
        match record.map_err(text).and_then(|r| plan.point(row, r.iter()).map_err(text)) {
            Ok(point) => scanner.take(&point),
            Err(why) => scanner.reject(row, &why),
        }
    }
    Ok(())
}
