//! Grows one tree. Counts of drawn rows per bin are whole numbers, so no sum depends on its order.

use super::block::Blocks;
use super::sample::{self, Draw};
use super::scan::{SMALL, count, sort};
use super::settings::ForestSettings;
use super::sweep::{ForestSplit, Packed, Sweep, Tally, masses};
use crate::bins::WideTable;
use crate::error::LearnError;
use crate::prefetch::{AHEAD, prefetch};
use provost_domain::rng::{SplitMix64, mix};
use provost_predict::control::BLOCK;
use provost_predict::control::Control;
use provost_predict::trees::{Node, Tree};

/// A node's share of class 1 and its number of distinct rows, recorded whether the node was split or not.
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
    /// The tree that would have grown to this depth at most, without splits of nodes that have fewer than `enough`
    /// rows. Requires a tree that was grown at least as deep, with splits of nodes of as few rows, and with `inner`.
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

/// A node to grow: its number, the range of its rows, the copy that has their codes, its depth, the key of its random
/// numbers, and which of the first 64 columns are known to be constant in it (a bit each).
struct Part {
    node: usize,
    from: usize,
    to: usize,
    copy: usize,
    depth: u32,
    key: u64,
    constant: u64,
    tally: Tally,
}

/// Row visits between two checks of the token: some milliseconds.
const PATIENCE: usize = 1 << 20;

/// Grows trees on one thread; keeps its buffers from tree to tree.
pub struct Grower<'a> {
    table: &'a WideTable,
    labels: &'a [u8],
    settings: &'a ForestSettings,
    blocks: Blocks<'a>,
    draws: Vec<Draw>,
    spill: Vec<Draw>,
    packed: Vec<Packed>,
    /// For nodes with more draws than `Packed` can count; empty where no node has so many.
    tallies: Vec<Tally>,
    occupied: Vec<u64>,
    sweep: Sweep,
    order: Vec<u32>,
    swaps: Vec<usize>,
    parts: Vec<Part>,
}

impl<'a> Grower<'a> {
    pub fn new(table: &'a WideTable, labels: &'a [u8], settings: &'a ForestSettings) -> Self {
        let most = table.bins.iter().map(|b| b.len() + 1).max().unwrap_or(1);
        // A bootstrap sample of many rows contains about 63% of them.
        let drawn = if settings.bootstrap { labels.len() / 3 * 2 } else { labels.len() };
        Self {
            table,
            labels,
            settings,
            blocks: Blocks::new(table, &settings.copies),
            draws: Vec::with_capacity(drawn),
            spill: vec![Draw::default(); drawn],
            packed: vec![Packed::default(); most],
            tallies: vec![Tally::default(); if labels.len() > Packed::MOST as usize { most } else { 0 }],
            occupied: vec![0; most.div_ceil(64)],
            sweep: Sweep::new(most),
            order: (0..table.bins.len() as u32).collect(),
            swaps: Vec::new(),
            parts: Vec::new(),
        }
    }

    fn draw(&mut self, tree: u64, control: &Control) -> Result<(), LearnError> {
        if self.settings.bootstrap {
            let random = SplitMix64::keyed(self.settings.seed, &[tree, 0]);
            sample::bootstrap(self.labels, random, &mut self.draws, control)?;
        } else {
            sample::all(self.labels, &mut self.draws);
        }
        if self.spill.len() < self.draws.len() {
            self.spill.resize(self.draws.len(), Draw::default());
        }
        Ok(())
    }

    /// Grows the tree of this number.
    pub fn tree(&mut self, tree: u64, control: &Control) -> Result<Grown, LearnError> {
        control.check()?;
        self.draw(tree, control)?;
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
            copy: 0,
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
            // Nodes are grown depth first: no node that is still to come needs what this copy held before.
            while self.blocks.holds(rows, part.copy) {
                self.blocks.load(&mut self.draws[part.from..part.to], part.copy);
                part.copy += 1;
            }
            let Some(split) = self.best_split(&mut part, control)? else { continue };
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
                copy: part.copy,
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

    /// The best split, of columns that are visited in random order; of equally good splits the first wins.
    fn best_split(&mut self, part: &mut Part, control: &Control) -> Result<Option<ForestSplit>, LearnError> {
        let many = part.to - part.from >= BLOCK;
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
            if many {
                control.check()?;
            }
            if self.scan(part, column, &mut best) {
                varied = true;
            } else if column < 64 {
                part.constant |= 1 << column;
            }
        }
        // Restores the original order: the columns that a node draws depend on its key alone.
        for (at, other) in self.swaps.iter().enumerate().rev() {
            self.order.swap(at, *other);
        }
        if many {
            control.check()?;
        }
        Ok(best)
    }

    /// Looks for a better split by one column; false if the column is constant in this node.
    fn scan(&mut self, part: &Part, column: usize, best: &mut Option<ForestSplit>) -> bool {
        let codes = self.blocks.column(column, part.copy);
        let missing = self.table.bins[column].len();
        let rows = &self.draws[part.from..part.to];
        let sweep = &mut self.sweep;
        sweep.start();
        let varies = match rows.len() {
            ..=SMALL => sort(rows, codes, missing, sweep),
            _ if part.tally.all <= Packed::MOST => {
                count(rows, codes, &mut self.packed, &mut self.occupied, missing, sweep)
            }
            _ => count(rows, codes, &mut self.tallies, &mut self.occupied, missing, sweep),
        };
        if varies {
            sweep.finish(part.tally, column, self.settings, best);
        }
        varies
    }

    /// Moves the left rows before the right ones, both in their order; returns where the right ones start.
    fn partition(&mut self, part: &Part, split: &ForestSplit) -> usize {
        let codes = self.blocks.column(split.column, part.copy);
        let missing = self.table.bins[split.column].len();
        let absent = if split.missing_left { missing } else { usize::MAX };
        let (draws, spill) = (&mut self.draws[part.from..part.to], &mut self.spill[..part.to - part.from]);
        let (mut left, mut others) = (0, 0);
        // No branch: the side of the next row is not predictable.
        for at in 0..draws.len() {
            let draw = draws[at];
            if let Some(next) = draws.get(at + AHEAD) {
                prefetch(codes, next.row as usize);
            }
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
