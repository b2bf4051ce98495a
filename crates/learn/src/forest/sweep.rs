//! The search for the best split of one node, column by column.

use super::grow::Settings;
use super::sample::Draw;

/// Draws, draws of class 1, distinct rows.
#[derive(Clone, Copy, Default, PartialEq)]
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
pub struct Split {
    /// Half the weighted Gini impurity that is left, times the weight; less is better.
    pub cost: f64,
    pub column: usize,
    /// The last bin of the left side, and the next one in the node (`missing` when only missing values follow).
    pub bin: usize,
    pub next: usize,
    pub missing_left: bool,
    pub left: Tally,
}

/// Goes through a column's occupied bins in ascending order and keeps the best split.
pub struct Sweep<'b> {
    total: Tally,
    pub missing: Tally,
    below: Tally,
    last: Option<usize>,
    column: usize,
    missing_bin: usize,
    min_leaf: u32,
    weights: [f64; 2],
    best: &'b mut Option<Split>,
}

impl<'b> Sweep<'b> {
    pub fn new(
        total: Tally,
        column: usize,
        missing_bin: usize,
        settings: &Settings,
        best: &'b mut Option<Split>,
    ) -> Self {
        let (below, missing, min_leaf) = (Tally::default(), Tally::default(), settings.min_leaf as u32);
        Self { total, missing, below, last: None, column, missing_bin, min_leaf, weights: settings.weights, best }
    }

    #[inline]
    pub fn step(&mut self, bin: usize, tally: Tally) {
        if let Some(last) = self.last {
            self.consider(last, bin, false);
            if self.missing.rows > 0 && bin != self.missing_bin {
                self.consider(last, bin, true);
            }
        }
        self.below.add(tally);
        self.last = Some(bin);
    }

    #[inline]
    fn consider(&mut self, bin: usize, next: usize, missing_left: bool) {
        let left = if missing_left { self.below.plus(self.missing) } else { self.below };
        let right = self.total.minus(left);
        if left.rows < self.min_leaf || right.rows < self.min_leaf {
            return;
        }
        let ([a0, a1], [b0, b1]) = (masses(left, self.weights), masses(right, self.weights));
        let (a, b) = (a0 + a1, b0 + b1);
        let cost = (a0 * a1 * b + b0 * b1 * a) / (a * b);
        if self.best.as_ref().is_none_or(|best| cost < best.cost) {
            // Where no row tells the side of a missing value, it is the larger one.
            let missing_left = if self.missing.rows > 0 { missing_left } else { left.all > right.all };
            *self.best = Some(Split { cost, column: self.column, bin, next, missing_left, left });
        }
    }
}
