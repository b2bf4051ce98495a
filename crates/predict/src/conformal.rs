//! Class-conditional conformal sets (Vovk, Gammerman and Shafer 2005, chapter 4). The nonconformity of a row with a
//! class is measured by its score. An outcome is plausible if enough out-of-fold rows with that outcome conform to it
//! no better than this row does.

use crate::outcome::Outcome;
use crate::score_counts::{ScoreCounts, place};

/// The distribution of the out-of-fold scores of each class.
#[derive(Debug, Clone, PartialEq)]
pub struct ConformalSets {
    /// Places on the grid of scores, ascending.
    places: Vec<u32>,
    /// Rows of class 0 and of class 1 before each place; the last entry counts all.
    before: Vec<[u64; 2]>,
}

impl ConformalSets {
    /// The sets that follow from the out-of-fold scores of a model's training rows.
    pub fn new(counts: &ScoreCounts) -> Self {
        let mut before = vec![[0; 2]];
        let mut sum = [0u64; 2];
        for [zeros, ones] in counts.rows() {
            sum = [sum[0] + u64::from(*zeros), sum[1] + u64::from(*ones)];
            before.push(sum);
        }
        Self { places: counts.places().to_vec(), before }
    }

    /// The p-values `[rejected, accepted]` of the calibrated probability `p`: for each class, the share of its rows,
    /// with this row counted among them, that conform to the class no better than this row does.
    pub fn p_values(&self, p: f64) -> [f64; 2] {
        let place = place(p);
        let all = self.before[self.places.len()];
        // The lower its probability, the less a row conforms to accepted; the higher, the less it conforms to rejected.
        let rejected = all[0] - self.before[self.places.partition_point(|known| *known < place)][0];
        let accepted = self.before[self.places.partition_point(|known| *known <= place)][1];
        let share = |as_unlike: u64, all: u64| (as_unlike + 1) as f64 / (all + 1) as f64;
        [share(rejected, all[0]), share(accepted, all[1])]
    }

    /// The outcomes that are plausible at `coverage` (0 to 1): both, one or none, the acceptance first. Among the rows
    /// of either class, about that share have their own outcome in their set.
    pub fn plausible(&self, p: f64, coverage: f64) -> Vec<Outcome> {
        let [rejected, accepted] = self.p_values(p);
        let level = 1.0 - coverage;
        let named = [(Outcome::Accepted, accepted), (Outcome::Rejected, rejected)];
        named.into_iter().filter(|(_, value)| *value > level).map(|(outcome, _)| outcome).collect()
    }

    /// Measured coverage of class 0 and of class 1: the share of the rows with that label in `y` (0 or 1) whose set
    /// contains their own outcome. `p` are calibrated probabilities, one per label; None for a class without rows.
    pub fn measured(&self, p: &[f64], y: &[u8], coverage: f64) -> [Option<f64>; 2] {
        let mut rows = [[0u64; 2]; 2];
        for (p, y) in p.iter().zip(y) {
            let class = usize::from(*y == 1);
            let own = if class == 1 { Outcome::Accepted } else { Outcome::Rejected };
            rows[class][0] += 1;
            rows[class][1] += u64::from(self.plausible(*p, coverage).contains(&own));
        }
        rows.map(|[all, covered]| (all > 0).then(|| covered as f64 / all as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use provost_domain::rng::SplitMix64;

    proptest! {
        #[test]
        fn p_values_are_ranks_by_counting(rows in prop::collection::vec((0u32..=20, 0u8..=1), 0..100), at in 0u32..=20) {
            let (p, y): (Vec<f64>, Vec<u8>) = rows.into_iter().map(|(p, y)| (f64::from(p) / 20.0, y)).unzip();
            let at = f64::from(at) / 20.0;
            let value = |class: u8| {
                let of_class: Vec<f64> = p.iter().zip(&y).filter(|(_, y)| **y == class).map(|(p, _)| *p).collect();
                let unlike = |p: f64| if class == 1 { 1.0 - p } else { p };
                let as_unlike = of_class.iter().filter(|p| unlike(**p) >= unlike(at) - 1e-9).count();
                (as_unlike + 1) as f64 / (of_class.len() + 1) as f64
            };
            prop_assert_eq!(ConformalSets::new(&ScoreCounts::new(&p, &y)).p_values(at), [value(0), value(1)]);
        }
    }

    #[test]
    fn sets_cover_each_class_as_often_as_they_promise() {
        let mut random = SplitMix64::new(11);
        let mut draw = |n: usize| -> (Vec<f64>, Vec<u8>) {
            (0..n)
                .map(|_| {
                    let truth = random.unit();
                    // Overconfident scores: the promise does not hang on calibration.
                    (truth * truth * (3.0 - 2.0 * truth), u8::from(random.unit() < truth))
                })
                .unzip()
        };
        let (p, y) = draw(4_000);
        let sets = ConformalSets::new(&ScoreCounts::new(&p, &y));
        let (p, y) = draw(40_000);
        for coverage in [0.8, 0.9, 0.95] {
            for (class, outcome) in [(0, Outcome::Rejected), (1, Outcome::Accepted)] {
                let rows: Vec<f64> = p.iter().zip(&y).filter(|(_, y)| **y == class).map(|(p, _)| *p).collect();
                let held = rows.iter().filter(|p| sets.plausible(**p, coverage).contains(&outcome)).count();
                let rate = held as f64 / rows.len() as f64;
                assert_eq!(sets.measured(&p, &y, coverage)[usize::from(class)], Some(rate));
                // Of the calibration rows' ranks and the test rows, three standard errors.
                let error = 3.0 * (coverage * (1.0 - coverage) * (1.0 / 2_000.0 + 1.0 / rows.len() as f64)).sqrt();
                assert!((rate - coverage).abs() < error, "{outcome} at {coverage}: {rate}");
            }
        }
    }

    #[test]
    fn without_rows_everything_is_plausible() {
        let sets = ConformalSets::new(&ScoreCounts::default());
        assert_eq!(sets.plausible(0.99, 0.9), [Outcome::Accepted, Outcome::Rejected]);
        assert_eq!(sets.measured(&[0.5], &[1], 0.9), [None, Some(1.0)]);
    }
}
