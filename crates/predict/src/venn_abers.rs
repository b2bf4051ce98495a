//! Venn-Abers probabilities (Vovk and Petej 2014): two isotonic regressions over the out-of-fold rows and the row
//! itself, once with the row as a rejection and once as an acceptance. One of the two probabilities is calibrated,
//! whatever the quality of the scores.

use crate::score_counts::{ScoreCounts, place};

/// Both probabilities for every grid place of the out-of-fold scores, computed once.
#[derive(Debug, Clone, PartialEq)]
pub struct VennAbers {
    /// Grid places of the out-of-fold scores, ascending.
    places: Vec<u32>,
    /// Probability with a rejection added at each place.
    low: Vec<f64>,
    /// Probability with an acceptance added at each place.
    high: Vec<f64>,
}

/// A point of the cumulative sum diagram: the number of rows up to a place, and of those of class 1 among them. The
/// slopes of the diagram's greatest convex minorant are the isotonic regression. The numbers are integers, so that
/// comparisons are exact.
#[derive(Clone, Copy, PartialEq)]
struct Corner {
    rows: i64,
    ones: i64,
}

impl Corner {
    fn minus(self, other: Self) -> Self {
        Self { rows: self.rows - other.rows, ones: self.ones - other.ones }
    }
    /// Whether the line from here to `a` is at most as steep as the line to `b`; both points are to the right.
    fn flatter(self, a: Self, b: Self) -> bool {
        let (a, b) = (a.minus(self), b.minus(self));
        i128::from(a.ones) * i128::from(b.rows) <= i128::from(b.ones) * i128::from(a.rows)
    }
}

impl VennAbers {
    /// Computes both probabilities from the out-of-fold scores of a model's training rows.
    pub fn new(counts: &ScoreCounts) -> Self {
        let mut corners = vec![Corner { rows: 0, ones: 0 }];
        let mut last = corners[0];
        for [zeros, ones] in counts.rows() {
            last =
                Corner { rows: last.rows + i64::from(*zeros) + i64::from(*ones), ones: last.ones + i64::from(*ones) };
            corners.push(last);
        }
        let hulls = Hulls::new(&corners);
        let with = |ones: i64| (1..corners.len()).map(|at| hulls.slope(at, Corner { rows: 1, ones })).collect();
        Self { places: counts.places().to_vec(), low: with(0), high: with(1) }
    }

    /// The probabilities of class 1 for the calibrated score `p`, with the row counted as class 0 and as class 1; the
    /// first is at most the second.
    pub fn pair(&self, p: f64) -> (f64, f64) {
        let place = place(p);
        // A rejection is pooled with scores up to its own, an acceptance with scores from its own upward.
        let upto = self.places.partition_point(|known| *known <= place);
        let from = self.places.partition_point(|known| *known < place);
        let low = upto.checked_sub(1).map_or(0.0, |at| self.low[at]);
        (low, self.high.get(from).copied().unwrap_or(1.0))
    }
}

/// For each corner, its neighbour on the lower convex hull of the corners on either side.
struct Hulls<'a> {
    corners: &'a [Corner],
    /// For each corner, the one before it on the lower hull of the corners up to it.
    before: Vec<usize>,
    /// For each corner, the next one on the lower hull of the corners from it on.
    after: Vec<usize>,
}

impl<'a> Hulls<'a> {
    fn new(corners: &'a [Corner]) -> Self {
        let n = corners.len();
        let (mut before, mut after) = (vec![0; n], vec![n - 1; n]);
        for at in 1..n {
            let mut near = at - 1;
            while near > 0 && corners[before[near]].flatter(corners[at], corners[near]) {
                near = before[near];
            }
            before[at] = near;
        }
        for at in (0..n - 1).rev() {
            let mut near = at + 1;
            while near < n - 1 && corners[at].flatter(corners[after[near]], corners[near]) {
                near = after[near];
            }
            after[at] = near;
        }
        Self { corners, before, after }
    }

    /// The isotonic regression at place `at` (from 1) with one more row there: the corners from `at` on are moved by
    /// `step`. The result is the slope of the common tangent below the corners left of `at` and the moved ones.
    fn slope(&self, at: usize, step: Corner) -> f64 {
        let moved = |right: usize| {
            let corner = self.corners[right];
            Corner { rows: corner.rows + step.rows, ones: corner.ones + step.ones }
        };
        let (mut left, mut right) = (at - 1, at);
        loop {
            let start = (left, right);
            while self.after[right] > right && self.corners[left].flatter(moved(self.after[right]), moved(right)) {
                right = self.after[right];
            }
            while left > 0 && self.corners[self.before[left]].flatter(moved(right), self.corners[left]) {
                left = self.before[left];
            }
            if (left, right) == start {
                break;
            }
        }
        let way = moved(right).minus(self.corners[left]);
        way.ones as f64 / way.rows as f64
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::score_counts::GRID;
    use proptest::prelude::*;

    /// Isotonic regression by pooling adjacent violators over all rows and one more, read at that row's score.
    fn by_pooling(p: &[f64], y: &[u8], at: f64, label: u8) -> f64 {
        let mut rows: Vec<(u32, f64)> = p.iter().zip(y).map(|(p, y)| (place(*p), f64::from(*y))).collect();
        rows.push((place(at), f64::from(label)));
        rows.sort_by_key(|row| row.0);
        // Place of the last row, rows, ones.
        let mut pools: Vec<(u32, f64, f64)> = Vec::new();
        for (place, y) in rows {
            match pools.last_mut() {
                Some(pool) if pool.0 == place => (pool.1, pool.2) = (pool.1 + 1.0, pool.2 + y),
                _ => pools.push((place, 1.0, y)),
            }
        }
        let mut merged: Vec<(u32, f64, f64)> = Vec::new();
        for pool in pools {
            merged.push(pool);
            while let [.., a, b] = merged[..] {
                if a.2 * b.1 < b.2 * a.1 {
                    break;
                }
                merged.truncate(merged.len() - 2);
                merged.push((b.0, a.1 + b.1, a.2 + b.2));
            }
        }
        let pool = merged.iter().find(|pool| pool.0 >= place(at)).unwrap();
        pool.2 / pool.1
    }

    proptest! {
        #[test]
        fn both_probabilities_are_those_of_two_isotonic_regressions(
            rows in prop::collection::vec((0u32..=24, 0u8..=1), 0..160), at in 0u32..=24,
        ) {
            let (p, y): (Vec<f64>, Vec<u8>) = rows.into_iter().map(|(p, y)| (f64::from(p) / 24.0, y)).unzip();
            let at = f64::from(at) / 24.0;
            let (low, high) = VennAbers::new(&ScoreCounts::new(&p, &y)).pair(at);
            prop_assert!((low - by_pooling(&p, &y, at, 0)).abs() < 1e-12, "low {low}");
            prop_assert!((high - by_pooling(&p, &y, at, 1)).abs() < 1e-12, "high {high}");
            prop_assert!(low <= high);
        }

        #[test]
        fn scores_that_nobody_had_lie_between_those_that_somebody_had(
            rows in prop::collection::vec((0u32..=12, 0u8..=1), 1..60), at in 0u32..=48,
        ) {
            let (p, y): (Vec<f64>, Vec<u8>) = rows.into_iter().map(|(p, y)| (f64::from(p) / 12.0, y)).unzip();
            let at = f64::from(at) / 48.0;
            let (low, high) = VennAbers::new(&ScoreCounts::new(&p, &y)).pair(at);
            prop_assert!((low - by_pooling(&p, &y, at, 0)).abs() < 1e-12);
            prop_assert!((high - by_pooling(&p, &y, at, 1)).abs() < 1e-12);
        }
    }

    #[test]
    fn without_rows_nothing_is_known() {
        assert_eq!(VennAbers::new(&ScoreCounts::default()).pair(0.4), (0.0, 1.0));
    }

    #[test]
    fn many_rows_narrow_the_pair_about_the_rate() {
        let n = 20_000u32;
        let p: Vec<f64> = (0..n).map(|i| f64::from(i % 100) / 100.0).collect();
        let y: Vec<u8> = (0..n).map(|i| u8::from((i / 100) % 100 < i % 100)).collect();
        let (low, high) = VennAbers::new(&ScoreCounts::new(&p, &y)).pair(0.3);
        assert!((low - 0.3).abs() < 0.02 && (high - 0.3).abs() < 0.02 && high - low < 0.01, "{low} {high}");
        assert!(place(0.3) < GRID);
    }
}
