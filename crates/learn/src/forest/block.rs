//! Copies the codes of a node's rows next to each other: all look-ups below that node then stay in a core's own cache.

use super::sample::Draw;
use crate::bins::WideTable;
use crate::prefetch::{AHEAD, prefetch};

/// A table with fewer rows than this needs no copies.
const FAR: usize = 200_000;
/// Rows of about a dozen columns that fit into the cache that cores share, and into a core's own.
const SHARED: usize = 262_144;
const OWN: usize = 32_768;

/// Rows of each copy for a table of so many rows: a copy takes at most an eighth of the table's memory.
pub fn sizes(rows: usize) -> Vec<usize> {
    let first = SHARED.min(rows / 8);
    match rows {
        ..FAR => Vec::new(),
        _ if first < 4 * OWN => vec![first],
        _ => vec![first, OWN],
    }
}

/// A table, and copies of parts of it; each copy holds a part of the one before.
pub struct Blocks<'a> {
    table: &'a WideTable,
    /// For each copy, how many rows it has room for, and their codes column by column.
    copies: Vec<(usize, Vec<u16>)>,
}

impl<'a> Blocks<'a> {
    /// Allocates copies of so many rows each, in descending order.
    pub fn new(table: &'a WideTable, rows: &[usize]) -> Self {
        let copy = |rows: &usize| (*rows, vec![0; rows * table.columns.len()]);
        Self { table, copies: rows.iter().map(copy).collect() }
    }

    /// Whether a node of so many rows fits into the next copy. `copy` is the number of the copy that holds the node's
    /// codes, or 0 for the table.
    pub fn holds(&self, rows: usize, copy: usize) -> bool {
        self.copies.get(copy).is_some_and(|(most, _)| rows <= *most)
    }

    /// Copies the codes of these rows, in their order. From then on `draws` number the rows by their places in the
    /// copy.
    pub fn load(&mut self, draws: &mut [Draw], copy: usize) {
        let mut to = std::mem::take(&mut self.copies[copy]);
        for (column, to) in to.1.chunks_exact_mut(to.0).enumerate() {
            let codes = self.column(column, copy);
            for (at, (to, draw)) in to.iter_mut().zip(&*draws).enumerate() {
                if let Some(next) = draws.get(at + AHEAD) {
                    prefetch(codes, next.row as usize);
                }
                *to = codes[draw.row as usize];
            }
        }
        self.copies[copy] = to;
        for (draw, at) in draws.iter_mut().zip(0..) {
            draw.row = at;
        }
    }

    /// A column's codes, indexed by the rows' numbers in the table (`copy` 0) or by their places in the copy.
    #[inline]
    pub fn column(&self, column: usize, copy: usize) -> &[u16] {
        match copy.checked_sub(1) {
            None => &self.table.columns[column],
            Some(at) => {
                let (rows, codes) = &self.copies[at];
                &codes[column * rows..(column + 1) * rows]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::super::grow::Grower;
    use super::super::settings::ForestSettings;
    use crate::bins::WideTable;
    use crate::testdata::{columns, noisy, rows};
    use provost_predict::control::Control;

    #[test]
    fn a_tree_with_copies_is_the_one_without() {
        let data = noisy(3000, 4);
        let table = WideTable::new(&data, &columns(&data), &rows(&data), &Control::default()).unwrap();
        for (bootstrap, min_leaf) in [(true, 1), (false, 3)] {
            let grown = |copies: &[usize]| {
                let settings = ForestSettings {
                    seed: 5,
                    features: 2,
                    max_depth: u32::MAX,
                    min_split: 2,
                    min_leaf,
                    bootstrap,
                    weights: [1.0, 1.5],
                    inner: false,
                    copies: copies.to_vec(),
                };
                let mut grower = Grower::new(&table, data.y(), &settings);
                [0, 1].map(|tree| grower.tree(tree, &Control::default()).map(|g| (g.tree, g.gains)).unwrap())
            };
            let without = grown(&[]);
            for copies in [&[2][..], &[700, 30], &[10_000, 900, 3]] {
                assert!(grown(copies) == without, "{copies:?}");
            }
        }
    }
}
