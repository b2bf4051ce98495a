//! Where rows come from: the store, or a file below the import folder.

use super::blocking;
use super::scan::{Scan, Scanner};
use crate::error::LoadError;
use crate::options::Options;
use provost_domain::config::{DataSource, FeatureSet};
use provost_domain::mapping::CsvMapping;
use provost_domain::{AdmissionDataPoint, TrainingConfig};
use provost_store::{PointSelection, PointsMark};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

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
        path: PathBuf,
        bytes: u64,
        changed: Option<SystemTime>,
    },
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Key::Store { .. } => f.write_str("the store"),
            // The folder is the operator's; a client knows the name only.
            Key::File { path, .. } => write!(f, "{}", path.file_name().unwrap_or_default().to_string_lossy()),
        }
    }
}

pub async fn key(config: &TrainingConfig, options: &Options) -> Result<Key, LoadError> {
    let (verified_only, features) = (config.use_verified_only, config.features);
    if config.data_source == DataSource::Mongodb {
        return Ok(Key::Store { verified_only, features, mark: options.store.points_mark().await? });
    }
    let (kind, folder) = (config.data_source, options.import_dir.clone());
    let name = config.data_path.clone().unwrap_or_default();
    blocking(move || {
        let path = below(&folder, &name)?;
        let meta = path.metadata().map_err(|e| LoadError::Data(format!("data_path `{name}`: {e}")))?;
        Ok(Key::File { verified_only, features, kind, path, bytes: meta.len(), changed: meta.modified().ok() })
    })
    .await
}

/// The file that `name` means, if it is one and lies below the folder, links followed.
fn below(folder: &Path, name: &str) -> Result<PathBuf, LoadError> {
    let refused = |why: &str| LoadError::Data(format!("data_path `{name}`: {why}"));
    if !provost_domain::config::stays_below(name) {
        return Err(refused("allowed is a relative path that stays below the import folder"));
    }
    let missing = |_| refused("there is no such file below the import folder");
    let folder = folder.canonicalize().map_err(missing)?;
    let path = folder.join(name).canonicalize().map_err(missing)?;
    if !path.starts_with(&folder) {
        return Err(refused("it leads out of the import folder"));
    }
    if !path.is_file() {
        return Err(refused("it is not a file"));
    }
    Ok(path)
}

/// Reads the whole source once.
pub async fn scan(key: Key, config: &TrainingConfig, options: &Options) -> Result<Scan, LoadError> {
    let (tables, verified_only, features) = (options.tables.clone(), config.use_verified_only, config.features);
    match &key {
        Key::Store { .. } => {
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
        Key::File { path, kind, .. } => {
            let (path, kind) = (path.clone(), *kind);
            blocking(move || {
                let mut scanner = Scanner::new(&tables, verified_only, features);
                let read = open(&path).and_then(|reader| match kind {
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
fn open(path: &Path) -> Result<Box<dyn BufRead>, String> {
    let mut file = BufReader::new(File::open(path).map_err(text)?);
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
