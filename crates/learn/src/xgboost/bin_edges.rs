//! The library's bins: at most 256 for a column, cut at quantiles of its present values.

use super::matrix::gather;
use crate::error::LearnError;
use crate::learner::FitTask;
use crate::shared;
use provost_predict::control::Control;

/// With more rows than this the library merges summaries of parts, which is not reproduced here.
pub const ROWS: usize = 4_096;
/// `max_bin` of the library, and how many times as many values the library's summary of one column keeps.
const BINS: usize = 256;
const FACTOR: usize = 8;
/// The code of a missing value; higher than all others.
pub const MISSING: u16 = u16::MAX;

/// A distinct value, with the number of rows below it and up to it. (Whole numbers, but the library counts in f32.)
#[derive(Clone, Copy)]
struct Entry {
    below: f32,
    upto: f32,
    value: f32,
}

/// Each distinct value once, ascending.
fn summary(sorted: &[f32]) -> Vec<Entry> {
    let mut below = 0;
    let entry = |group: &[f32]| {
        let entry = Entry { below: below as f32, upto: (below + group.len()) as f32, value: group[0] };
        below += group.len();
        entry
    };
    sorted.chunk_by(|a, b| a == b).map(entry).collect()
}

/// At most `most` of the entries, at about even ranks, the first and the last always among them. (The quantile summary
/// of Chen and Guestrin 2016, appendix; the arithmetic is the library's.)
fn pruned(of: Vec<Entry>, most: usize) -> Vec<Entry> {
    if of.len() <= most {
        return of;
    }
    let (first, end) = (of[0], of.len() - 1);
    let (range, n) = (of[end].below - first.upto, most - 1);
    let mut kept = vec![first];
    let (mut i, mut last) = (1, 0);
    for k in 1..n {
        let rank = 2.0 * ((k as f32 * range) / n as f32 + first.upto);
        while i < end && rank >= of[i + 1].upto + of[i + 1].below {
            i += 1;
        }
        if i == end {
            break;
        }
        // An entry's own rows lie between `below` and `upto`.
        let near = if rank < of[i].upto + of[i + 1].below { i } else { i + 1 };
        if near != last {
            kept.push(of[near]);
            last = near;
        }
    }
    if last != end {
        kept.push(of[end]);
    }
    kept
}

/// The bins of one column: their upper bounds, and a bound below all values.
pub struct BinEdges {
    /// Each bin's values are below its bound.
    pub upper: Vec<f32>,
    pub lowest: f32,
}

impl BinEdges {
    fn new(mut present: Vec<f32>) -> Self {
        if present.is_empty() {
            return Self { upper: vec![2e-5], lowest: 1e-5 };
        }
        present.sort_unstable_by(f32::total_cmp);
        let rows = present.len();
        let kept = pruned(summary(&present), (BINS * FACTOR + 1).min(rows));
        let kept = pruned(kept, (BINS * FACTOR).min(rows));
        let bins = rows.min(BINS);
        let kept = pruned(kept, bins + 1);
        let (first, last) = (kept[0].value, kept[kept.len() - 1].value);
        let mut upper: Vec<f32> = kept.iter().take(bins).skip(1).map(|entry| entry.value).collect();
        upper.push(last + (last.abs() + 1e-5));
        Self { upper, lowest: first - first.abs() - 1e-5 }
    }

    fn code(&self, value: f32) -> u16 {
        if value.is_nan() {
            return MISSING;
        }
        self.upper.partition_point(|bound| *bound <= value).min(self.upper.len() - 1) as u16
    }
}

/// The training rows of one fit in the library's bins.
pub struct Binned {
    pub edges: Vec<BinEdges>,
    /// For each column, the code of each row.
    pub codes: Vec<Vec<u16>>,
    /// For each column, all rows in the order of their codes, missing ones last: the code in the upper 16 bits, the row
    /// in the lower ones.
    pub orders: Vec<Vec<u32>>,
}

impl Binned {
    /// Bins at most `ROWS` rows.
    ///
    /// # Errors
    ///
    /// `Stopped`.
    pub fn new(task: &FitTask<'_>, control: &Control) -> Result<Self, LearnError> {
        let width = task.columns.len();
        let mut dense = vec![0f32; task.train.len() * width];
        gather(task.data.x(), task.columns, task.train, &mut dense, control)?;
        super::matrix::clear_constants(&mut dense, width, control)?;
        let column = |at: usize| {
            let values = || dense.iter().skip(at).step_by(width).copied();
            let cuts = BinEdges::new(values().filter(|v| !v.is_nan()).collect());
            let codes: Vec<u16> = values().map(|v| cuts.code(v)).collect();
            let mut order: Vec<u32> = codes.iter().zip(0..).map(|(code, row)| u32::from(*code) << 16 | row).collect();
            order.sort_unstable();
            (cuts, codes, order)
        };
        let mut binned = Self { edges: Vec::new(), codes: Vec::new(), orders: Vec::new() };
        for at in 0..width {
            control.check()?;
            let (cuts, codes, order) = column(at);
            binned.edges.push(cuts);
            binned.codes.push(codes);
            binned.orders.push(order);
        }
        Ok(binned)
    }
}

impl FitTask<'_> {
    /// Calls `work` with the task's own bins or the shared ones.
    ///
    /// # Errors
    ///
    /// `Stopped` while the bins are made; the errors of `work`.
    pub(crate) fn with_binned<R>(
        &self,
        control: &Control,
        work: impl FnOnce(&Binned) -> Result<R, LearnError>,
    ) -> Result<R, LearnError> {
        shared::with(self.shared, || Binned::new(self, control), work)
    }
}
