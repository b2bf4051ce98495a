//! The leak alarm. The contract says that a program's acceptance rate and averages are those of earlier years, so that
//! each has one value within a cell (university, program, degree and year). Several values in one cell suggest that
//! they were computed from the very outcomes that a model is to predict, such as a leave-one-out rate. An AUC within
//! such cells far from 0.5 shows that they were.

use super::Row;
use crate::hash::Content;
use crate::record::AdmissionDataPoint;

pub(super) const FIELDS: [&str; 5] = ["acceptance_rate", "average_gpa", "gre_verbal_avg", "gre_quant_avg", "gmat_avg"];
/// Values with a relative difference up to this are one value that was rounded twice.
const SAME: f64 = 1e-6;
/// An AUC within cells that differs by more than this from 0.5 raises the alarm, if it is computed from enough pairs.
const FAR: f64 = 0.1;
const ENOUGH_PAIRS: u64 = 100;

/// The part of a row that the alarm needs: its cell, and the program's values that may have been computed from
/// outcomes.
#[derive(Debug, Clone)]
pub(super) struct Program {
    cell: u64,
    values: [f64; FIELDS.len()],
}

impl Program {
    /// The part of this point that the alarm needs.
    pub fn of(point: &AdmissionDataPoint) -> Self {
        let p = &point.program;
        let cell = Content::new()
            .text(p.university_name.as_deref())
            .text(p.program_name.as_deref())
            .text(p.degree_level.map(crate::record::DegreeLevel::as_str))
            .number(point.application_year.map(f64::from))
            .u64();
        let values = [p.acceptance_rate, p.average_gpa, p.gre_verbal_avg, p.gre_quant_avg, p.gmat_avg]
            .map(|v| v.unwrap_or(f64::NAN));
        Self { cell, values }
    }
}

/// Counts of one field over the cells.
#[derive(Default)]
struct Tally {
    cells: u64,
    varying: u64,
    /// Number of pairs of an accepted and a rejected row of one cell. `twice_above` is twice the number of pairs whose
    /// accepted row has the greater value, plus the number of ties.
    pairs: u64,
    twice_above: u64,
}

impl Tally {
    /// Adds the values of one cell with their labels, sorted by value.
    fn add(&mut self, values: &[(f64, u8)]) {
        let [(low, _), .., (high, _)] = values else { return };
        self.cells += 1;
        if high - low <= SAME * high.abs().max(1.0) {
            return;
        }
        self.varying += 1;
        let positives = values.iter().filter(|(_, y)| *y == 1).count() as u64;
        self.pairs += positives * (values.len() as u64 - positives);
        let mut negatives_below = 0;
        for group in values.chunk_by(|a, b| a.0 == b.0) {
            let positives = group.iter().filter(|(_, y)| *y == 1).count() as u64;
            let negatives = group.len() as u64 - positives;
            self.twice_above += positives * (2 * negatives_below + negatives);
            negatives_below += negatives;
        }
    }

    fn warning(&self, field: &str) -> Option<String> {
        if self.varying == 0 {
            return None;
        }
        let Tally { cells, varying, pairs, .. } = self;
        let seen = format!(
            "`program.{field}` has several values within {varying} of {cells} groups of one university, program and year"
        );
        let auc = if self.pairs == 0 { 0.5 } else { self.twice_above as f64 / (2 * pairs) as f64 };
        Some(if *pairs >= ENOUGH_PAIRS && (auc - 0.5).abs() > FAR {
            format!(
                "leak: {seen}, and these values tell accepted from rejected (AUC {auc:.3} over {pairs} pairs): the field looks \
                 computed from the outcomes, so scores of models trained on it cannot be trusted. Replace the values by those \
                 that were known before the decisions, or remove the field, and train again"
            )
        } else {
            format!(
                "{seen}, although one value is expected in each. Give every row of a group the value that was known before its decisions"
            )
        })
    }
}

pub(super) fn warnings(rows: &[Row]) -> Vec<String> {
    let mut by_cell: Vec<&Row> = rows.iter().collect();
    by_cell.sort_by_key(|r| r.program.cell);
    let mut tallies: [Tally; FIELDS.len()] = Default::default();
    let mut values = Vec::new();
    for cell in by_cell.chunk_by(|a, b| a.program.cell == b.program.cell) {
        for (j, tally) in tallies.iter_mut().enumerate() {
            values.clear();
            values.extend(cell.iter().map(|r| (r.program.values[j], r.label)).filter(|(v, _)| !v.is_nan()));
            values.sort_by(|a, b| a.0.total_cmp(&b.0));
            tally.add(&values);
        }
    }
    tallies.iter().zip(FIELDS).filter_map(|(t, field)| t.warning(field)).collect()
}
