//! Grows the tree of one round.

use super::chooser::{BoostingSplit, Chooser};
use super::histogram::{self, Cell, Histogram, Packing};
use super::leaves::{Sums, shift, sum, sums, sums_side_by_side};
use super::node_test::{NodeTest, Test};
use super::settings::BoostingSettings;
use super::tree_node::{Halves, Part, TreeNode};
use crate::bins::NarrowTable;
use crate::error::LearnError;
use provost_domain::rng::SplitMix64;
use provost_predict::calibration::sigmoid;
use provost_predict::control::BLOCK;
use provost_predict::control::Control;
use provost_predict::trees::sets::{self, Set};
use provost_predict::trees::{Node, Tree};
use rayon::prelude::*;

/// Fewer elements than this stay on one thread; the results of elementwise work do not depend on it.
const PARALLEL: usize = 16_384;
/// Elements of one thread's task.
const CHUNK: usize = 8_192;

/// Most nodes whose children are counted in one pass, where the rows do not fit into a core's own cache; and most
/// columns in the histograms of those nodes together, which have to stay in that cache.
const TOGETHER: usize = 16;
const COLUMNS_TOGETHER: usize = 192;

/// The key of the random streams that draw columns.
const COLUMNS: u64 = 0x636f_6c75;

/// The state that is kept from round to round.
pub struct Grower<'a> {
    table: &'a NarrowTable,
    labels: &'a [u8],
    settings: &'a BoostingSettings,
    margins: Vec<f64>,
    probabilities: Vec<f64>,
    packed: Vec<Cell>,
    rows: Vec<u32>,
    spill: Vec<u32>,
    spare: Vec<Histogram>,
    chooser: Chooser<'a>,
    sets: Vec<Set>,
}

impl<'a> Grower<'a> {
    pub fn new(table: &'a NarrowTable, labels: &'a [u8], settings: &'a BoostingSettings, base: f64) -> Self {
        let n = labels.len();
        Self {
            table,
            labels,
            settings,
            margins: vec![base; n],
            probabilities: vec![0.0; n],
            packed: vec![0; n],
            rows: Vec::with_capacity(n),
            spill: vec![0; n],
            spare: Vec::new(),
            chooser: Chooser::new(table, settings),
            sets: Vec::new(),
        }
    }

    /// The category sets of the splits of all rounds so far, by the number that the nodes refer to.
    pub fn sets(&self) -> &[Set] {
        &self.sets
    }
    pub fn into_sets(self) -> Vec<Set> {
        self.sets
    }

    #[cfg(test)]
    pub fn margins(&self) -> &[f64] {
        &self.margins
    }

    /// Computes the probabilities and the packed residuals at the current margins.
    fn residuals(&mut self, control: &Control) -> Result<Packing, LearnError> {
        let n = self.labels.len();
        let (margins, labels) = (&self.margins, self.labels);
        let residual = |p: &mut f64, z: &f64, y: &u8| {
            *p = sigmoid(*z);
            (f64::from(*y) - *p).abs()
        };
        let largest = if n < PARALLEL {
            let each = self.probabilities.iter_mut().zip(margins).zip(labels);
            each.map(|((p, z), y)| residual(p, z, y)).fold(0.0, f64::max)
        } else {
            let each =
                self.probabilities.par_chunks_mut(CHUNK).zip(margins.par_chunks(CHUNK)).zip(labels.par_chunks(CHUNK));
            let of_chunk = |((p, z), y): ((&mut [f64], &[f64]), &[u8])| {
                control.check()?;
                Ok::<f64, LearnError>(
                    p.iter_mut().zip(z).zip(y).map(|((p, z), y)| residual(p, z, y)).fold(0.0, f64::max),
                )
            };
            each.map(of_chunk).try_reduce(|| 0.0, |a, b| Ok(f64::max(a, b)))?
        };
        let packing = Packing::new(n, largest);
        let pack = |((cell, p), y): ((&mut Cell, &f64), &u8)| *cell = packing.pack(f64::from(*y) - p);
        if n < PARALLEL {
            self.packed.iter_mut().zip(&self.probabilities).zip(labels).for_each(pack);
        } else {
            let packed = self.packed.par_chunks_mut(CHUNK);
            packed.zip(self.probabilities.par_chunks(CHUNK)).zip(labels.par_chunks(CHUNK)).try_for_each(
                |((cells, p), y)| {
                    control.check()?;
                    cells.iter_mut().zip(p).zip(y).for_each(pack);
                    Ok::<(), LearnError>(())
                },
            )?;
        }
        Ok(packing)
    }

    /// Draws the rows of this round, ascending; returns whether these are all rows.
    fn sample(&mut self, round: u64, control: &Control) -> Result<bool, LearnError> {
        let n = self.labels.len();
        let wanted = ((self.settings.subsample * n as f64) as usize).clamp(1, n);
        if wanted == n {
            let all = (0..n as u32).into_par_iter().with_min_len(PARALLEL);
            all.collect_into_vec(&mut self.rows);
            return Ok(true);
        }
        self.rows.clear();
        // Selection sampling (Knuth, TAOCP vol. 2, 3.4.2, algorithm S): the exact number, already in order.
        let mut rng = SplitMix64::keyed(self.settings.seed, &[round]);
        let mut left = wanted;
        for row in 0..n {
            if row % BLOCK == 0 {
                control.check()?;
            }
            if rng.unit() * ((n - row) as f64) < left as f64 {
                self.rows.push(row as u32);
                left -= 1;
            }
        }
        Ok(false)
    }

    /// Grows the next tree; adds its gain per column to `gains`.
    pub fn round(&mut self, round: u64, gains: &mut [f64], control: &Control) -> Result<Tree, LearnError> {
        control.check()?;
        let packing = self.residuals(control)?;
        let whole = self.sample(round, control)?;
        let (mut nodes, mut cuts) = (vec![Node::leaf(0.0)], vec![NodeTest::LEAF]);
        let (mut parts, mut leaves) = (Vec::new(), Vec::new());
        let all = TreeNode { node: 0, from: 0, to: self.rows.len(), steps: (f64::NEG_INFINITY, f64::INFINITY) };
        if self.splittable(all.rows(), 0) {
            let mut histogram = self.histogram();
            histogram::fill(self.table, &self.packed, &[&self.rows], std::slice::from_mut(&mut histogram), control)?;
            parts.push(Part { side: all, depth: 0, histogram });
        } else {
            leaves.push(all);
        }
        let mut halves = Vec::new();
        while !parts.is_empty() {
            let rest = parts.len().saturating_sub(self.together());
            for part in parts.drain(rest..).rev() {
                let random = SplitMix64::keyed(self.settings.seed, &[COLUMNS, round, part.side.node as u64]);
                let found = self.chooser.best(&part.histogram, packing, random);
                let Some((column, split, gain)) = found else {
                    leaves.push(part.side);
                    self.spare.push(part.histogram);
                    continue;
                };
                control.check()?;
                gains[column] += packing.gain(gain);
                let child = nodes.len();
                let (test, node) = self.test(column, split, child);
                let cut = NodeTest { column, test, child };
                let middle = self.partition(part.side.from, part.side.to, &cut);
                control.check()?;
                nodes[part.side.node] = node;
                cuts[part.side.node] = cut;
                nodes.extend([Node::leaf(0.0); 2]);
                cuts.extend([NodeTest::LEAF; 2]);
                halves.push(self.halves(part, middle, child, self.settings.direction(column)));
            }
            self.children(&mut halves, &mut parts, &mut leaves, control)?;
        }
        self.leaves(&leaves, &mut nodes, control)?;
        if !whole {
            self.rest(&nodes, &cuts, control)?;
        }
        Ok(nodes)
    }

    /// The split in terms of codes, and the same split in terms of values.
    fn test(&mut self, column: usize, split: BoostingSplit, child: usize) -> (Test, Node) {
        match split {
            BoostingSplit::Ordered(found) => {
                let bins = &self.table.bins[column];
                let (bin, threshold) = bins.between(found.bin, found.next);
                let missing = if found.missing_left { bins.len() as u16 } else { NodeTest::NONE };
                let node = Node::split(column, threshold, found.missing_left, child);
                (Test::Below { bin: bin as u8, missing }, node)
            }
            BoostingSplit::Set(set) => {
                self.sets.push(set);
                self.chooser.no_sets = self.sets.len() >= sets::MOST;
                (Test::Among(set), Node::in_set(column, self.sets.len() - 1, child))
            }
        }
    }

    /// Number of nodes that are split before their children are counted.
    fn together(&self) -> usize {
        let few = self.labels.len() < histogram::PARALLEL;
        if few { 1 } else { (COLUMNS_TOGETHER / self.table.width.max(1)).clamp(1, TOGETHER) }
    }

    fn histogram(&mut self) -> Histogram {
        self.spare.pop().unwrap_or_else(|| vec![[0; 256]; self.table.width])
    }

    /// The Newton step of the rows of `side`.
    fn step(&self, side: TreeNode) -> f64 {
        side.step(sum((0.0, 0.0), &self.rows[side.from..side.to], &self.probabilities, self.labels))
    }

    fn splittable(&self, rows: usize, depth: u32) -> bool {
        depth < self.settings.max_depth && rows >= self.settings.min_split.max(2 * self.settings.min_leaf)
    }

    /// Both children of a node whose rows have been partitioned.
    fn halves(&self, part: Part, middle: usize, node: usize, direction: i8) -> Halves {
        let TreeNode { from, to, steps, .. } = part.side;
        let mut left = TreeNode { node, from, to: middle, steps };
        let mut right = TreeNode { node: node + 1, from: middle, to, steps };
        if direction != 0 {
            // At all levels below, each side stays on its own side of `between`.
            let between = 0.5 * (self.step(left) + self.step(right));
            let (low, high) = if direction > 0 { (&mut left, &mut right) } else { (&mut right, &mut left) };
            (low.steps.1, high.steps.0) = (between, between);
        }
        let (small, large) = if left.rows() < right.rows() { (left, right) } else { (right, left) };
        Halves { small, large, depth: part.depth + 1, histogram: part.histogram }
    }

    /// Queues both children of each node: the histogram of the smaller child is counted, that of the larger child is
    /// the parent's minus the counted one. The smaller child is split next, so that the number of waiting histograms is
    /// at most the number of binary digits of the row count, for each of the nodes that are counted together.
    fn children(
        &mut self,
        halves: &mut Vec<Halves>,
        parts: &mut Vec<Part>,
        leaves: &mut Vec<TreeNode>,
        control: &Control,
    ) -> Result<(), LearnError> {
        let counts: Vec<TreeNode> =
            halves.iter().filter(|h| self.splittable(h.large.rows(), h.depth)).map(|h| h.small).collect();
        let mut counted: Vec<Histogram> = counts.iter().map(|_| self.histogram()).collect();
        let rows: Vec<&[u32]> = counts.iter().map(|side| &self.rows[side.from..side.to]).collect();
        histogram::fill(self.table, &self.packed, &rows, &mut counted, control)?;
        let mut counted = counted.into_iter();
        for Halves { small, large, depth, histogram: mut rest } in halves.drain(..) {
            let (open_small, open_large) = (self.splittable(small.rows(), depth), self.splittable(large.rows(), depth));
            let mut counted = if open_large { counted.next() } else { None };
            if let Some(histogram) = &mut counted {
                histogram::subtract(self.table, &mut rest, histogram);
            }
            for (side, histogram, open) in [(large, Some(rest), open_large), (small, counted, open_small)] {
                match histogram {
                    Some(histogram) if open => parts.push(Part { side, depth, histogram }),
                    histogram => {
                        leaves.push(side);
                        self.spare.extend(histogram);
                    }
                }
            }
        }
        Ok(())
    }

    /// Partitions a node's rows, each side in the original order; returns where the right side begins.
    fn partition(&mut self, from: usize, to: usize, cut: &NodeTest) -> usize {
        let (rows, spill, codes) =
            (&mut self.rows[from..to], &mut self.spill[from..to], &self.table.columns[cut.column][..]);
        let threads = if rows.len() < PARALLEL { 1 } else { rayon::current_num_threads() };
        let size = rows.len().div_ceil(threads).max(1);
        let chunks = rows.par_chunks_mut(size).zip(spill.par_chunks_mut(size));
        let counts: Vec<usize> = chunks.map(|(rows, right)| cut.part(codes, rows, right)).collect();
        let mut middle = 0;
        for (at, left) in counts.iter().enumerate() {
            rows.copy_within(at * size..at * size + left, middle);
            middle += left;
        }
        let mut end = middle;
        for (right, left) in spill.chunks(size).zip(counts) {
            let right = &right[..right.len() - left];
            rows[end..end + right.len()].copy_from_slice(right);
            end += right.len();
        }
        from + middle
    }

    /// Sets each leaf to one Newton step times the learning rate, and moves the margins of the sampled rows by it.
    fn leaves(&mut self, leaves: &[TreeNode], nodes: &mut [Node], control: &Control) -> Result<(), LearnError> {
        let few = self.rows.len() < PARALLEL;
        let rows: Vec<&[u32]> = leaves.iter().map(|side| &self.rows[side.from..side.to]).collect();
        let sums = if few {
            sums(rows.clone(), &self.probabilities, self.labels, control)?
        } else {
            sums_side_by_side(&rows, &self.probabilities, self.labels, control)?
        };
        let value = |(side, sums): (&TreeNode, Sums)| (self.settings.rate * side.step(sums)).clamp(-1e30, 1e30) as f32;
        let values: Vec<f32> = leaves.iter().zip(sums).map(value).collect();
        leaves.iter().zip(&values).for_each(|(side, value)| nodes[side.node] = Node::leaf(*value));
        let parts = if few { 1 } else { rayon::current_num_threads() };
        shift(&rows, &values, &mut self.margins, parts, control)
    }

    /// Moves the margins of the rows outside the sample.
    fn rest(&mut self, nodes: &[Node], cuts: &[NodeTest], control: &Control) -> Result<(), LearnError> {
        let mut sampled = vec![false; self.labels.len()];
        self.rows.iter().for_each(|row| sampled[*row as usize] = true);
        for (row, margin) in self.margins.iter_mut().enumerate() {
            if row % BLOCK == 0 {
                control.check()?;
            }
            if sampled[row] {
                continue;
            }
            let (codes, mut at) = (self.table.row(row), 0);
            while cuts[at].child != 0 {
                at = cuts[at].child + usize::from(!cuts[at].left(codes[cuts[at].column]));
            }
            *margin += f64::from(nodes[at].as_leaf().unwrap_or(0.0));
        }
        Ok(())
    }
}
