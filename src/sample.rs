//! `provost sample`: draws data points from the documented generating model and writes them as JSON lines.

use crate::error::Result;
use crate::output::OutFile;
use flate2::Compression;
use flate2::write::GzEncoder;
use provost_domain::sample::{bayes_auc, draw};
use std::io::Write;
use std::path::Path;

pub struct Written {
    pub rows: u64,
    /// The number of accepted and rejected points.
    pub labelled: u64,
    pub accepted: u64,
    /// None if only one class was drawn.
    pub bayes_auc: Option<f64>,
}

/// Writes a sample, compressed if the name ends in `.gz`. `progress` is called at every thousandth row; if it returns an
/// error, no file is written.
pub fn write(rows: usize, seed: u64, path: &Path, progress: impl Fn(u64) -> Result<()>) -> Result<Written> {
    let mut out = OutFile::create(path, &[])?;
    if path.extension().is_some_and(|e| e == "gz") {
        let mut packed = GzEncoder::new(out, Compression::default());
        let written = write_to(&mut packed, rows, seed, progress)?;
        packed.finish()?.finish()?;
        Ok(written)
    } else {
        let written = write_to(&mut out, rows, seed, progress)?;
        out.finish()?;
        Ok(written)
    }
}

fn write_to(out: &mut impl Write, rows: usize, seed: u64, progress: impl Fn(u64) -> Result<()>) -> Result<Written> {
    let mut truth = Vec::new();
    let mut count = 0;
    for drawn in draw(rows, seed) {
        serde_json::to_writer(&mut *out, &drawn.point).map_err(anyhow::Error::from)?;
        out.write_all(b"\n")?;
        if let Some(label) = drawn.point.decision.label() {
            truth.push((drawn.probability, label));
        }
        count += 1;
        if count % 1000 == 0 {
            progress(count)?;
        }
    }
    let accepted = truth.iter().filter(|(_, label)| *label == 1).count() as u64;
    let labelled = truth.len() as u64;
    let auc = (accepted > 0 && accepted < labelled).then(|| bayes_auc(&truth));
    Ok(Written { rows: count, labelled, accepted, bayes_auc: auc })
}
