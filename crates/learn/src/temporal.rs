//! The temporal reference: how well an algorithm with its parameters predicts the last years of its data from the years
//! before. New years are compared with this reference, because scores on a random split are too high for that.

use crate::drift::{WINDOW_ROWS, enough};
use crate::split::rows::SplitRows;
use crate::stats::{auc_with_error, log_loss_with_error};
use provost_domain::model::TemporalFigures;

/// The training part cut at a year. Rows of unknown year are on neither side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastYears {
    /// The first of the last years.
    pub from: i32,
    /// Training rows of `from` and after, ascending.
    pub last: Vec<u32>,
    /// Training rows of the years before, ascending.
    pub earlier: Vec<u32>,
    /// Validation rows of the years before, ascending: early stopping must not use later years either.
    pub earlier_validation: Vec<u32>,
}

impl LastYears {
    /// The smallest number of latest whole years that have 300 training rows and 50 of each class: mostly one year, but
    /// one that has hardly begun is taken together with the year before. `None` where the earlier years have fewer than
    /// 300 training rows, or one class. `train` and `validation` are row numbers, ascending.
    pub fn of(rows: &SplitRows<'_>, train: &[u32], validation: &[u32]) -> Option<Self> {
        let year = |row: &u32| rows.years[*row as usize];
        let of_class = |part: &[u32]| {
            let positives = part.iter().filter(|r| rows.labels[**r as usize] == 1).count();
            [part.len() - positives, positives]
        };
        let mut by_year: Vec<u32> = train.iter().copied().filter(|r| year(r) != i32::MIN).collect();
        by_year.sort_by_key(|r| (year(r), *r));
        let mut start = by_year.len();
        for of_year in by_year.chunk_by(|a, b| year(a) == year(b)).rev() {
            start -= of_year.len();
            if enough(of_class(&by_year[start..])) {
                break;
            }
        }
        let (earlier, last) = by_year.split_at(start);
        if !enough(of_class(last)) || earlier.len() < WINDOW_ROWS || of_class(earlier).contains(&0) {
            return None;
        }
        let from = year(last.first()?);
        let before = validation.iter().copied().filter(|r| year(r) != i32::MIN && year(r) < from);
        let ascending = |part: &[u32]| {
            let mut part = part.to_vec();
            part.sort_unstable();
            part
        };
        Some(Self { from, last: ascending(last), earlier: ascending(earlier), earlier_validation: before.collect() })
    }
}

/// The predictions for the last years by a fit on the earlier years.
#[derive(Debug, Clone, PartialEq)]
pub struct Temporal {
    /// Rows of the last years in the training part, ascending; the fit did not use them.
    pub rows: Vec<u32>,
    /// Calibrated probability of class 1 for each of `rows`.
    pub p: Vec<f64>,
    /// The figures that the registry stores.
    pub figures: TemporalFigures,
}

impl Temporal {
    /// `year` is the first of the last years, `y` has the labels of `rows`. `None` with fewer than two rows of a class.
    pub(crate) fn new(year: i32, rows: Vec<u32>, y: &[u8], p: Vec<f64>) -> Option<Self> {
        let (auc, log_loss) = (auc_with_error(y, &p)?, log_loss_with_error(y, &p)?);
        let figures = TemporalFigures {
            year,
            rows: rows.len() as u64,
            positives: y.iter().filter(|l| **l == 1).count() as u64,
            auc: auc.value,
            auc_error: auc.error,
            log_loss: log_loss.value,
            log_loss_error: log_loss.error,
        };
        Some(Self { rows, p, figures })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    /// Years with (rows, positives) each, in no order of time.
    fn cut(years: &[(i32, usize, usize)], validation: usize) -> Option<LastYears> {
        let (mut all, mut labels) = (Vec::new(), Vec::new());
        for (year, rows, positives) in years {
            all.extend(vec![*year; *rows]);
            labels.extend((0..*rows).map(|i| u8::from(i < *positives)));
        }
        let n = all.len();
        let rows = SplitRows { labels: &labels, applicants: &vec![0; n], row_ids: &vec![0; n], years: &all };
        // The first row of every so many is in the validation part.
        let (held, train): (Vec<u32>, Vec<u32>) =
            (0..n as u32).partition(|r| validation > 0 && (*r as usize).is_multiple_of(validation));
        let found = LastYears::of(&rows, &train, &held)?;
        for (part, late) in [(&found.last, true), (&found.earlier, false), (&found.earlier_validation, false)] {
            assert!(part.is_sorted());
            let right = |r: &u32| (all[*r as usize] >= found.from) == late && all[*r as usize] != i32::MIN;
            assert!(part.iter().all(right));
        }
        assert!(found.last.iter().chain(&found.earlier).all(|r| train.binary_search(r).is_ok()));
        assert!(found.earlier_validation.iter().all(|r| held.binary_search(r).is_ok()));
        Some(found)
    }

    #[test]
    fn the_last_year_is_foretold_from_those_before() {
        let found = cut(&[(2015, 400, 100), (2016, 300, 50), (2014, 500, 300), (i32::MIN, 900, 450)], 0).unwrap();
        assert_eq!((found.from, found.last.len(), found.earlier.len()), (2016, 300, 900));
        let found = cut(&[(2015, 400, 100), (2016, 600, 300), (i32::MIN, 90, 45)], 10).unwrap();
        assert_eq!((found.from, found.last.len()), (2016, 540));
        assert_eq!((found.earlier.len(), found.earlier_validation.len()), (360, 40));
    }

    #[test]
    fn a_year_with_too_little_takes_the_one_before_along() {
        for thin in [(2017, 2, 1), (2017, 299, 100), (2017, 900, 49), (2017, 900, 851)] {
            let found = cut(&[thin, (2014, 400, 100), (2016, 400, 200), (2015, 400, 100)], 0).unwrap();
            assert_eq!((found.from, found.last.len(), found.earlier.len()), (2016, 400 + thin.1, 800), "{thin:?}");
        }
    }

    #[test]
    fn too_little_on_either_side_is_none() {
        assert_eq!(cut(&[], 0), None);
        assert_eq!(cut(&[(2015, 5000, 2500)], 0), None);
        assert_eq!(cut(&[(2015, 299, 100), (2016, 400, 200)], 0), None);
        assert_eq!(cut(&[(2015, 400, 0), (2016, 400, 200)], 0), None);
        assert_eq!(cut(&[(2015, 400, 20), (2016, 400, 20)], 0), None);
        assert_eq!(cut(&[(i32::MIN, 5000, 2500), (2016, 400, 200)], 0), None);
        assert!(cut(&[(2015, 300, 1), (2016, 300, 50)], 0).is_some());
    }
}
