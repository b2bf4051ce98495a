//! The bootstrap within groups: each draw takes as many applicants of each group as the group has, with replacement.

use super::figures::{Point, Share, Split, Tally};
use crate::bootstrap::quantile;
use provost_domain::fairness::FairnessMeasure;
use provost_domain::rng::SplitMix64;
use rayon::prelude::*;

/// Fewest draws, of the largest audits, and most draws, of small ones.
const DRAWS: (u64, u64) = (200, 1000);
/// Rows times draws are at most about this, as far as the fewest draws allow.
const WORK: u64 = 200_000_000;
/// Measures that are computed on draws: the calibration slope is not.
const MEASURES: usize = 5;

/// The values of the draws for a group and for the rest; NaN where a measure is undefined on a draw.
pub struct Drawn {
    own: [Vec<f64>; MEASURES],
    rest: [Vec<f64>; MEASURES],
}

pub struct Resampled<'s>(&'s Split);

fn values(point: Point) -> [f64; MEASURES] {
    let mut values = [f64::NAN; MEASURES];
    for (value, measure) in values.iter_mut().zip(FairnessMeasure::ALL) {
        let found = match Share::of(point.counts, *measure) {
            Some(share) => share.value(),
            None => point.auc,
        };
        *value = found.unwrap_or(f64::NAN);
    }
    values
}

impl<'s> Resampled<'s> {
    pub fn new(split: &'s Split) -> Self {
        Self(split)
    }

    /// The draws of each of `groups`. Each draw has a random stream of its own.
    pub fn draw(&self, groups: &[u32], seed: u64) -> Vec<Drawn> {
        if groups.is_empty() {
            return Vec::new();
        }
        let Self(split) = self;
        let draws = (WORK / split.rows.len().max(1) as u64).clamp(DRAWS.0, DRAWS.1);
        let one = |draw: u64| {
            let mut random = SplitMix64::keyed(seed, &[draw]);
            let mut weights = vec![0u64; split.units.last().copied().unwrap_or_default() as usize];
            for ends in split.units.windows(2) {
                let &[first, end] = ends else { continue };
                for _ in first..end {
                    weights[(first + random.below(end - first)) as usize] += 1;
                }
            }
            let tally = Tally::of(&split.rows, split.units.len().saturating_sub(1), |unit| weights[unit as usize]);
            let of_group = |group: &u32| {
                let (own, rest) = tally.of_group(*group);
                (values(own), values(rest))
            };
            groups.iter().map(of_group).collect::<Vec<_>>()
        };
        let drawn: Vec<_> = (0..draws).into_par_iter().map(one).collect();
        let of_group = |at: usize| {
            let column = |measure: usize, rest: bool| {
                let value = |(own, others): &([f64; MEASURES], [f64; MEASURES])| {
                    if rest { others[measure] } else { own[measure] }
                };
                drawn.iter().map(|draw| value(&draw[at])).collect::<Vec<f64>>()
            };
            Drawn {
                own: std::array::from_fn(|measure| column(measure, false)),
                rest: std::array::from_fn(|measure| column(measure, true)),
            }
        };
        (0..groups.len()).map(of_group).collect()
    }
}

fn place(measure: FairnessMeasure) -> Option<usize> {
    FairnessMeasure::ALL.iter().position(|m| *m == measure).filter(|at| *at < MEASURES)
}

/// The finite values, ascending; None where too few are finite for an interval.
fn defined(values: impl Iterator<Item = f64>, of: usize) -> Option<Vec<f64>> {
    let mut found: Vec<f64> = values.filter(|v| v.is_finite()).collect();
    found.sort_unstable_by(f64::total_cmp);
    (!found.is_empty() && 2 * found.len() >= of).then_some(found)
}

fn ends(sorted: Option<Vec<f64>>) -> Option<[f64; 2]> {
    sorted.map(|sorted| [quantile(&sorted, 0.025), quantile(&sorted, 0.975)])
}

impl Drawn {
    fn both(&self, measure: FairnessMeasure) -> Option<(&[f64], &[f64])> {
        place(measure).map(|at| (&self.own[at][..], &self.rest[at][..]))
    }

    fn differences(&self, measure: FairnessMeasure) -> Option<Vec<f64>> {
        let (own, rest) = self.both(measure)?;
        defined(own.iter().zip(rest).map(|(a, b)| a - b), own.len())
    }

    /// The 95 % interval of the group's figure.
    pub fn interval(&self, measure: FairnessMeasure) -> Option<[f64; 2]> {
        let (own, _) = self.both(measure)?;
        ends(defined(own.iter().copied(), own.len()))
    }

    /// The 95 % interval of the group's figure minus that of the rest.
    pub fn difference_interval(&self, measure: FairnessMeasure) -> Option<[f64; 2]> {
        ends(self.differences(measure))
    }

    /// The 95 % interval of the group's figure divided by that of the rest.
    pub fn ratio_interval(&self, measure: FairnessMeasure) -> Option<[f64; 2]> {
        let (own, rest) = self.both(measure)?;
        ends(defined(own.iter().zip(rest).map(|(a, b)| a / b), own.len()))
    }

    /// The standard deviation of the difference over the draws.
    pub fn difference_error(&self, measure: FairnessMeasure) -> Option<f64> {
        let drawn = self.differences(measure)?;
        let n = drawn.len() as f64;
        let mean = drawn.iter().sum::<f64>() / n;
        let squares: f64 = drawn.iter().map(|d| (d - mean) * (d - mean)).sum();
        (drawn.len() > 1).then(|| (squares / (n - 1.0)).sqrt())
    }
}
