//! The best split of one node by one column, as the library finds it.

use super::bin_edges::MISSING;
use multiversion::multiversion;

/// Most bins of a column.
const MOST: usize = 256;

/// Sums of gradients and of second derivatives.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    pub gradient: f64,
    pub hessian: f64,
}

impl Sums {
    #[inline]
    pub fn minus(self, other: Self) -> Self {
        Self { gradient: self.gradient - other.gradient, hessian: self.hessian - other.hessian }
    }
    #[inline]
    pub fn plus(self, other: Self) -> Self {
        Self { gradient: self.gradient + other.gradient, hessian: self.hessian + other.hessian }
    }
}

/// The regularisation parameters of the library's formulas.
#[derive(Clone, Copy)]
pub struct Penalty {
    pub alpha: f32,
    pub lambda: f32,
    /// Least sum of second derivatives of a child.
    pub least: f32,
}

impl Penalty {
    #[inline]
    fn shrunk(self, gradient: f64) -> f64 {
        let alpha = f64::from(self.alpha);
        (gradient - alpha).max(0.0) + (gradient + alpha).min(0.0)
    }

    /// A node's gain, in the library's precision: the quotient is one of f32.
    #[inline]
    pub fn gain(self, sums: Sums) -> f32 {
        let gradient = self.shrunk(sums.gradient);
        let gain = (gradient * gradient) as f32 / (sums.hessian + f64::from(self.lambda)) as f32;
        if sums.hessian <= 0.0 { 0.0 } else { gain }
    }

    /// The value of a leaf before it is multiplied by the learning rate.
    pub fn weight(self, sums: Sums) -> f32 {
        if sums.hessian < f64::from(self.least) || sums.hessian <= 0.0 {
            return 0.0;
        }
        (-self.shrunk(sums.gradient) / (sums.hessian + f64::from(self.lambda))) as f32
    }
}

/// A split and its gain; a `gain` of 0 means no split.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct XgboostSplit {
    pub gain: f32,
    pub column: usize,
    /// Whether missing values go left. The present values of the right side begin at place `middle` of the node's
    /// order, and those of the left side end before it.
    pub missing_left: bool,
    pub middle: usize,
    /// Number of rows that have a value.
    pub present: usize,
    pub left: Sums,
    pub right: Sums,
}

/// The places between bins where a column can be split; buffers that one fit uses again and again.
pub struct SplitSearch {
    /// Sums over the present values up to each place.
    sums: [Sums; MOST],
    gains: [f32; MOST],
    /// Number of rows up to each place.
    ends: [u16; MOST],
}

/// Computes the gain of each place over the parent's, 0 where a side has too small a sum of second derivatives; returns
/// the highest.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn gains(sums: &[Sums], gains: &mut [f32], (node, moved): (Sums, Sums), penalty: Penalty, parent: f32) -> f32 {
    let least = f64::from(penalty.least);
    for (sums, gain) in sums.iter().zip(&mut *gains) {
        let left = sums.plus(moved);
        let right = node.minus(left);
        let sound = (left.hessian >= least) & (right.hessian >= least);
        let value = penalty.gain(left) + penalty.gain(right) - parent;
        *gain = if sound & (value < f32::INFINITY) { value } else { 0.0 };
    }
    let higher = |a: f32, b: f32| if b > a { b } else { a };
    let (chunks, rest) = gains.as_chunks::<16>();
    let mut lanes = [0.0; 16];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, gain)| *lane = higher(*lane, *gain));
    }
    lanes.into_iter().chain(rest.iter().copied()).fold(0.0, higher)
}

impl SplitSearch {
    pub fn new() -> Self {
        Self { sums: [Sums::default(); MOST], gains: [0.0; MOST], ends: [0; MOST] }
    }

    /// Lists the places; returns their number, the sums over all present values, and the number of these. `order` is
    /// the node's rows by their code.
    fn list(&mut self, order: &[u32], pairs: &[Sums]) -> (usize, Sums, usize) {
        let present = order.partition_point(|entry| (entry >> 16) as u16 != MISSING);
        let (mut at, mut sums) = (0, Sums::default());
        let Some((last, _)) = order[..present].split_last() else { return (0, sums, 0) };
        // No branch: whether a bin ends is not predictable.
        for (i, two) in order[..present].windows(2).enumerate() {
            sums = sums.plus(pairs[(two[0] & 0xffff) as usize]);
            (self.sums[at % MOST], self.ends[at % MOST]) = (sums, i as u16 + 1);
            at += usize::from(two[0] >> 16 != two[1] >> 16);
        }
        sums = sums.plus(pairs[(last & 0xffff) as usize]);
        (self.sums[at % MOST], self.ends[at % MOST]) = (sums, present as u16);
        (at + 1, sums, present)
    }

    /// Replaces `best` where this column splits the node better. Of equal gains the earlier column wins, then missing
    /// values to the right before those to the left, and then the lowest place (missing to the right) or the highest
    /// (missing to the left).
    pub fn look(
        &mut self,
        (order, column): (&[u32], usize),
        pairs: &[Sums],
        node: (Sums, f32),
        penalty: Penalty,
        best: &mut XgboostSplit,
    ) {
        let (places, sums, present) = self.list(order, pairs);
        let missing = node.0.minus(sums);
        let mut forward = true;
        loop {
            let moved = if forward { Sums::default() } else { missing };
            let scores = &mut self.gains[..places];
            let highest = gains(&self.sums[..places], scores, (node.0, moved), penalty, node.1);
            if highest > best.gain {
                let mut equal = scores.iter().enumerate().filter(|(_, gain)| **gain == highest);
                if let Some((at, _)) = if forward { equal.next() } else { equal.next_back() } {
                    let below = self.sums[at].plus(moved);
                    *best = XgboostSplit {
                        gain: highest,
                        column,
                        missing_left: !forward,
                        middle: usize::from(self.ends[at]),
                        present,
                        left: below,
                        right: node.0.minus(below),
                    };
                }
            }
            if !forward || missing == Sums::default() {
                return;
            }
            forward = false;
        }
    }
}
