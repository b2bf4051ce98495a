//! Leaks: features that predict the outcome better than is plausible, alone or by what they add to all others, out of
//! fold.

use crate::dataset::Dataset;
use crate::error::LearnError;
use crate::learner::FitTask;
use crate::learners::learner;
use crate::metrics::auc;
use crate::params::Params;
use crate::split::{grouped_folds, without};
use provost_domain::Algorithm;
use provost_domain::rng::mix;
use provost_predict::control::Control;
use rayon::prelude::*;
use serde_json::json;

/// Number of folds of every check.
const FOLDS: u32 = 5;
const SEED: u64 = 0x6c65_616b;
/// From this AUC on, a feature alone is hardly one that is known before the outcome.
const ALONE: f64 = 0.95;
/// A feature with at least this AUC alone is not plausible either, if it exceeds the AUC of all others together by
/// `ABOVE_OTHERS`. An honest feature may rank best, but not both well and far above the rest.
const STRONG: f64 = 0.85;
const ABOVE_OTHERS: f64 = 0.05;
/// Nor is a feature that adds this much to the AUC of all others, if the AUC of all together is at least
/// `STRONG_TOGETHER`.
const GAIN: f64 = 0.1;
const STRONG_TOGETHER: f64 = 0.9;
/// Features with a rank correlation (Spearman) of at least this are checked as a group.
const TOGETHER: f64 = 0.9;
/// Number of columns and groups whose gain is measured: those with the highest AUC.
const GAINS: usize = 8;

/// Rows to check: those of whole applicants, at most `most`, in an order that does not depend on the outcome.
pub fn some_rows(applicants: &[u64], most: usize) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..applicants.len() as u32).collect();
    if rows.len() > most {
        rows.sort_by_key(|row| (mix(applicants[*row as usize] ^ SEED), *row));
        let next = rows.get(most).map(|row| applicants[*row as usize]);
        rows.truncate(most);
        // An applicant with rows on both sides of the cut is left out.
        while rows.last().map(|row| applicants[*row as usize]).is_some_and(|last| Some(last) == next) {
            rows.pop();
        }
        rows.sort_unstable();
    }
    rows
}

/// The rows of a check, and their folds of whole applicants.
pub struct Checked<'a> {
    data: &'a Dataset,
    rows: Vec<u32>,
    held: Vec<Vec<u32>>,
}

impl<'a> Checked<'a> {
    /// Prepares a check; `applicants` has the applicant of each row of the data.
    ///
    /// # Errors
    ///
    /// `Data` where a class has fewer applicants than folds; `Stopped`.
    pub fn new(data: &'a Dataset, rows: Vec<u32>, applicants: &[u64], control: &Control) -> Result<Self, LearnError> {
        let groups: Vec<u64> = rows.iter().map(|row| applicants[*row as usize]).collect();
        let held = grouped_folds(data.y(), &rows, &groups, FOLDS, SEED, control)?;
        Ok(Self { data, rows, held })
    }

    /// The rows, ascending.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The labels of the rows.
    pub fn labels(&self) -> Vec<u8> {
        self.rows.iter().map(|row| self.data.y()[*row as usize]).collect()
    }

    /// Probabilities of class 1 for each row, by fits on these columns that did not use the row's applicant.
    ///
    /// # Errors
    ///
    /// The errors of the learner.
    pub fn out_of_fold(
        &self,
        algorithm: Algorithm,
        given: &Params,
        columns: &[usize],
        control: &Control,
    ) -> Result<Vec<f64>, LearnError> {
        let learner =
            learner(algorithm).ok_or_else(|| LearnError::Data(format!("{algorithm} is not trained on rows")))?;
        let params = learner.check(given).map_err(LearnError::Params)?;
        let mut p = vec![f64::NAN; self.rows.len()];
        for held in &self.held {
            let train = without(&self.rows, held);
            let task = FitTask { seed: SEED, scale: true, ..FitTask::new(self.data, columns, &train, &params) };
            let fit = learner.fit(&task, control)?;
            let of_held = fit.predictor.predict_with(self.data.x(), columns, held, control)?;
            for (row, value) in held.iter().zip(of_held) {
                if let Ok(at) = self.rows.binary_search(row) {
                    p[at] = value;
                }
            }
        }
        Ok(p)
    }

    fn auc(&self, columns: &[usize], trees: u32, depth: u32, control: &Control) -> Result<f64, LearnError> {
        let params =
            Params::from_iter([("n_estimators".to_owned(), json!(trees)), ("max_depth".to_owned(), json!(depth))]);
        let p = self.out_of_fold(Algorithm::GradientBoosting, &params, columns, control)?;
        Ok(auc(&self.labels(), &p))
    }

    /// Groups of two or more columns that are connected by pairs of high rank correlation.
    fn together(&self) -> Vec<Vec<usize>> {
        let width = self.data.x().width();
        let ranks: Vec<Vec<f64>> =
            (0..width).into_par_iter().map(|c| ranks(self.data.x().column(c), &self.rows)).collect();
        let mut of: Vec<usize> = (0..width).collect();
        for (a, of_a) in ranks.iter().enumerate() {
            for (b, of_b) in ranks.iter().enumerate().skip(a + 1) {
                if correlation(of_a, of_b).abs() >= TOGETHER {
                    let (from, to) = (of[b].max(of[a]), of[b].min(of[a]));
                    of.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
                }
            }
        }
        let members = |group: usize| (0..width).filter(|c| of[*c] == group).collect::<Vec<usize>>();
        (0..width).map(members).filter(|members| members.len() > 1).collect()
    }
}

/// Ranks of some rows of a column, minus their mean; missing values have the mean rank.
fn ranks(column: &[f32], rows: &[u32]) -> Vec<f64> {
    let cells: Vec<f32> = rows.iter().map(|row| column[*row as usize]).collect();
    let mut order: Vec<usize> = (0..cells.len()).filter(|at| !cells[*at].is_nan()).collect();
    order.sort_by(|a, b| cells[*a].total_cmp(&cells[*b]));
    let mean = (order.len() + 1) as f64 / 2.0;
    let mut ranks = vec![mean; cells.len()];
    let mut start = 0;
    for tied in order.chunk_by(|a, b| cells[*a] == cells[*b]) {
        let rank = start as f64 + (tied.len() + 1) as f64 / 2.0;
        tied.iter().for_each(|at| ranks[*at] = rank);
        start += tied.len();
    }
    ranks.iter_mut().for_each(|rank| *rank -= mean);
    ranks
}

/// The correlation of centred values; 0 where one side does not vary.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scale = (product(a, a) * product(b, b)).sqrt();
    if scale > 0.0 { product(a, b) / scale } else { 0.0 }
}

/// A column or group of columns whose AUC is not plausible.
#[derive(Debug, Clone, PartialEq)]
pub struct Leak {
    /// The columns.
    pub columns: Vec<usize>,
    /// AUC of these columns alone.
    pub auc: f64,
    /// AUC of all other columns; None where there are none, or where it was not measured.
    pub others: Option<f64>,
    /// What these columns add to the AUC of all others.
    pub gain: Option<f64>,
    /// Why it is not plausible.
    pub reason: String,
}

/// How well the columns predict the outcome, out of fold.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaks {
    /// AUC of all columns.
    pub auc: f64,
    /// AUC of each column alone.
    pub alone: Vec<f64>,
    /// Columns and groups whose AUC is not plausible, the highest AUC first.
    pub found: Vec<Leak>,
}

/// Checks every column by itself, and the columns and groups with the highest AUC by what they add to all others.
///
/// # Errors
///
/// The errors of the fits.
pub fn leaks(checked: &Checked<'_>, control: &Control) -> Result<Leaks, LearnError> {
    let width = checked.data.x().width();
    let all: Vec<usize> = (0..width).collect();
    let alone = all.iter().map(|c| checked.auc(&[*c], 30, 2, control)).collect::<Result<Vec<f64>, _>>()?;
    let auc_of_all = checked.auc(&all, 60, 3, control)?;
    let mut subjects: Vec<(Vec<usize>, f64)> = all.iter().map(|c| (vec![*c], alone[*c])).collect();
    for group in checked.together() {
        let auc = checked.auc(&group, 30, 3, control)?;
        subjects.push((group, auc));
    }
    subjects.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let mut found = Vec::new();
    for (nth, (columns, auc)) in subjects.into_iter().enumerate() {
        let rest: Vec<usize> = all.iter().copied().filter(|c| !columns.contains(c)).collect();
        let looked_at = nth < GAINS && !rest.is_empty();
        let others = if looked_at { Some(checked.auc(&rest, 60, 3, control)?) } else { None };
        let gain = others.map(|others| auc_of_all - others);
        let reason = if auc >= ALONE {
            format!("alone an AUC of {auc:.3}; from {ALONE} on it is hardly known before the outcome")
        } else if let Some(others) = others.filter(|others| auc >= STRONG && auc - others >= ABOVE_OTHERS) {
            format!("alone an AUC of {auc:.3}, and all other features together {others:.3}")
        } else if let Some(gain) = gain.filter(|gain| auc_of_all >= STRONG_TOGETHER && *gain >= GAIN) {
            format!("adds {gain:.3} to the AUC of all other features, which is then {auc_of_all:.3}")
        } else {
            continue;
        };
        found.push(Leak { columns, auc, others, gain, reason });
    }
    Ok(Leaks { auc: auc_of_all, alone, found })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_domain::rng::SplitMix64;
    use provost_predict::matrix::Matrix;

    /// Three honest columns; `leak` makes the fourth out of label and noise.
    fn data(n: usize, leak: impl Fn(u8, f64) -> f64) -> (Dataset, Vec<u64>) {
        let mut random = SplitMix64::new(3);
        let (mut columns, mut y) = (vec![Vec::new(); 4], Vec::new());
        for _ in 0..n {
            let x: Vec<f64> = (0..3).map(|_| random.normal()).collect();
            let label = u8::from(random.unit() < 1.0 / (1.0 + (-(x[0] + 0.5 * x[1])).exp()));
            let fourth = leak(label, random.normal());
            for (column, value) in columns.iter_mut().zip(x.into_iter().chain([fourth])) {
                column.push(value as f32);
            }
            y.push(label);
        }
        let x = Matrix::new((0..4).map(|c| format!("c{c}")).collect(), columns).unwrap();
        (Dataset::new(x, y).unwrap(), (0..n as u64).map(|row| row / 2).collect())
    }

    fn found(n: usize, leak: impl Fn(u8, f64) -> f64) -> Leaks {
        let ((data, applicants), control) = (data(n, leak), Control::default());
        let checked = Checked::new(&data, some_rows(&applicants, n), &applicants, &control).unwrap();
        leaks(&checked, &control).unwrap()
    }

    #[test]
    fn honest_features_are_not_named_and_the_outcome_itself_is() {
        let honest = found(800, |_, noise| noise);
        assert!(honest.found.is_empty() && honest.auc > 0.65, "{honest:?}");
        let leaked = found(800, |label, noise| f64::from(label) + 0.1 * noise);
        assert_eq!(leaked.found.first().map(|leak| leak.columns.clone()), Some(vec![3]), "{leaked:?}");
        let weak = found(800, |label, noise| 2.0 * f64::from(label) + noise);
        assert!(weak.found.iter().any(|leak| leak.columns == [3] && leak.auc < ALONE), "{weak:?}");
    }

    #[test]
    fn too_few_rows_are_an_error_and_rows_are_of_whole_applicants() {
        let (data, applicants) = data(8, |_, noise| noise);
        assert!(Checked::new(&data, some_rows(&applicants, 8), &applicants, &Control::default()).is_err());
        let applicants: Vec<u64> = (0..100).map(|row| row / 3).collect();
        let some = some_rows(&applicants, 50);
        assert!(some.is_sorted() && (45..=50).contains(&some.len()));
        for applicant in some.iter().map(|row| applicants[*row as usize]) {
            let of = |row: &&u32| applicants[**row as usize] == applicant;
            assert_eq!(some.iter().filter(of).count(), applicants.iter().filter(|a| **a == applicant).count());
        }
    }
}
