//! Chooses the categories of one column that a fit distinguishes.

use crate::error::LearnError;
use crate::sorting::sort_by;
use provost_predict::control::Control;
use provost_predict::known::Known;
use std::cmp::Reverse;

/// The categories that at least `least` of the rows have; if these are more than `most`, the `most` most frequent of
/// them, the smaller value first among equals.
///
/// # Errors
///
/// `Stopped`.
pub fn frequent(
    column: usize,
    x: &[f32],
    rows: &[u32],
    (most, least): (usize, usize),
    control: &Control,
) -> Result<Known, LearnError> {
    let mut present: Vec<f32> = Vec::with_capacity(rows.len());
    control.in_blocks(rows, |rows| {
        present.extend(rows.iter().map(|row| x[*row as usize]).filter(|v| !v.is_nan()));
    })?;
    sort_by(&mut present, f32::total_cmp, control)?;
    let runs = present.chunk_by(|a, b| a.total_cmp(b).is_eq());
    let mut runs: Vec<&[f32]> = runs.filter(|run| run.len() >= least).collect();
    runs.sort_by_key(|run| Reverse(run.len()));
    let mut values: Vec<f32> = runs.iter().take(most).map(|run| run[0]).collect();
    values.sort_unstable_by(f32::total_cmp);
    Ok(Known::new(column, values))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_most_frequent_are_known_by_their_order() {
        let x = [7.0, f32::NAN, 3.0, 7.0, 9.0, 3.0, 7.0, 1.0];
        let rows: Vec<u32> = (0..8).collect();
        let of = |rows: &[u32], most, least| {
            frequent(2, &x, rows, (most, least), &Control::default()).unwrap().values().to_vec()
        };
        assert_eq!(of(&rows, 9, 1), [1.0, 3.0, 7.0, 9.0]);
        assert_eq!(of(&rows, 9, 2), [3.0, 7.0]);
        // Of equals the smaller.
        assert_eq!(of(&rows, 3, 1), [1.0, 3.0, 7.0]);
        assert_eq!(of(&rows[3..5], 3, 1), [7.0, 9.0]);
        let known = frequent(2, &x, &rows, (9, 2), &Control::default()).unwrap();
        assert_eq!([3.0, 7.0, 1.0, f32::NAN].map(|v| known.code(v)), [Some(0), Some(1), None, None]);
        assert!(known.check(3).is_ok() && known.check(2).is_err());
    }
}
