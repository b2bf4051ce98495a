//! `provost import`: stores files of data points, chunk by chunk in the files' order, so that of two rows with one id the
//! later row is stored later.

mod reading;
mod rejects;
mod report;

pub(crate) use reading::{Batch, read_all};
pub use reading::{FileReport, FormatName, Options, check, listed};
pub use rejects::Rejects;
pub use report::{Counts, Reason, Report};

use crate::error::Result;
use provost_domain::features::FeatureTables;
use provost_domain::visible;
use provost_reader::{Parsed, ReadBytes};
use provost_store::{PointOutcome, Store};
use rejects::Reject;
use report::MOST_REASONS;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// The most distinct reasons for rejection that are counted; later ones are ignored.
const KNOWN_REASONS: usize = 1000;
/// Imports into the store. Rows that are not data points go to `rejects`. The import ends early if the store fails, or if
/// `progress`, called after each stored chunk, returns an error.
pub fn run(
    options: &Options,
    tables: &FeatureTables,
    store: &Arc<dyn Store>,
    runtime: &tokio::runtime::Handle,
    mut rejects: Rejects,
    read: &ReadBytes,
    mut progress: impl FnMut(&Counts) -> Result<()>,
) -> Result<Report> {
    let began = Instant::now();
    let mut counts = Counts::default();
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    let files = read_all(options, tables, read, |Batch { file, parsed }| {
        let name = options.name(file);
        let Parsed { chunk, points, places, faults, tally, outliers, strays: _ } = parsed;
        counts.left_out += tally.left_out;
        counts.unmatched += tally.unmatched;
        counts.by_scale += tally.by_scale;
        counts.rows += (points.len() + faults.len()) as u64;
        counts.outliers += outliers;
        counts.rejected += faults.len() as u64;
        for (place, reason) in &faults {
            if reasons.len() < KNOWN_REASONS || reasons.contains_key(reason) {
                *reasons.entry(reason.clone()).or_default() += 1;
            }
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
        progress(&counts)
    });
    // Rows rejected before an error are reported as well.
    let rejects = rejects.finish();
    let (files, rejects) = (files?, rejects?);
    let mut reasons: Vec<Reason> = reasons.into_iter().map(|(reason, rows)| Reason { reason, rows }).collect();
    reasons.sort_by_key(|r| std::cmp::Reverse(r.rows));
    reasons.truncate(MOST_REASONS);
    let seconds = began.elapsed().as_secs_f64();
    let rows_per_second = if seconds > 0.0 { counts.rows as f64 / seconds } else { 0.0 };
    Ok(Report { counts, seconds, rows_per_second, files, rejects, reasons })
}
