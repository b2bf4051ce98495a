//! Fits the standards by which applicants are compared (`provost_predict::encoder::standards`).

use provost_predict::encoder::standards::{OUTCOMES, Standards};
use provost_predict::matrix::Matrix;

/// Categories within which applicants are compared.
const BY: [&str; 2] = ["university", "university_program"];
/// Columns in which applicants are compared.
const OF: [&str; 6] = [
    "gpa_normalized",
    "gre_verbal_percentile",
    "gre_quant_percentile",
    "english_proficiency",
    "undergrad_prestige",
    "gre_writing",
];
/// Weight of the mean over all categories, in rows.
const WEIGHT: f64 = 10.0;

/// Number of rows, and the sum of their values.
#[derive(Clone, Copy, Default)]
struct Sum(f64, f64);

impl Sum {
    fn add(&mut self, other: Sum) {
        *self = Sum(self.0 + other.0, self.1 + other.1);
    }
    /// The mean; 0 without rows.
    fn mean(self) -> f64 {
        if self.0 > 0.0 { self.1 / self.0 } else { 0.0 }
    }
    /// The mean, shrunk towards `prior`, which counts as `WEIGHT` rows.
    fn towards(self, prior: f64) -> f32 {
        ((self.1 + WEIGHT * prior) / (self.0 + WEIGHT)) as f32
    }
}

/// The training rows of a fit.
pub(super) struct Training<'a> {
    pub x: &'a Matrix,
    pub y: &'a [u8],
    /// The task's columns, as column numbers of the matrix.
    pub columns: &'a [usize],
    pub rows: &'a [u32],
    /// The part of each row, from 0 to `parts` - 1; a row is encoded without the rows of its own part.
    pub part: &'a [usize],
    pub parts: usize,
}

/// Positions in `names` of the categories to compare within, and of the columns to compare.
pub(super) fn places(names: &[&str]) -> (Vec<u32>, Vec<u32>) {
    let find = |wanted: &[&str]| -> Vec<u32> {
        wanted.iter().filter_map(|name| names.iter().position(|n| n == name)).map(|at| at as u32).collect()
    };
    (find(&BY), find(&OF))
}

/// Number of columns that the standards add to these.
pub(super) fn width(names: &[&str]) -> usize {
    let (by, of) = places(names);
    by.len() * of.len() * OUTCOMES
}

/// Returns the standards of one category, and their columns for the training rows, each row computed from the rows of
/// other parts. `codes` gives a row's position in `distinct`, the ascending values of the category; a position at the
/// end or beyond means a missing value.
pub(super) fn fit(
    training: &Training<'_>,
    category: u32,
    of: &[u32],
    distinct: &[f32],
    codes: impl Fn(u32) -> usize,
) -> (Standards, Vec<Vec<f32>>) {
    let Training { x, y, columns, rows, part, parts } = *training;
    let n = distinct.len();
    let mut seen = vec![false; n];
    rows.iter().map(|row| codes(*row)).filter(|code| *code < n).for_each(|code| seen[code] = true);
    let kept: Vec<usize> = (0..n).filter(|code| seen[*code]).collect();
    let width = of.len() * OUTCOMES;
    let mut means = vec![0.0; kept.len() * width];
    let mut overall = vec![0.0; width];
    let mut encoded = vec![Vec::with_capacity(rows.len()); width];
    for (which, at) in of.iter().enumerate() {
        let column = x.column(columns[*at as usize]);
        let mut sums = vec![Sum::default(); n * OUTCOMES * parts];
        let mut all = vec![Sum::default(); OUTCOMES * parts];
        for (row, part) in rows.iter().zip(part) {
            let value = f64::from(column[*row as usize]);
            if value.is_nan() {
                continue;
            }
            let (code, outcome) = (codes(*row), usize::from(y[*row as usize]));
            all[outcome * parts + part].add(Sum(1.0, value));
            if code < n {
                sums[(code * OUTCOMES + outcome) * parts + part].add(Sum(1.0, value));
            }
        }
        let total = |sums: &[Sum], own: usize| {
            let mut total = Sum::default();
            (0..parts).filter(|part| *part != own).for_each(|part| total.add(sums[part]));
            total
        };
        for outcome in 0..OUTCOMES {
            let column_of = which * OUTCOMES + outcome;
            let of_all = &all[outcome * parts..][..parts];
            let of_code = |code: usize| &sums[(code * OUTCOMES + outcome) * parts..][..parts];
            let prior = total(of_all, parts).mean();
            overall[column_of] = prior as f32;
            for (position, code) in kept.iter().enumerate() {
                means[position * width + column_of] = total(of_code(*code), parts).towards(prior);
            }
            let priors: Vec<f64> = (0..parts).map(|own| total(of_all, own).mean()).collect();
            encoded[column_of].extend(rows.iter().zip(part).map(|(row, own)| {
                let (code, prior) = (codes(*row), priors[*own]);
                let mean = if code < n { total(of_code(code), *own).towards(prior) } else { prior as f32 };
                column[*row as usize] - mean
            }));
        }
    }
    let values = kept.iter().map(|code| distinct[*code]).collect();
    (Standards { category, of: of.to_vec(), values, means, overall }, encoded)
}
