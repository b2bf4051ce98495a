//! Grows the trees that the library would grow, for the many small fits of a search: with the same bins, draws, sums
//! and roundings, and so with the same splits and leaves, but without the library's fixed cost per tree. A test
//! compares each prediction with the library's.

use super::bin_edges::{Binned, MISSING, ROWS};
use super::random::{Coin, Twister};
use super::split_search::{Penalty, SplitSearch, Sums, XgboostSplit};
use super::{Checked, base_score, prior, seed};
use crate::error::LearnError;
use crate::learner::FitTask;
use provost_predict::control::Control;
use provost_predict::trees::{Node, Tree};

/// Gains up to this do not count.
const LEAST_GAIN: f32 = 1e-6;

struct XgboostSettings {
    rate: f32,
    max_depth: u64,
    gamma: f32,
    subsample: f32,
    columns: f32,
    positive: f32,
    penalty: Penalty,
}

impl XgboostSettings {
    fn new(checked: &Checked) -> Self {
        // The library parses these numbers as f32.
        let float = |name: &str| checked.params.get(name).and_then(|v| v.as_f64()).unwrap_or_default() as f32;
        Self {
            rate: float("learning_rate"),
            max_depth: checked.params.get("max_depth").and_then(|v| v.as_u64()).unwrap_or_default(),
            gamma: float("gamma"),
            subsample: float("subsample"),
            columns: float("colsample_bytree"),
            positive: float("scale_pos_weight"),
            penalty: Penalty {
                alpha: float("reg_alpha"),
                lambda: float("reg_lambda"),
                least: float("min_child_weight"),
            },
        }
    }
}

/// A node to split: the range of its rows in each order, and their sums.
struct Part {
    node: usize,
    from: usize,
    to: usize,
    depth: u64,
    sums: Sums,
}

struct Grower<'a> {
    binned: &'a Binned,
    settings: XgboostSettings,
    labels: Vec<f32>,
    margins: Vec<f32>,
    pairs: Vec<Sums>,
    sampled: Vec<bool>,
    /// For each column, the sampled rows of each node in the order of their codes.
    orders: Vec<Vec<u32>>,
    left: Vec<bool>,
    spill: Vec<u32>,
    search: SplitSearch,
    global: Twister,
    shuffler: Twister,
}

/// The margin before the first tree, and the trees; None where the trees might differ from the library's: with many
/// rows, and where the sum of very different numbers depends on their order.
pub fn trees(task: &FitTask<'_>, checked: &Checked, control: &Control) -> Result<Option<(f32, Vec<Tree>)>, LearnError> {
    if task.train.len() > ROWS || task.columns.is_empty() {
        return Ok(None);
    }
    // The library clamps the score to these bounds once more, in its own precision.
    let base = base_score(prior(task)?).clamp(1e-6, 1.0 - 1e-6);
    let margin = -(1.0 / base - 1.0).ln();
    task.with_binned(control, |binned| {
        let mut trees = Vec::with_capacity(checked.rounds as usize);
        let mut grower = Grower::new(task, binned, XgboostSettings::new(checked), margin);
        for round in 0..checked.rounds {
            control.check()?;
            if !grower.gradients() {
                return Ok(None);
            }
            trees.push(grower.round());
            control.progress(round + 1, checked.rounds);
        }
        Ok(Some((margin, trees)))
    })
}

impl<'a> Grower<'a> {
    fn new(task: &FitTask<'_>, binned: &'a Binned, settings: XgboostSettings, margin: f32) -> Self {
        let n = task.train.len();
        // The library seeds one generator for the rows with the given seed, and another one for the columns with the
        // first number of that generator.
        let mut global = Twister::new(seed(task) as u32);
        let shuffler = Twister::new(global.draw());
        let mut grower = Self {
            binned,
            settings,
            labels: task.train.iter().map(|row| f32::from(task.data.y()[*row as usize])).collect(),
            margins: vec![margin; n],
            pairs: vec![Sums::default(); n],
            sampled: vec![true; n],
            orders: vec![Vec::with_capacity(n); task.columns.len()],
            left: vec![false; n],
            spill: vec![0; n],
            search: SplitSearch::new(),
            global,
            shuffler,
        };
        // The library draws columns once when it is set up, and uses them for no tree.
        grower.columns();
        grower
    }

    /// The columns of the next tree, ascending.
    fn columns(&mut self) -> Vec<usize> {
        let width = self.orders.len();
        let mut columns: Vec<usize> = (0..width).collect();
        if self.settings.columns < 1.0 {
            self.shuffler.shuffle(&mut columns);
            columns.truncate(((self.settings.columns * width as f32) as usize).max(1));
            columns.sort_unstable();
        }
        columns
    }

    /// Computes the gradients at the current margins; false where sums of them are not exact in f64. (Each gradient is
    /// a multiple of 2^-23 times the power of two below it, and a sum has 53 bits.)
    fn gradients(&mut self) -> bool {
        let (mut least, mut most) = (f64::INFINITY, 0f64);
        for ((pair, margin), label) in self.pairs.iter_mut().zip(&self.margins).zip(&self.labels) {
            let p = 1.0 / ((-margin).min(88.7).exp() + 1.0 + 1e-16);
            let weight = if *label == 1.0 { self.settings.positive } else { 1.0 };
            let (gradient, hessian) = ((p - label) * weight, (p * (1.0 - p)).max(1e-16) * weight);
            *pair = Sums { gradient: f64::from(gradient), hessian: f64::from(hessian) };
            for size in [pair.gradient.abs(), pair.hessian] {
                least = if size > 0.0 && size < least { size } else { least };
                most = most.max(size);
            }
        }
        most * self.labels.len() as f64 <= least * f64::from(1 << 28)
    }

    /// Draws the rows of the next tree; returns whether these are all rows.
    fn sample(&mut self) -> bool {
        let n = self.labels.len();
        let whole = (n as f32 * self.settings.subsample) as usize >= n;
        if !whole {
            let mut coin = Coin::new(self.global.draw(), self.settings.subsample);
            self.sampled.iter_mut().for_each(|sampled| *sampled = coin.flip());
        }
        whole
    }

    fn round(&mut self) -> Tree {
        let whole = self.sample();
        let columns = self.columns();
        for column in &columns {
            let (order, all) = (&mut self.orders[*column], &self.binned.orders[*column]);
            order.clear();
            order.extend_from_slice(all);
            if !whole {
                let mut kept = 0;
                for i in 0..order.len() {
                    let entry = order[i];
                    order[kept] = entry;
                    kept += usize::from(self.sampled[row(entry)]);
                }
                order.truncate(kept);
            }
        }
        let Some(first) = columns.first().copied() else { return vec![Node::leaf(0.0)] };
        let mut sums = Sums::default();
        self.orders[first].iter().for_each(|entry| sums = sums.plus(self.pairs[row(*entry)]));
        let mut nodes = vec![Node::leaf(0.0)];
        let mut cuts = vec![(0, 0, false)];
        let mut parts = vec![Part { node: 0, from: 0, to: self.orders[first].len(), depth: 0, sums }];
        while let Some(part) = parts.pop() {
            let Some(split) = self.best_split(&part, &columns) else {
                self.leaf(&part, first, &mut nodes);
                continue;
            };
            let (threshold, last) = self.bound(&part, &split);
            let child = nodes.len();
            nodes[part.node] = Node::split(split.column, threshold.next_down(), split.missing_left, child);
            cuts[part.node] = (split.column, last, split.missing_left);
            nodes.extend([Node::leaf(0.0); 2]);
            cuts.extend([(0, 0, false); 2]);
            let middle = part.from + self.split_order(&part, &split);
            let side = |node, from, to, sums| Part { node, from, to, depth: part.depth + 1, sums };
            let sides = [side(child, part.from, middle, split.left), side(child + 1, middle, part.to, split.right)];
            if sides.iter().any(|side| self.splittable(side)) {
                self.split_others(&part, middle, &split, &columns);
            }
            for side in sides {
                if self.splittable(&side) {
                    parts.push(side);
                } else {
                    self.leaf(&side, split.column, &mut nodes);
                }
            }
        }
        if !whole {
            self.rest(&nodes, &cuts);
        }
        nodes
    }

    /// Whether a split of this node is looked for.
    fn splittable(&self, part: &Part) -> bool {
        part.depth < self.settings.max_depth && part.sums.hessian >= 2.0 * f64::from(self.settings.penalty.least)
    }

    fn best_split(&mut self, part: &Part, columns: &[usize]) -> Option<XgboostSplit> {
        let penalty = self.settings.penalty;
        let node = (part.sums, penalty.gain(part.sums));
        let mut best = XgboostSplit::default();
        for column in columns {
            let order = &self.orders[*column][part.from..part.to];
            self.search.look((order, *column), &self.pairs, node, penalty, &mut best);
        }
        let sound = best.gain > LEAST_GAIN && best.gain >= self.settings.gamma;
        (sound && best.left.hessian != 0.0 && best.right.hessian != 0.0).then_some(best)
    }

    /// The value that all values of the right side reach or exceed, and the last bin of the left side (-1 where it has
    /// none).
    fn bound(&self, part: &Part, split: &XgboostSplit) -> (f32, i32) {
        let order = &self.orders[split.column][part.from..part.to];
        let cuts = &self.binned.edges[split.column];
        // The library goes through the bins from the left, or from the right where missing values go left, and keeps
        // the first of equal splits: empty bins between the sides therefore belong to the side that it reaches last.
        let last = if split.missing_left {
            order[..split.present].get(split.middle).map_or(0, |entry| (entry >> 16) as i32) - 1
        } else {
            (order[split.middle - 1] >> 16) as i32
        };
        (usize::try_from(last).map_or(cuts.lowest, |last| cuts.upper[last]), last)
    }

    /// Partitions the node's rows in the order of the split's column; returns the number of rows on the left.
    fn split_order(&mut self, part: &Part, split: &XgboostSplit) -> usize {
        if !split.missing_left {
            return split.middle;
        }
        // Rows with missing values are the last in the order; they move before those of the right side.
        let order = &mut self.orders[split.column][part.from..part.to];
        let right = split.present - split.middle;
        order[split.middle..].rotate_left(right);
        order.len() - right
    }

    /// Partitions the node's rows in the orders of the other columns.
    fn split_others(&mut self, part: &Part, middle: usize, split: &XgboostSplit, columns: &[usize]) {
        let order = &self.orders[split.column];
        order[part.from..middle].iter().for_each(|entry| self.left[row(*entry)] = true);
        order[middle..part.to].iter().for_each(|entry| self.left[row(*entry)] = false);
        for column in columns.iter().filter(|column| **column != split.column) {
            let order = &mut self.orders[*column][part.from..part.to];
            let spill = &mut self.spill[..order.len()];
            let (mut at, mut others) = (0, 0);
            for i in 0..order.len() {
                let entry = order[i];
                let side = usize::from(self.left[row(entry)]);
                (order[at], spill[others]) = (entry, entry);
                at += side;
                others += 1 - side;
            }
            order[at..].copy_from_slice(&spill[..others]);
        }
    }

    /// `column`: any column whose order holds the node's rows.
    fn leaf(&mut self, part: &Part, column: usize, nodes: &mut [Node]) {
        let value = self.settings.penalty.weight(part.sums) * self.settings.rate;
        nodes[part.node] = Node::leaf(value);
        self.orders[column][part.from..part.to].iter().for_each(|entry| self.margins[row(*entry)] += value);
    }

    /// Updates the margins of the rows outside the sample.
    fn rest(&mut self, nodes: &[Node], cuts: &[(usize, i32, bool)]) {
        for (row, margin) in self.margins.iter_mut().enumerate().filter(|(row, _)| !self.sampled[*row]) {
            let mut at = 0;
            while let Some(child) = nodes[at].child() {
                let (column, last, missing_left) = cuts[at];
                let code = self.binned.codes[column][row];
                let left = if code == MISSING { missing_left } else { i32::from(code) <= last };
                at = child + usize::from(!left);
            }
            *margin += nodes[at].as_leaf().unwrap_or_default();
        }
    }
}

#[inline]
fn row(entry: u32) -> usize {
    (entry & 0xffff) as usize
}
