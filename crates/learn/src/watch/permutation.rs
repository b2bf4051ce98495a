//! p-values by permutation: applicants, each with all of its rows, are assigned anew to the window and the reference,
//! and the statistics are computed again (Good 2005; of whole clusters, because the rows of one applicant are
//! correlated).
//!
//! A permutation costs one addition for each row of the smaller side and feature, because the counts of the other side
//! are what is left of the totals.

use super::cells::{Cells, MISSING, Scale};
use crate::bootstrap::quantile;
use crate::error::LearnError;
use crate::intervals::wilson;
use provost_domain::rng::SplitMix64;
use provost_predict::control::Control;
use rayon::prelude::*;
use std::ops::Range;

/// Permutations of every test.
const LEAST: u32 = 2_000;
/// Most permutations of a test whose p-value is near the decision, as far as `MOST_COUNTS` allows.
const MOST: u32 = 200_000;
/// Factor by which the permutations grow from one look at the undecided tests to the next.
const GROWTH: u32 = 3;
/// Most values that are counted for the permutations beyond `LEAST`: some seconds of one core.
const MOST_COUNTS: u64 = 4_000_000_000;
/// Separate permutations that measure how large a distance is by chance.
const CALIBRATION: u32 = 200;
/// The numbers of these permutations begin here.
const CALIBRATION_NUMBERS: u32 = 1 << 31;
/// Distances are divided by this quantile of theirs under these permutations.
const CALIBRATION_QUANTILE: f64 = 0.95;
/// Permutations between two checks of the stop token.
const BATCH: u32 = 50;
/// Sums of rounded terms that are equal may differ by this, relatively.
const ROUNDING: f64 = 1e-9;

/// All rows that are permuted.
pub(super) struct Sides<'a> {
    pub features: &'a [Cells],
    /// For each feature, whether the effects of the values and of the missing values are above their floors: other
    /// p-values need not be precise.
    pub matter: &'a [[bool; 2]],
    /// Where the rows of each applicant end; those of the smaller side come first.
    pub ends: &'a [u32],
    /// Number of applicants of the smaller side.
    pub smaller: usize,
}

/// p-values of one feature; None where nothing is tested.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct PValues {
    pub values: Option<f64>,
    pub missing: Option<f64>,
    /// Permutations that were used.
    pub permutations: u32,
}

/// Statistics of one feature: of the values the Kolmogorov-Smirnov and Wasserstein distances, or the chi-squared
/// statistic of two samples in both places; of the missing values the difference of the shares.
type Found = [f64; 3];

/// The quantiles that the two distances of a feature's values are divided by.
type Quantiles = [f64; 2];

/// In how many permutations the values' and the missing values' statistics were as large as the observed ones.
type Exceeded = [u32; 2];

/// The two-sided p-values of each feature: (k + 1)/(n + 1) where k of n permutations are at least as extreme as what
/// was observed (Phipson and Smyth 2010).
///
/// Ordered values have two distances, Kolmogorov and Smirnov's and Wasserstein's. Each is divided by its 95 % quantile
/// under 200 permutations of its own, which do not count towards n, and the larger one is the statistic. `level` is the
/// false-discovery rate of all tests together. Permutations go on for a p-value whose 95 % interval lies on both sides
/// of the decision at that level. The same seed gives the same answer at any thread count.
///
/// # Errors
///
/// `Stopped`.
pub(super) fn p_values(
    sides: &Sides<'_>,
    level: f64,
    seed: u64,
    control: &Control,
) -> Result<Vec<PValues>, LearnError> {
    let features = sides.features;
    let mut found = vec![PValues::default(); features.len()];
    let mut exceeded = vec![Exceeded::default(); features.len()];
    let mut active: Vec<usize> = (0..features.len()).filter(|f| features[*f].tested().contains(&true)).collect();
    if active.is_empty() {
        return Ok(found);
    }
    let mut quantiles = vec![[1.0; 2]; features.len()];
    let calibrated = Deal::new(sides, &active, &quantiles).calibrated(seed, control)?;
    active.iter().zip(calibrated).for_each(|(feature, calibrated)| quantiles[*feature] = calibrated);
    let rows = sides.smaller.checked_sub(1).and_then(|last| sides.ends.get(last)).map_or(0, |end| u64::from(*end));
    let (mut done, mut counted) = (0u32, 0u64);
    while !active.is_empty() {
        let next = if done == 0 { LEAST } else { (done * GROWTH).min(MOST) };
        if done > 0 {
            counted += rows.max(1) * active.len() as u64 * u64::from(next - done);
            if next == done || counted > MOST_COUNTS {
                break;
            }
        }
        let more = Deal::new(sides, &active, &quantiles).exceeded(done..next, seed, control)?;
        done = next;
        for (feature, more) in active.iter().zip(more) {
            let k = &mut exceeded[*feature];
            k.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            let p = |k: u32| (f64::from(k) + 1.0) / (f64::from(done) + 1.0);
            let cells = &features[*feature];
            found[*feature] = PValues {
                values: cells.values_tested.then(|| p(k[0])),
                missing: cells.missing_tested.then(|| p(k[1])),
                permutations: done,
            };
        }
        let bounds = |feature: usize| {
            let n = u64::from(found[feature].permutations);
            exceeded[feature].map(|k| wilson(k.into(), n).unwrap_or([0.0, 1.0]))
        };
        let tested: Vec<[f64; 2]> = features
            .iter()
            .enumerate()
            .flat_map(|(at, cells)| bounds(at).into_iter().zip(cells.tested()).filter(|(_, tested)| *tested))
            .map(|(bounds, _)| bounds)
            .collect();
        let most = rejected_below(tested.iter().map(|[low, _]| *low), level);
        let least = rejected_below(tested.iter().map(|[_, high]| *high), level);
        active.retain(|feature| {
            let tests = bounds(*feature).into_iter().zip(features[*feature].tested()).zip(sides.matter[*feature]);
            tests.into_iter().any(|(([low, high], tested), matters)| tested && matters && low <= most && high >= least)
        });
    }
    Ok(found)
}

/// The p-value up to which Benjamini and Hochberg's procedure rejects; at least its threshold for the smallest p-value.
fn rejected_below(p: impl Iterator<Item = f64>, level: f64) -> f64 {
    let mut p: Vec<f64> = p.collect();
    p.sort_unstable_by(f64::total_cmp);
    let threshold = |rank: usize| level * rank as f64 / p.len() as f64;
    let rank = (1..=p.len()).rev().find(|rank| p[rank - 1] <= threshold(*rank));
    threshold(rank.unwrap_or(1))
}

/// Permutations of some features.
struct Deal<'a> {
    sides: &'a Sides<'a>,
    active: &'a [usize],
    quantiles: Vec<Quantiles>,
    /// The codes of all these features, row by row.
    codes: Vec<u8>,
}

impl<'a> Deal<'a> {
    /// `quantiles` has an entry for every feature.
    fn new(sides: &'a Sides<'a>, active: &'a [usize], quantiles: &[Quantiles]) -> Self {
        let n = sides.ends.last().map_or(0, |end| *end as usize);
        let mut codes = vec![0u8; n * active.len()];
        for (at, feature) in active.iter().enumerate() {
            let column = &sides.features[*feature].codes;
            codes.iter_mut().skip(at).step_by(active.len()).zip(column).for_each(|(to, code)| *to = *code);
        }
        Self { sides, active, quantiles: active.iter().map(|feature| quantiles[*feature]).collect(), codes }
    }

    /// Runs the permutations of these numbers; `sum` adds the statistics of each to the result of its batch.
    fn permuted<T: Send + Sync + Clone>(
        &self,
        numbers: Range<u32>,
        seed: u64,
        none: T,
        sum: impl Fn(&mut T, &[Found]) + Sync,
        control: &Control,
    ) -> Result<Vec<T>, LearnError> {
        let starts: Vec<u32> = numbers.clone().step_by(BATCH as usize).collect();
        let batch = |start: &u32| -> Result<T, LearnError> {
            control.check()?;
            let (mut counts, mut drawn) = (vec![[0u32; 256]; self.active.len()], Drawn::of(self.sides.ends.len()));
            let mut all = none.clone();
            for number in *start..numbers.end.min(start + BATCH) {
                drawn.draw(self.sides.smaller, SplitMix64::keyed(seed, &[u64::from(number)]));
                sum(&mut all, &self.found(drawn.units.iter().map(|unit| *unit as usize), &mut counts));
            }
            Ok(all)
        };
        starts.par_iter().map(batch).collect()
    }

    /// The quantiles that the distances are divided by.
    fn calibrated(&self, seed: u64, control: &Control) -> Result<Vec<Quantiles>, LearnError> {
        let numbers = CALIBRATION_NUMBERS..CALIBRATION_NUMBERS + CALIBRATION;
        let keep = |all: &mut Vec<Vec<Found>>, found: &[Found]| all.push(found.to_vec());
        let found = self.permuted(numbers, seed, Vec::new(), keep, control)?.concat();
        let unit = |feature: usize, statistic: usize| {
            let mut values: Vec<f64> = found.iter().map(|found| found[feature][statistic]).collect();
            values.sort_unstable_by(f64::total_cmp);
            Some(quantile(&values, CALIBRATION_QUANTILE)).filter(|q| q.is_finite() && *q > 0.0).unwrap_or(1.0)
        };
        Ok((0..self.active.len()).map(|feature| [unit(feature, 0), unit(feature, 1)]).collect())
    }

    /// In how many of these permutations the statistics are as large as observed.
    fn exceeded(&self, numbers: Range<u32>, seed: u64, control: &Control) -> Result<Vec<Exceeded>, LearnError> {
        let statistics = |found: &Found, by: &Quantiles| [(found[0] / by[0]).max(found[1] / by[1]), found[2]];
        let mut counts = vec![[0u32; 256]; self.active.len()];
        let observed = self.found(0..self.sides.smaller, &mut counts);
        let observed: Vec<[f64; 2]> = observed.iter().zip(&self.quantiles).map(|(f, by)| statistics(f, by)).collect();
        let none = vec![Exceeded::default(); self.active.len()];
        let compare = |all: &mut Vec<Exceeded>, found: &[Found]| {
            for (((all, found), by), observed) in all.iter_mut().zip(found).zip(&self.quantiles).zip(&observed) {
                for ((k, found), observed) in all.iter_mut().zip(statistics(found, by)).zip(observed) {
                    *k += u32::from(found >= observed * (1.0 - ROUNDING));
                }
            }
        };
        let mut all = none.clone();
        for part in self.permuted(numbers, seed, none, compare, control)? {
            all.iter_mut().zip(part).for_each(|(sum, part)| sum.iter_mut().zip(part).for_each(|(sum, k)| *sum += k));
        }
        Ok(all)
    }

    /// The statistics with these applicants as the smaller side.
    fn found(&self, units: impl Iterator<Item = usize>, counts: &mut [[u32; 256]]) -> Vec<Found> {
        counts.iter_mut().for_each(|counts| counts.fill(0));
        let (ends, width) = (self.sides.ends, self.active.len());
        let mut rows = 0;
        for unit in units {
            let start = unit.checked_sub(1).map_or(0, |before| ends[before] as usize);
            let end = ends[unit] as usize;
            rows += end - start;
            for codes in self.codes[start * width..end * width].chunks_exact(width) {
                counts.iter_mut().zip(codes).for_each(|(counts, code)| counts[usize::from(*code)] += 1);
            }
        }
        let features = self.active.iter().map(|feature| &self.sides.features[*feature]);
        features.zip(counts).map(|(cells, counts)| statistics(cells, counts, rows)).collect()
    }
}

/// `counts`: by code, of the `rows` rows of the smaller side.
fn statistics(cells: &Cells, counts: &[u32; 256], rows: usize) -> Found {
    let all = cells.codes.len() as f64;
    let share = |part: u32, whole: f64| f64::from(part) / whole;
    let missing = if cells.missing_tested {
        let others = cells.totals[MISSING] - counts[MISSING];
        (share(counts[MISSING], rows as f64) - share(others, all - rows as f64)).abs()
    } else {
        0.0
    };
    if !cells.values_tested {
        return [0.0, 0.0, missing];
    }
    let (counts, totals) = (&counts[..cells.cells], &cells.totals[..cells.cells]);
    let (here, whole) = (counts.iter().sum::<u32>(), totals.iter().sum::<u32>());
    let others = whole - here;
    if here == 0 || others == 0 {
        // A side without values cannot be compared; infinite statistics never make a p-value smaller.
        return [f64::INFINITY, f64::INFINITY, missing];
    }
    let pairs = f64::from(here) * f64::from(others);
    match &cells.scale {
        Scale::Ordered(gaps) => {
            // Both distribution functions have one denominator, so that their difference is exact in integers.
            let (mut difference, mut largest, mut area) = (0i64, 0u64, 0.0);
            for ((count, total), gap) in counts.iter().zip(totals).zip(gaps) {
                difference += i64::from(*count) * i64::from(whole) - i64::from(*total) * i64::from(here);
                let distance = difference.unsigned_abs();
                largest = largest.max(distance);
                area += distance as f64 * gap;
            }
            [largest as f64 / pairs, area / pairs, missing]
        }
        Scale::Nominal => {
            let (part, whole) = (f64::from(here) / f64::from(whole), f64::from(whole));
            let term = |(count, total): (&u32, &u32)| {
                let gap = f64::from(*count) - part * f64::from(*total);
                if *total == 0 { 0.0 } else { gap * gap / f64::from(*total) }
            };
            let chi_squared = counts.iter().zip(totals).map(term).sum::<f64>() * whole * whole / pairs;
            [chi_squared, chi_squared, missing]
        }
    }
}

/// Applicants drawn without replacement, by Floyd's algorithm (Bentley and Floyd 1987).
struct Drawn {
    units: Vec<u32>,
    taken: Vec<bool>,
}

impl Drawn {
    fn of(units: usize) -> Self {
        Self { units: Vec::new(), taken: vec![false; units] }
    }

    fn draw(&mut self, most: usize, mut random: SplitMix64) {
        for unit in self.units.drain(..) {
            self.taken[unit as usize] = false;
        }
        let all = self.taken.len();
        for last in all - most.min(all)..all {
            let drawn = random.below(last as u32 + 1) as usize;
            let unit = if self.taken[drawn] { last } else { drawn };
            self.taken[unit] = true;
            self.units.push(unit as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_drawn_as_often_and_never_twice() {
        let mut drawn = Drawn::of(12);
        let mut times = [0u32; 12];
        for number in 0..6_000 {
            drawn.draw(4, SplitMix64::keyed(3, &[number]));
            let mut units = drawn.units.clone();
            units.sort_unstable();
            units.dedup();
            assert_eq!(units.len(), 4);
            units.iter().for_each(|unit| times[*unit as usize] += 1);
        }
        // Binomial(6000, 1/3): a deviation of 36.5.
        assert!(times.iter().all(|n| n.abs_diff(2_000) < 150), "{times:?}");
        drawn.draw(50, SplitMix64::new(1));
        assert_eq!(drawn.units.len(), 12);
    }
}
