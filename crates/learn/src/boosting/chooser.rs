//! Chooses the column that splits a node, and the split.

use super::candidates::{Candidates, Found, Totals};
use super::category_split;
use super::histogram::{Cell, Histogram, Packing};
use super::settings::BoostingSettings;
use crate::bins::NarrowTable;
use provost_domain::rng::SplitMix64;
use provost_predict::trees::sets::Set;

/// A split of a node's histogram.
pub enum BoostingSplit {
    Ordered(Found),
    Set(Set),
}

/// Searches a node's histogram for the best split; keeps its buffers from node to node.
pub struct Chooser<'a> {
    table: &'a NarrowTable,
    settings: &'a BoostingSettings,
    candidates: Candidates,
    order: Vec<(f64, u8)>,
    /// All columns, in the order of the last draw.
    drawn: Vec<usize>,
    /// Whether the limit of set splits has been reached.
    pub no_sets: bool,
}

fn parts_rows(cells: &[Cell]) -> bool {
    cells.iter().filter(|cell| **cell != 0).nth(1).is_some()
}

impl<'a> Chooser<'a> {
    pub fn new(table: &'a NarrowTable, settings: &'a BoostingSettings) -> Self {
        let drawn = (0..table.width).collect();
        Self { table, settings, candidates: Candidates::NONE, order: Vec::new(), drawn, no_sets: false }
    }

    /// The column and the split with the highest gain (the first of equals), and that gain; None if no split has a
    /// gain.
    pub fn best(
        &mut self,
        histogram: &Histogram,
        packing: Packing,
        mut random: SplitMix64,
    ) -> Option<(usize, BoostingSplit, f64)> {
        let width = self.table.width;
        let total: Cell = histogram.first()?[..=self.table.bins[0].len()].iter().sum();
        let (sum, rows) = packing.open(total);
        let node = Totals { sum, rows: f64::from(rows), least: self.settings.min_leaf as f64 };
        let whole = sum * sum / node.rows;
        let sampled = self.settings.columns < width;
        let (mut best, mut looked) = (None, 0);
        for at in 0..width {
            if sampled {
                // One more step of a Fisher-Yates shuffle, which goes only as far as needed.
                self.drawn.swap(at, at + random.below((width - at) as u32) as usize);
            }
            let column = self.drawn[at];
            let least = best.as_ref().map_or(whole, |(_, score, _)| *score);
            if let Some((score, split)) = self.best_of(column, &histogram[column], node, packing, least) {
                best = Some((column, score, split));
            }
            looked += usize::from(sampled && parts_rows(&histogram[column][..=self.table.bins[column].len()]));
            if sampled && looked >= self.settings.columns && best.is_some() {
                break;
            }
        }
        let (column, score, split) = best?;
        // Where all residuals are equal, the gain is a rounding error.
        let gain = score - whole;
        (gain > 1e-12 * score).then_some((column, split, gain))
    }

    /// The score and the split of one column, if the score is above `least`.
    fn best_of(
        &mut self,
        column: usize,
        cells: &[Cell; 256],
        node: Totals,
        packing: Packing,
        least: f64,
    ) -> Option<(f64, BoostingSplit)> {
        let bins = self.table.bins[column].len();
        if self.table.categories[column].is_some() {
            if self.no_sets {
                return None;
            }
            let found = category_split::best(node, packing, &cells[..bins], &mut self.order, least)?;
            return Some((found.score, BoostingSplit::Set(found.set)));
        }
        let direction = self.settings.direction(column);
        let found = self.candidates.best(node, packing, cells, bins, direction, least)?;
        Some((found.score, BoostingSplit::Ordered(found)))
    }
}
