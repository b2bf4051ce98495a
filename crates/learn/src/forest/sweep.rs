//! The search for the best split of one node, column by column.

use super::sample::Draw;
use super::settings::ForestSettings;
use multiversion::multiversion;

/// Numbers of draws, of draws of class 1, and of distinct rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    pub all: u32,
    pub ones: u32,
    pub rows: u32,
}

impl Tally {
    #[inline]
    pub fn add(&mut self, other: Tally) {
        self.all += other.all;
        self.ones += other.ones;
        self.rows += other.rows;
    }
    #[inline]
    fn plus(mut self, other: Tally) -> Tally {
        self.add(other);
        self
    }
    #[inline]
    pub fn minus(self, other: Tally) -> Tally {
        Tally { all: self.all - other.all, ones: self.ones - other.ones, rows: self.rows - other.rows }
    }
}

/// A type that bins are counted in.
pub trait Count: Copy + Default + PartialEq {
    fn of(draw: Draw) -> Self;
    fn add(&mut self, other: Self);
    fn tally(self) -> Tally;
}

impl Count for Tally {
    #[inline]
    fn of(draw: Draw) -> Self {
        draw.into()
    }
    #[inline]
    fn add(&mut self, other: Self) {
        Tally::add(self, other);
    }
    fn tally(self) -> Tally {
        self
    }
}

/// Counts of up to `Packed::MOST` draws in one number, so that one addition adds them all.
#[derive(Clone, Copy, Default, PartialEq)]
pub struct Packed(u64);

impl Packed {
    const BITS: u32 = 21;
    pub const MOST: u32 = (1 << Self::BITS) - 1;
}

impl Count for Packed {
    #[inline]
    fn of(draw: Draw) -> Self {
        let all = u64::from(draw.count);
        let ones = all & u64::from(draw.label).wrapping_neg();
        Self(1 << (2 * Self::BITS) | ones << Self::BITS | all)
    }
    #[inline]
    fn add(&mut self, other: Self) {
        self.0 += other.0;
    }
    #[inline]
    fn tally(self) -> Tally {
        let part = |at: u32| (self.0 >> (at * Self::BITS)) as u32 & Self::MOST;
        Tally { all: part(0), ones: part(1), rows: part(2) }
    }
}

impl From<Draw> for Tally {
    #[inline]
    fn from(d: Draw) -> Self {
        let all = u32::from(d.count);
        Tally { all, ones: all * u32::from(d.label), rows: 1 }
    }
}

/// Weighted counts of the classes.
#[inline]
pub fn masses(t: Tally, weights: [f64; 2]) -> [f64; 2] {
    [f64::from(t.all - t.ones) * weights[0], f64::from(t.ones) * weights[1]]
}

#[derive(Clone, Copy)]
pub struct ForestSplit {
    /// Half the weighted Gini impurity of both sides, times their weight; lower is better.
    pub cost: f64,
    pub column: usize,
    /// The last bin of the left side, and the next one in the node (`missing` when only missing values follow).
    pub bin: usize,
    pub next: usize,
    pub missing_left: bool,
    pub left: Tally,
}

/// Number of candidates that are scored together.
const LANES: usize = 8;

/// A column's occupied bins in ascending order, and the counts below each; all candidates are scored together.
pub struct Sweep {
    bins: Vec<u16>,
    all: Vec<i32>,
    ones: Vec<i32>,
    rows: Vec<i32>,
    costs: Vec<f64>,
    len: usize,
    below: Tally,
    pub missing: Tally,
}

/// What all candidates share that send missing values to the same side.
#[derive(Clone, Copy)]
struct Way {
    total: Tally,
    /// What is on the left side besides the bins below: the missing values, or nothing.
    moved: Tally,
    min_leaf: u32,
    weights: [f64; 2],
}

/// Computes each candidate's cost: half the weighted Gini impurity of both sides, times their weight; infinite where a
/// side has too few rows, and from place `len` on. Returns the lowest cost.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn score(all: &[i32], ones: &[i32], rows: &[i32], way: Way, len: usize, costs: &mut [f64]) -> f64 {
    let (total, moved, min_leaf) = (way.total, way.moved, way.min_leaf as i32);
    let (total_rows, moved_rows) = (total.rows as i32, moved.rows as i32);
    let (whole, one) = (f64::from(total.all), f64::from(total.ones));
    let (moved_all, moved_ones) = (f64::from(moved.all), f64::from(moved.ones));
    for (((all, ones), rows), cost) in all.iter().zip(ones).zip(rows).zip(&mut *costs) {
        // Whole numbers: their sums and differences are exact.
        let (all, ones, rows) = (f64::from(*all) + moved_all, f64::from(*ones) + moved_ones, rows + moved_rows);
        let (a0, a1) = ((all - ones) * way.weights[0], ones * way.weights[1]);
        let (b0, b1) = ((whole - all - (one - ones)) * way.weights[0], (one - ones) * way.weights[1]);
        let (a, b) = (a0 + a1, b0 + b1);
        let value = (a0 * a1 * b + b0 * b1 * a) / (a * b);
        let good = (rows >= min_leaf) & (total_rows - rows >= min_leaf);
        *cost = if good { value } else { f64::INFINITY };
    }
    costs[len..].fill(f64::INFINITY);
    let lower = |a: f64, b: f64| if b < a { b } else { a };
    let mut lanes = [f64::INFINITY; LANES];
    for chunk in costs.as_chunks::<LANES>().0 {
        for (lane, cost) in lanes.iter_mut().zip(chunk) {
            *lane = lower(*lane, *cost);
        }
    }
    lanes.into_iter().fold(f64::INFINITY, lower)
}

impl Sweep {
    /// Room for so many bins and the missing one.
    pub fn new(bins: usize) -> Self {
        // A group of `LANES` candidates may begin at the last bin: there is room for a whole group behind it.
        let most = bins + 1 + LANES;
        let zeros = || vec![0; most];
        Self {
            bins: vec![0; most],
            all: zeros(),
            ones: zeros(),
            rows: zeros(),
            costs: vec![0.0; most],
            len: 0,
            below: Tally::default(),
            missing: Tally::default(),
        }
    }

    pub fn start(&mut self) {
        (self.len, self.below, self.missing) = (0, Tally::default(), Tally::default());
    }

    #[inline]
    pub fn step(&mut self, bin: usize, tally: Tally) {
        let at = self.len;
        self.bins[at] = bin as u16;
        (self.all[at], self.ones[at]) = (self.below.all as i32, self.below.ones as i32);
        self.rows[at] = self.below.rows as i32;
        self.below.add(tally);
        self.len = at + 1;
    }

    /// Replaces `best` if this column has a better split.
    pub fn finish(&mut self, total: Tally, column: usize, settings: &ForestSettings, best: &mut Option<ForestSplit>) {
        let any_missing = self.missing.rows > 0;
        // Place 0 has nothing below it. Where missing values go left, the place of the missing values themselves is no
        // candidate.
        let ways = [(false, self.len - 1), (true, self.len.saturating_sub(2))];
        let mut limit = best.as_ref().map_or(f64::INFINITY, |best| best.cost);
        let mut found: Option<(usize, bool)> = None;
        for (missing_left, len) in ways.into_iter().take(if any_missing { 2 } else { 1 }) {
            let moved = if missing_left { self.missing } else { Tally::default() };
            let way = Way { total, moved, min_leaf: settings.min_leaf as u32, weights: settings.weights };
            let padded = 1..1 + len.next_multiple_of(LANES);
            let [all, ones, rows] = [&self.all, &self.ones, &self.rows].map(|of| &of[padded.clone()]);
            let costs = &mut self.costs[padded];
            let lowest = score(all, ones, rows, way, len, costs);
            if lowest > limit || (lowest == limit && found.is_none()) {
                continue;
            }
            // Of equal costs the first bin wins, and at the same bin the split that sends missing values to the right.
            let at = 1 + costs.iter().position(|cost| *cost == lowest).unwrap_or_default();
            if lowest < limit || found.is_some_and(|(first, _)| at < first) {
                (limit, found) = (lowest, Some((at, missing_left)));
            }
        }
        let Some((at, missing_left)) = found else { return };
        let below = Tally { all: self.all[at] as u32, ones: self.ones[at] as u32, rows: self.rows[at] as u32 };
        let left = if missing_left { below.plus(self.missing) } else { below };
        *best = Some(ForestSplit {
            cost: limit,
            column,
            bin: usize::from(self.bins[at - 1]),
            next: usize::from(self.bins[at]),
            // Where the node has no missing values, they go to the larger side.
            missing_left: if any_missing { missing_left } else { 2 * u64::from(left.all) > u64::from(total.all) },
            left,
        });
    }

    /// Bins, what is below each, and what is missing.
    #[cfg(test)]
    pub fn steps(&self) -> (Vec<(u16, [i32; 3])>, Tally) {
        let step = |at: usize| (self.bins[at], [self.all[at], self.ones[at], self.rows[at]]);
        ((0..self.len).map(step).collect(), self.missing)
    }
}
