//! `provost features`: the feature matrix as CSV, from the store or from a file.

use crate::error::{Error, Result};
use crate::import::{self, Batch};
use crate::open;
use crate::output::{OutFile, database_files};
use crate::settings::Settings;
use provost_domain::features::{EXTENDED, FEATURES};
use provost_domain::mapping::Unread;
use provost_domain::{AdmissionDataPoint, TrainingConfig};
use provost_learn::split::{SplitRows, split};
use provost_reader::ReadBytes;
use provost_store::PointSelection;
use serde::Serialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The salt of the split of a file, used if there is no store and thus no salt of the installation.
pub const FILE_SALT: u64 = 0x70_726f_766f_7374;

pub enum Source {
    File(Box<import::Options>),
    Store,
}

#[derive(Debug, Serialize)]
pub struct PartSizes {
    pub train: usize,
    pub validation: usize,
    pub test: usize,
}

#[derive(Debug, Serialize)]
pub struct Written {
    pub rows: u64,
    /// Rows without a label, left out: neither accepted nor rejected.
    pub undecided: u64,
    /// Rows of the file that are not data points.
    pub rejected: u64,
    /// Columns of the file that no field was read from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
    /// How many unread columns are not in the list.
    pub unread_more: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<PartSizes>,
}

struct Row {
    id: String,
    seq: u64,
    /// None: neither accepted nor rejected.
    label: Option<u8>,
    row_id: u128,
    applicant: u64,
    year: i32,
    values: Vec<f32>,
}

impl Row {
    fn new(point: &AdmissionDataPoint, settings: &Settings, extended: bool) -> Self {
        let mut values = settings.features.row(point).values.to_vec();
        if extended {
            values.extend(settings.features.extended(point));
        }
        Self {
            id: point.data_point_id.clone(),
            seq: point.seq,
            label: point.decision.label(),
            row_id: point.row_id(),
            applicant: point.applicant_key(),
            year: point.application_year.unwrap_or(i32::MIN),
            values,
        }
    }
}

/// Writes the matrix. `parts` adds the column `split` by the service's defaults (15 % test, 15 % validation, seed 42), keyed
/// with the installation's salt, or with [`FILE_SALT`] if the data folder has no store. `extended` adds the columns after
/// the twelve. An existing file at `out` is replaced only if the whole source was read and had at least one row. `read` are
/// further files that the command reads: `out` must be none of them.
pub fn write(
    settings: &Settings,
    source: Source,
    out: &Path,
    read: &[&Path],
    parts: bool,
    extended: bool,
) -> Result<Written> {
    let database = database_files(&settings.data_dir);
    let mut inputs: Vec<&Path> = database.iter().map(PathBuf::as_path).chain(read.iter().copied()).collect();
    if let Source::File(options) = &source {
        inputs.extend(options.files.iter().map(PathBuf::as_path));
    }
    let mut file = OutFile::create(out, &inputs)?;
    let runtime = open::runtime()?;
    let mut salt = FILE_SALT;
    if parts || matches!(source, Source::Store) {
        let exists = open::has_store(settings);
        if exists {
            salt = runtime.block_on(open::store(settings)?.installation())?.salt;
        } else if matches!(source, Source::Store) {
            return Err(Error::failed(format!("there is no store in {}", settings.data_dir.display())));
        }
    }
    let Read { rows, rejected, unread, unread_more } = match source {
        Source::File(options) => from_file(settings, &options, extended)?,
        Source::Store => Read { rows: runtime.block_on(from_store(settings, extended))?, ..Read::default() },
    };
    let all = rows.len();
    let rows: Vec<(Row, u8)> = rows.into_iter().filter_map(|row| row.label.map(|label| (row, label))).collect();
    let names = if parts { Some(part_names(&rows, salt)?) } else { None };
    write_csv(&rows, names.as_deref(), extended, &mut file)
        .map_err(|e| Error::failed(format!("cannot write {}: {e}", out.display())))?;
    file.finish()?;
    let of = |part: &str| names.iter().flatten().filter(|n| **n == part).count();
    Ok(Written {
        rows: rows.len() as u64,
        undecided: (all - rows.len()) as u64,
        rejected,
        unread,
        unread_more,
        split: names.is_some().then(|| PartSizes {
            train: of("train"),
            validation: of("validation"),
            test: of("test"),
        }),
    })
}

/// What was read from the source.
#[derive(Default)]
struct Read {
    rows: Vec<Row>,
    rejected: u64,
    unread: Vec<Unread>,
    unread_more: u64,
}

/// Reads a file, in its order; of several rows with one id the one with the highest `seq` counts, the first among equals.
fn from_file(settings: &Settings, options: &import::Options, extended: bool) -> Result<Read> {
    let mut rows: Vec<Row> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut rejected = 0;
    let reports = import::read_all(options, &settings.features, &ReadBytes::default(), |Batch { parsed, .. }| {
        rejected += parsed.faults.len() as u64;
        for point in &parsed.points {
            let row = Row::new(point, settings, extended);
            match places.get(&row.id) {
                Some(at) if rows[*at].seq < row.seq => rows[*at] = row,
                Some(_) => {}
                None => {
                    places.insert(row.id.clone(), rows.len());
                    rows.push(row);
                }
            }
        }
        Ok(())
    })?;
    let (mut unread, mut unread_more) = (Vec::new(), 0);
    for report in reports {
        if let Some(why) = report.error {
            return Err(Error::failed(format!("{}: {why} (nothing was written)", report.file)));
        }
        unread.extend(report.unread);
        unread_more += report.unread_more;
    }
    if rows.is_empty() {
        let why = match rejected {
            0 => "the file has no rows".to_owned(),
            rejected => format!("{rejected} rows were rejected; `provost import` says why"),
        };
        return Err(Error::failed(format!("no row was read as a data point: {why} (nothing was written)")));
    }
    Ok(Read { rows, rejected, unread, unread_more })
}

async fn from_store(settings: &Settings, extended: bool) -> Result<Vec<Row>> {
    let store = open::store(settings)?;
    let mut batches = store.stream_points(PointSelection { verified_only: false }).await?;
    let mut rows = Vec::new();
    while let Some(batch) = batches.recv().await {
        rows.extend(batch?.iter().map(|point| Row::new(point, settings, extended)));
    }
    Ok(rows)
}

/// The part of each row. Rows are split in the order of their hashed ids, like the snapshot of a training job, so that the
/// same rows get the same parts from any source.
fn part_names(rows: &[(Row, u8)], salt: u64) -> Result<Vec<&'static str>> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_unstable_by_key(|i| rows[*i].0.row_id);
    let sorted = || order.iter().map(|i| &rows[*i]);
    let labels: Vec<u8> = sorted().map(|(_, label)| *label).collect();
    let applicants: Vec<u64> = sorted().map(|(row, _)| row.applicant).collect();
    let row_ids: Vec<u128> = sorted().map(|(row, _)| row.row_id).collect();
    let years: Vec<i32> = sorted().map(|(row, _)| row.year).collect();
    let rows_of = SplitRows { labels: &labels, applicants: &applicants, row_ids: &row_ids, years: &years };
    let config = TrainingConfig::default();
    let parts = split(&rows_of, config.split, config.test_size, config.validation_size, salt, config.random_state)
        .map_err(anyhow::Error::from)?;
    let mut names = vec!["train"; rows.len()];
    for (part, name) in [(&parts.validation, "validation"), (&parts.test, "test")] {
        for at in part {
            names[order[*at as usize]] = name;
        }
    }
    Ok(names)
}

fn write_csv(rows: &[(Row, u8)], parts: Option<&[&str]>, extended: bool, out: &mut OutFile) -> csv::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    let more = EXTENDED.into_iter().filter(|_| extended);
    let head = ["data_point_id"].into_iter().chain(FEATURES).chain(more).chain(["label"]);
    let head = head.chain(parts.map(|_| "split"));
    csv.write_record(head)?;
    for (i, (row, label)) in rows.iter().enumerate() {
        csv.write_field(&row.id)?;
        for value in &row.values {
            // The shortest text that parses to the same f32; empty if missing.
            csv.write_field(if value.is_nan() { String::new() } else { value.to_string() })?;
        }
        csv.write_field(label.to_string())?;
        if let Some(parts) = parts {
            csv.write_field(parts[i])?;
        }
        csv.write_record(None::<&[u8]>)?;
    }
    Ok(csv.flush()?)
}
