//! The rows that windows are compared with, prepared once.

use super::feature_reference::{Compared, FeatureReference};
use super::rows::WatchedRows;
use super::units::Units;
use crate::error::LearnError;
use provost_domain::Snapshot;
use provost_domain::features::tells_time;
use provost_domain::watch::DriftReference;
use provost_predict::control::Control;
use rayon::prelude::*;

/// Most rows of the reference that p-values and the domain classifier are computed on.
const TESTED_ROWS: usize = 20_000;
/// Most rows that the spread between cycles is computed on.
const SPREAD_ROWS: usize = 50_000;
const SAMPLE_STREAM: u64 = 0x7265_6665;
const SPREAD_STREAM: u64 = 0x7370_7265;

/// The rows that windows are compared with: the sorted values of every feature, and the rows of a sample.
#[derive(Debug, Clone)]
pub struct Reference {
    pub(super) features: Vec<FeatureReference>,
    /// Rows of whole applicants, those of one applicant next to each other.
    pub(super) tested: Tested,
    /// Features that tell the time of the application, which are not compared.
    pub(super) not_compared: Vec<String>,
    rows: usize,
    from: Option<i32>,
    to: Option<i32>,
}

/// Rows of whole applicants, feature by feature.
#[derive(Debug, Clone)]
pub(super) struct Tested {
    /// The values of each feature, row by row.
    pub columns: Vec<Vec<f32>>,
    /// Where the rows of each applicant end.
    pub ends: Vec<u32>,
    /// The applicant of each row.
    pub applicants: Vec<u64>,
}

impl Tested {
    pub(super) fn of<'c>(compared: impl Iterator<Item = &'c Compared>, rows: &WatchedRows, units: Units) -> Self {
        let column = |compared: &Compared| {
            let values = compared.values(rows);
            units.rows.iter().map(|row| values[*row as usize]).collect()
        };
        Self {
            columns: compared.map(column).collect(),
            applicants: units.rows.iter().map(|row| rows.applicants()[*row as usize]).collect(),
            ends: units.ends,
        }
    }
}

impl Reference {
    /// Prepares the rows of a training snapshot, with the cycle of each (see [`cycles`]; `i32::MIN` is unknown) and the
    /// application years, of which the first and the last are reported. `threshold`: the model accepts from this
    /// probability on. The same rows and seed give the same reference.
    ///
    /// # Errors
    ///
    /// `Data` where the lengths differ; `Stopped`.
    pub fn new(
        rows: &WatchedRows,
        cycles: &[i32],
        years: &[i32],
        threshold: f64,
        seed: u64,
        control: &Control,
    ) -> Result<Self, LearnError> {
        if cycles.len() != rows.rows() || years.len() != rows.rows() {
            let (cycles, years) = (cycles.len(), years.len());
            return Err(LearnError::Data(format!("{cycles} cycles and {years} years for {} rows", rows.rows())));
        }
        let compared = Compared::of(rows, threshold);
        let sample = Units::sampled(rows.applicants(), SPREAD_ROWS, seed ^ SPREAD_STREAM);
        let prepare = |compared: Compared| {
            control.check()?;
            Ok(FeatureReference::new(compared, rows, &sample.rows, cycles))
        };
        let features = compared.into_par_iter().map(prepare).collect::<Result<Vec<_>, LearnError>>()?;
        let units = Units::sampled(rows.applicants(), TESTED_ROWS, seed ^ SAMPLE_STREAM);
        let tested = Tested::of(features.iter().map(|f| &f.compared), rows, units);
        let not_compared = rows.x().names().iter().filter(|name| tells_time(name)).cloned().collect();
        let known = || years.iter().copied().filter(|year| *year != i32::MIN);
        Ok(Self { features, tested, not_compared, rows: rows.rows(), from: known().min(), to: known().max() })
    }

    /// What a report says about the reference.
    pub fn summary(&self) -> DriftReference {
        DriftReference { rows: self.rows as u64, from: self.from, to: self.to }
    }
}

/// The cycle of each row of a snapshot: its application year, and its term where the snapshot has that; `i32::MIN`
/// where the year is unknown. Rows of one cycle have the same number.
pub fn cycles(snapshot: &Snapshot) -> Vec<i32> {
    let at = snapshot.feature_names.iter().position(|name| name == "application_cycle");
    let terms = at.and_then(|at| snapshot.columns.get(at));
    let cycle = |(row, year): (usize, &i32)| {
        let term =
            terms.and_then(|terms| terms.get(row)).filter(|term| !term.is_nan()).map_or(0, |term| *term as i32 + 1);
        if *year == i32::MIN { i32::MIN } else { year * 4 + term }
    };
    snapshot.years.iter().enumerate().map(cycle).collect()
}
