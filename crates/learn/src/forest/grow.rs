//! Growing one tree: counts of drawn rows per bin are whole numbers, so no sum depends on its order.

use crate::bins::WideTable;
use crate::prefetch::{AHEAD, prefetch};
use crate::trees::{Node, Tree};
use crate::{Control, LearnError};
use provost_domain::rng::{SplitMix64, mix};

pub struct Settings {
    pub seed: u64,
    /// Columns to visit per node; constant ones count, but one that varies is always looked for.
    pub features: usize,
    pub max_depth: u32,
    /// Minima count distinct rows, not draws.
    pub min_split: usize,
    pub min_leaf: usize,
    pub bootstrap: bool,
    /// Per class.
    pub weights: [f64; 2],
    /// Whether trees are kept so that they can be cut back.
    pub inner: bool,
}

impl Settings {
    /// Distinct rows that a node needs to be split.
    pub fn enough(&self) -> usize {
        self.min_split.max(2 * self.min_leaf)
    }
}

/// A node's share of class 1 and its distinct rows, whether it was split or not.
#[derive(Clone, Copy, Default)]
struct Inner {
    share: f32,
    rows: u32,
}

/// A tree and its gain per column.
pub struct Grown {
    pub tree: Tree,
    pub gains: Vec<f64>,
    inner: Vec<Inner>,
}

impl Grown {
    /// The tree that would have grown to this depth at most, with nodes of fewer than `enough` rows left whole. Of a tree
    /// that was grown deeper, down to as few rows or fewer, and with `inner`.
    pub fn cut(&self, max_depth: u32, enough: usize) -> Tree {
        let mut nodes = vec![Node::leaf(0.0)];
        let mut parts = vec![(0, 0, 0)];
        while let Some((from, to, depth)) = parts.pop() {
            let Inner { share, rows } = self.inner[from];
            let Some(child) = self.tree[from].child().filter(|_| depth < max_depth && rows as usize >= enough) else {
                nodes[to] = Node::leaf(share);
                continue;
            };
            let left = nodes.len();
            nodes[to] = self.tree[from].with_child(left);
            nodes.extend([Node::leaf(0.0); 2]);
            parts.push((child + 1, left + 1, depth + 1));
            parts.push((child, left, depth + 1));
        }
        nodes
    }
}

/// A row of the bootstrap sample.
#[derive(Clone, Copy, Default)]
struct Draw {
    row: u32,
    count: u16,
    label: u16,
}

/// Draws, draws of class 1, distinct rows.
#[derive(Clone, Copy, Default, PartialEq)]
struct Tally {
    all: u32,
    ones: u32,
    rows: u32,
}

impl Tally {
    #[inline]
    fn add(&mut self, other: Tally) {
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
    fn minus(self, other: Tally) -> Tally {
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
fn masses(t: Tally, weights: [f64; 2]) -> [f64; 2] {
    [f64::from(t.all - t.ones) * weights[0], f64::from(t.ones) * weights[1]]
}

/// A part to grow: node, rows, depth, the key of its random numbers, columns (of the first 64) known to be constant.
struct Part {
    node: usize,
    from: usize,
    to: usize,
    depth: u32,
    key: u64,
    constant: u64,
    tally: Tally,
}

#[derive(Clone, Copy)]
struct Split {
    /// Half the weighted Gini impurity that is left, times the weight; less is better.
    cost: f64,
    column: usize,
    /// The last bin of the left side, and the next one in the node (`missing` when only missing values follow).
    bin: usize,
    next: usize,
    missing_left: bool,
    left: Tally,
}

/// Up to this many rows are sorted instead of counted in bins.
const SMALL: usize = 24;
/// Row visits between two looks at the cancel token: some milliseconds.
const PATIENCE: usize = 1 << 20;

/// The memory of one thread's trees.
pub struct Grower<'a> {
    table: &'a WideTable,
    labels: &'a [u8],
    settings: &'a Settings,
    draws: Vec<Draw>,
    spill: Vec<Draw>,
    tallies: Vec<Tally>,
    occupied: Vec<u64>,
    order: Vec<u32>,
    swaps: Vec<usize>,
    parts: Vec<Part>,
}

impl<'a> Grower<'a> {
    pub fn new(table: &'a WideTable, labels: &'a [u8], settings: &'a Settings) -> Self {
        let most = table.bins.iter().map(|b| b.len() + 1).max().unwrap_or(1);
        Self {
            table,
            labels,
            settings,
            draws: Vec::with_capacity(labels.len()),
            spill: vec![Draw::default(); labels.len()],
            tallies: vec![Tally::default(); most],
            occupied: vec![0; most.div_ceil(64)],
            order: (0..table.bins.len() as u32).collect(),
            swaps: Vec::new(),
            parts: Vec::new(),
        }
    }

    fn draw(&mut self, tree: u64) {
        let n = self.labels.len();
        let draw = |row: usize, count: u16| Draw { row: row as u32, count, label: u16::from(self.labels[row]) };
        self.draws.clear();
        if !self.settings.bootstrap {
            self.draws.extend((0..n).map(|row| draw(row, 1)));
            return;
        }
        let mut rng = SplitMix64::keyed(self.settings.seed, &[tree, 0]);
        let mut counts = vec![0u16; n];
        for _ in 0..n {
            let row = rng.below(n as u32) as usize;
            counts[row] = counts[row].saturating_add(1);
        }
        self.draws.extend(counts.iter().enumerate().filter(|(_, c)| **c > 0).map(|(row, c)| draw(row, *c)));
    }

    /// The tree of this number.
    pub fn tree(&mut self, tree: u64, control: &Control) -> Result<Grown, LearnError> {
        control.check()?;
        self.draw(tree);
        let weights = self.settings.weights;
        let mut nodes = vec![Node::leaf(0.0)];
        let mut inner = vec![Inner::default(); usize::from(self.settings.inner)];
        let mut gains = vec![0.0; self.table.bins.len()];
        let mut tally = Tally::default();
        self.draws.iter().for_each(|d| tally.add((*d).into()));
        let mut key = SplitMix64::keyed(self.settings.seed, &[tree, 1]);
        self.parts.clear();
        self.parts.push(Part {
            node: 0,
            from: 0,
            to: self.draws.len(),
            depth: 0,
            key: key.next_u64(),
            constant: 0,
            tally,
        });
        let mut visits = 0;
        while let Some(mut part) = self.parts.pop() {
            let [zeros, ones] = masses(part.tally, weights);
            let share = (ones / (zeros + ones)) as f32;
            nodes[part.node] = Node::leaf(share);
            let rows = part.to - part.from;
            if let Some(inner) = inner.get_mut(part.node) {
                *inner = Inner { share, rows: rows as u32 };
            }
            if rows < self.settings.enough() || part.depth >= self.settings.max_depth || zeros == 0.0 || ones == 0.0 {
                continue;
            }
            visits += rows * self.settings.features;
            if visits > PATIENCE {
                visits = 0;
                control.check()?;
            }
            let Some(split) = self.best_split(&mut part) else { continue };
            gains[split.column] += zeros * ones / (zeros + ones) - split.cost;
            let middle = self.partition(&part, &split);
            let left = nodes.len();
            let threshold = self.table.bins[split.column].between(split.bin, split.next).1;
            nodes[part.node] = Node::split(split.column, threshold, split.missing_left, left);
            nodes.extend([Node::leaf(0.0); 2]);
            if self.settings.inner {
                inner.extend([Inner::default(); 2]);
            }
            let child = |node, from, to, key, tally| Part {
                node,
                from,
                to,
                depth: part.depth + 1,
                key: mix(key),
                constant: part.constant,
                tally,
            };
            let (first, second) = (part.key ^ 0xA076_1D64_78BD_642F, part.key ^ 0xE703_7ED1_A0B4_28DB);
            self.parts.push(child(left + 1, middle, part.to, second, part.tally.minus(split.left)));
            self.parts.push(child(left, part.from, middle, first, split.left));
        }
        nodes.shrink_to_fit();
        Ok(Grown { tree: nodes, gains, inner })
    }

    /// Visits columns in random order; the first of equally good splits counts.
    fn best_split(&mut self, part: &mut Part) -> Option<Split> {
        let width = self.order.len();
        let mut rng = SplitMix64::new(part.key);
        let mut best = None;
        let (mut visited, mut varied) = (0, false);
        self.swaps.clear();
        while visited < width && (visited < self.settings.features || !varied) {
            let other = visited + rng.below((width - visited) as u32) as usize;
            self.order.swap(visited, other);
            self.swaps.push(other);
            let column = self.order[visited] as usize;
            visited += 1;
            if column < 64 && part.constant >> column & 1 == 1 {
                continue;
            }
            if self.scan(part, column, &mut best) {
                varied = true;
            } else if column < 64 {
                part.constant |= 1 << column;
            }
        }
        // Back to the original order: a node's columns depend on its key alone.
        for (at, other) in self.swaps.iter().enumerate().rev() {
            self.order.swap(at, *other);
        }
        best
    }

    /// Looks for a better split by one column; false if the column is constant here.
    fn scan(&mut self, part: &Part, column: usize, best: &mut Option<Split>) -> bool {
        let codes = &self.table.columns[column];
        let missing = self.table.bins[column].len();
        let rows = &self.draws[part.from..part.to];
        let mut sweep = Sweep::new(part.tally, column, missing, self.settings, best);
        if rows.len() <= SMALL {
            // All codes first: the memory answers such questions side by side, but not across the guesses of a sort.
            let mut found = [0u16; SMALL];
            for (code, draw) in found.iter_mut().zip(rows) {
                *code = codes[draw.row as usize];
            }
            let mut sorted = [(0u16, Tally::default()); SMALL];
            for (i, (draw, code)) in rows.iter().zip(found).enumerate() {
                let entry = (code, Tally::from(*draw));
                let mut at = i;
                while at > 0 && sorted[at - 1].0 > entry.0 {
                    sorted[at] = sorted[at - 1];
                    at -= 1;
                }
                sorted[at] = entry;
            }
            let sorted = &sorted[..rows.len()];
            if sorted[0].0 == sorted[rows.len() - 1].0 {
                return false;
            }
            let absent = sorted.iter().rev().take_while(|(code, _)| usize::from(*code) == missing);
            absent.for_each(|(_, t)| sweep.missing.add(*t));
            for group in sorted.chunk_by(|a, b| a.0 == b.0) {
                let mut tally = Tally::default();
                group.iter().for_each(|(_, t)| tally.add(*t));
                sweep.step(usize::from(group[0].0), tally);
            }
            return true;
        }
        let tallies = &mut self.tallies[..=missing];
        let words = missing / 64 + 1;
        let occupied = &mut self.occupied[..words];
        if rows.len() >= missing {
            for (at, draw) in rows.iter().enumerate() {
                if let Some(next) = rows.get(at + AHEAD) {
                    prefetch(codes, next.row as usize);
                }
                tallies[usize::from(codes[draw.row as usize])].add((*draw).into());
            }
            occupied.fill(!0);
            occupied[words - 1] = !0 >> (63 - missing % 64);
        } else {
            occupied.fill(0);
            for (at, draw) in rows.iter().enumerate() {
                if let Some(next) = rows.get(at + AHEAD) {
                    prefetch(codes, next.row as usize);
                }
                let code = usize::from(codes[draw.row as usize]);
                tallies[code].add((*draw).into());
                occupied[code / 64] |= 1 << (code % 64);
            }
        }
        sweep.missing = tallies[missing];
        let mut groups = 0;
        for (word, bits) in occupied.iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                let bin = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let tally = std::mem::take(&mut tallies[bin]);
                if tally.rows > 0 {
                    groups += 1;
                    sweep.step(bin, tally);
                }
            }
        }
        groups > 1
    }

    /// Moves the left rows before the right ones, both in their order; returns where the right ones start.
    fn partition(&mut self, part: &Part, split: &Split) -> usize {
        let codes = &self.table.columns[split.column];
        let missing = self.table.bins[split.column].len();
        let absent = if split.missing_left { missing } else { usize::MAX };
        let (draws, spill) = (&mut self.draws[part.from..part.to], &mut self.spill[..part.to - part.from]);
        let (mut left, mut others) = (0, 0);
        // Without a branch: which side comes next cannot be foretold.
        for at in 0..draws.len() {
            let draw = draws[at];
            let code = usize::from(codes[draw.row as usize]);
            let side = usize::from((code <= split.bin) | (code == absent));
            (draws[left], spill[others]) = (draw, draw);
            left += side;
            others += 1 - side;
        }
        draws[left..].copy_from_slice(&spill[..others]);
        part.from + left
    }
}

/// Goes through a column's occupied bins in ascending order and keeps the best split.
struct Sweep<'b> {
    total: Tally,
    missing: Tally,
    below: Tally,
    last: Option<usize>,
    column: usize,
    missing_bin: usize,
    min_leaf: u32,
    weights: [f64; 2],
    best: &'b mut Option<Split>,
}

impl<'b> Sweep<'b> {
    fn new(total: Tally, column: usize, missing_bin: usize, settings: &Settings, best: &'b mut Option<Split>) -> Self {
        let (below, missing, min_leaf) = (Tally::default(), Tally::default(), settings.min_leaf as u32);
        Self { total, missing, below, last: None, column, missing_bin, min_leaf, weights: settings.weights, best }
    }

    #[inline]
    fn step(&mut self, bin: usize, tally: Tally) {
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
