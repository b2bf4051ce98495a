//! Out-of-fold scores with their labels, counted on a grid. Intervals and conformal sets are computed from these
//! counts.

use serde::{Deserialize, Serialize};

/// Scores are rounded to multiples of 1 / `GRID`, so that an artifact holds at most 65,537 different scores, however
/// many rows it was trained on, and does not reveal the exact score of any row.
pub const GRID: u32 = 1 << 16;

/// For each grid place that has rows, the number of rows of each class with that score.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScoreCounts {
    /// Grid places, ascending.
    places: Vec<u32>,
    /// Rows of class 0 and of class 1 at each place.
    rows: Vec<[u32; 2]>,
}

/// The grid place of a probability: the nearest multiple of 1 / [`GRID`], 0 to `GRID`.
pub fn place(p: f64) -> u32 {
    (p.clamp(0.0, 1.0) * f64::from(GRID)).round() as u32
}

impl ScoreCounts {
    /// Counts calibrated out-of-fold probabilities; `y` has the labels (0 or 1) of the same rows.
    pub fn new(p: &[f64], y: &[u8]) -> Self {
        let mut all = vec![[0u32; 2]; GRID as usize + 1];
        for (p, y) in p.iter().zip(y) {
            let rows = &mut all[place(*p) as usize][usize::from(*y == 1)];
            *rows = rows.saturating_add(1);
        }
        let (places, rows) = (0..).zip(all).filter(|(_, rows)| *rows != [0; 2]).unzip();
        Self { places, rows }
    }

    /// Grid places that have rows, ascending.
    pub fn places(&self) -> &[u32] {
        &self.places
    }

    /// Rows of class 0 and of class 1 at each place.
    pub fn rows(&self) -> &[[u32; 2]] {
        &self.rows
    }

    /// Checks counts of a decoded artifact.
    ///
    /// # Errors
    ///
    /// A description of the first fault.
    pub fn check(&self) -> Result<(), String> {
        let rising = self.places.is_sorted_by(|a, b| a < b) && self.places.last().is_none_or(|p| *p <= GRID);
        if !rising || self.places.len() != self.rows.len() || self.rows.contains(&[0; 2]) {
            return Err("the counts of out-of-fold scores are damaged".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_are_counted_by_place_and_class() {
        let counts = ScoreCounts::new(&[0.5, 1.0, 0.5, 0.0, 0.5 + 1e-9], &[1, 1, 0, 0, 1]);
        assert_eq!(counts.places(), [0, GRID / 2, GRID]);
        assert_eq!(counts.rows(), [[1, 0], [1, 2], [0, 1]]);
        counts.check().unwrap();
        let mut damaged = counts;
        damaged.places.swap(0, 1);
        assert!(damaged.check().is_err());
        assert!(ScoreCounts::new(&[], &[]).places().is_empty());
    }
}
