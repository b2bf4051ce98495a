//! Background rows, which give the values of the features that a coalition does not know.

use crate::control::Control;
use crate::error::PredictError;
use crate::groups::Group;
use crate::matrix::Matrix;
use provost_domain::rng::SplitMix64;

/// Maximum number of background rows of one model.
pub const MOST_ROWS: usize = 100;
/// Draws for one row before it is given up. If every combination of values is the row of some applicant, there is no
/// row to keep.
const DRAWS: usize = 20;
const STREAM: u64 = 0x6261_636b;

/// Synthetic rows, each with one value per column of `x`. The columns of each group are drawn together from a random
/// training row, so that they fit each other. A drawn row that equals a training row is discarded, so that no row is an
/// applicant's. The result has [`MOST_ROWS`] rows; it has fewer, or none, if the training rows differ too little.
///
/// # Errors
///
/// `Stopped`.
pub fn resampled(
    x: &Matrix,
    rows: &[u32],
    groups: &[Group],
    seed: u64,
    control: &Control,
) -> Result<Vec<Vec<f32>>, PredictError> {
    let mut random = SplitMix64::keyed(seed, &[STREAM]);
    let mut found = Vec::new();
    if rows.is_empty() {
        return Ok(found);
    }
    for _ in 0..MOST_ROWS {
        for _ in 0..DRAWS {
            let mut drawn = vec![f32::NAN; x.width()];
            for group in groups {
                let row = rows[random.below(rows.len() as u32) as usize];
                group.columns.iter().for_each(|c| drawn[*c] = x.value(row as usize, *c));
            }
            if !is_among(x, rows, &drawn, control)? {
                found.push(drawn);
                break;
            }
        }
    }
    Ok(found)
}

/// Whether some row has exactly these values; NaN equals NaN.
fn is_among(x: &Matrix, rows: &[u32], values: &[f32], control: &Control) -> Result<bool, PredictError> {
    let same = |a: f32, b: f32| a == b || (a.is_nan() && b.is_nan());
    let mut found = false;
    control.in_blocks(rows, |rows| {
        let is = |row: &u32| values.iter().enumerate().all(|(c, v)| same(x.value(*row as usize, c), *v));
        found = found || rows.iter().any(is);
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::groups::groups;

    fn matrix(columns: Vec<Vec<f32>>) -> Matrix {
        Matrix::new((0..columns.len()).map(|i| format!("c{i}")).collect(), columns).unwrap()
    }

    #[test]
    fn no_row_is_an_applicants_and_each_value_is_some_applicants() {
        let x = matrix((0..3).map(|c| (0..50).map(|r| ((r * 7 + c * 3) % 11) as f32).collect()).collect());
        let rows: Vec<u32> = (0..40).collect();
        let drawn = |seed| resampled(&x, &rows, &groups(x.names()), seed, &Control::default()).unwrap();
        let found = drawn(5);
        assert_eq!(found.len(), MOST_ROWS);
        for row in &found {
            assert!(!rows.iter().any(|r| (0..3).all(|c| x.value(*r as usize, c) == row[c])), "{row:?}");
            assert!((0..3).all(|c| rows.iter().any(|r| x.value(*r as usize, c) == row[c])));
        }
        assert_eq!(found, drawn(5));
        assert_ne!(found, drawn(6));
    }

    #[test]
    fn where_every_combination_is_a_row_there_are_none() {
        let x = matrix(vec![vec![1.0; 9], vec![f32::NAN; 9]]);
        for rows in [(0..9).collect::<Vec<u32>>(), Vec::new()] {
            assert!(resampled(&x, &rows, &groups(x.names()), 1, &Control::default()).unwrap().is_empty());
        }
    }
}
