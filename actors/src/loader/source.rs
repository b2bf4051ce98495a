//! The source of rows: the store, or a file below the import folder.

use super::beneath;
use super::scan::{Scan, Scanner, Sink};
use super::source_key::{FileState, SourceKey};
use crate::blocking::blocking;
use crate::error::LoadError;
use crate::options::LoaderResources;
use provost_domain::TrainingConfig;
use provost_domain::config::DataSource;
use provost_domain::features::FeatureTables;
use provost_reader::{Format, Options as ReadOptions, ReadBytes, Strays};
use provost_store::PointSelection;
use std::fs::File;

/// How many rows are parsed at a time.
const CHUNK: usize = 2000;

/// An open source. A file is read from the handle that was checked, and never opened by its name again.
pub enum Source {
    Store(SourceKey),
    File(SourceKey, File),
}

impl Source {
    pub fn key(&self) -> &SourceKey {
        match self {
            Source::Store(key) | Source::File(key, _) => key,
        }
    }
}

/// Opens the source that a configuration names. Fails if `data_path` is not a regular file below the import folder.
pub async fn open(config: &TrainingConfig, resources: &LoaderResources) -> Result<Source, LoadError> {
    let (verified_only, features) = (config.use_verified_only, config.features);
    if config.data_source == DataSource::Mongodb {
        return Ok(Source::Store(SourceKey::Store {
            verified_only,
            features,
            mark: resources.points.point_totals().await?,
        }));
    }
    let (kind, folder) = (config.data_source, resources.import_dir.clone());
    let name = config.data_path.clone().unwrap_or_default();
    blocking(move || {
        let refused = |why: &dyn std::fmt::Display| LoadError::Data(format!("data_path `{name}`: {why}"));
        if !provost_domain::config::stays_below(&name) {
            return Err(refused(&"allowed is a relative path that stays below the import folder"));
        }
        let file = beneath::open(&folder, &name).map_err(|e| refused(&e))?;
        let state = FileState::of(&file).map_err(|e| refused(&e))?;
        Ok(Source::File(SourceKey::File { verified_only, features, kind, name, state }, file))
    })
    .await
}

/// Reads the whole source once.
pub async fn scan(source: Source, config: &TrainingConfig, resources: &LoaderResources) -> Result<Scan, LoadError> {
    let (verified_only, features) = (config.use_verified_only, config.features);
    let scanner = Scanner::new(resources.tables.clone(), verified_only, features);
    let (scanner, key) = each_point(source, config, resources, scanner).await?;
    // Sorting takes its time.
    blocking(move || Ok(scanner.finish(key))).await
}

/// Passes every point of a source to `sink`, and every row of a file that is not a point.
pub async fn each_point<S: Sink>(
    source: Source,
    config: &TrainingConfig,
    resources: &LoaderResources,
    mut sink: S,
) -> Result<(S, SourceKey), LoadError> {
    let (tables, verified_only) = (resources.tables.clone(), config.use_verified_only);
    match source {
        Source::Store(key) => {
            let mut batches = resources.points.stream_points(PointSelection { verified_only }).await?;
            blocking(move || {
                while let Some(batch) = batches.blocking_recv() {
                    batch?.iter().for_each(|point| sink.take(point));
                }
                Ok((sink, key))
            })
            .await
        }
        Source::File(key, file) => {
            let kind = config.data_source;
            let reading = ReadOptions {
                format: Format::Auto,
                mapping: None,
                verified: false,
                batch: CHUNK,
                limits: resources.import_limits,
            };
            blocking(move || {
                let read = read(&key.to_string(), file, kind, &reading, &tables, &mut sink);
                read.map_err(|why| LoadError::Data(format!("data_path: {key}: {why}")))?;
                Ok((sink, key))
            })
            .await
        }
    }
}

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}

/// Passes every row of the file to the sink, in order.
fn read(
    name: &str,
    file: File,
    kind: DataSource,
    options: &ReadOptions,
    tables: &FeatureTables,
    sink: &mut impl Sink,
) -> Result<(), String> {
    let format = if kind == DataSource::Csv { Format::Csv } else { Format::Json };
    let options = ReadOptions { format, ..options.clone() };
    let mut strays = Strays::default();
    let report = provost_reader::read(name, file, &options, tables, ReadBytes::default(), &mut |parser, chunk| {
        let mut parsed = parser.chunk(chunk);
        strays.extend(std::mem::take(&mut parsed.strays));
        parsed.points.iter().for_each(|point| sink.take(point));
        for (place, why) in &parsed.faults {
            sink.reject(parsed.chunk.records[*place].line, why);
        }
        true
    });
    let mut report = report.map_err(text)?;
    let more = strays.append_to(&mut report.unread);
    sink.unread(&report.unread, more);
    report.broken.map_or(Ok(()), Err)
}
