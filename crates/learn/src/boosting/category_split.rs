//! The split of one node by a set of categories.
//!
//! With the categories ordered by their mean residual in the node, the best set is a prefix of that order (Fisher 1958;
//! Breiman et al. 1984), so only prefixes are scored, from both ends. Categories with few rows would overfit the
//! residuals: they take no part, the mean of each category is shrunk towards the node's mean, a set is scored again
//! only after a group of rows has been added, and the score is regularised (as in LightGBM: Ke et al. 2017).

use super::candidates::Totals;
use super::histogram::{Cell, Packing};
use provost_predict::trees::sets::{CODES, Set};

/// Rows of a node that a category needs to be in a set; also the number of rows by which a category's mean is shrunk
/// towards the node's mean, and the number added to each side when a set is scored. This constant, `GROUP` and
/// `LARGEST` were chosen by out-of-fold predictions for both public data sets.
const LEAST: f64 = 60.0;
/// Rows that are added to a growing set before it is scored again.
const GROUP: u32 = 200;
/// Most categories in a set.
const LARGEST: usize = 32;

/// The best set of one column.
#[derive(Clone, Copy)]
pub struct CategorySplit {
    pub score: f64,
    pub set: Set,
}

/// The first of the best sets, if any scores above `least`. `cells` holds one cell per category.
pub fn best(
    node: Totals,
    packing: Packing,
    cells: &[Cell],
    order: &mut Vec<(f64, u8)>,
    mut least: f64,
) -> Option<CategorySplit> {
    order.clear();
    let mean = node.sum / node.rows;
    for (cell, code) in cells.iter().take(CODES).zip(0..=u8::MAX) {
        let (sum, rows) = packing.open(*cell);
        let rows = f64::from(rows);
        if rows >= LEAST {
            order.push(((sum + LEAST * mean) / (rows + LEAST), code));
        }
    }
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let longest = LARGEST.min(order.len().div_ceil(2));
    let mut found = None;
    for backwards in [false, true] {
        let at = |place: usize| order[if backwards { order.len() - 1 - place } else { place }].1;
        let (mut below, mut fresh) = (0, 0);
        for place in 0..longest {
            let cell = cells[usize::from(at(place))];
            below += cell;
            fresh += packing.open(cell).1;
            let (a, u) = packing.open(below);
            let (b, v) = (node.sum - a, node.rows - f64::from(u));
            let u = f64::from(u);
            if v < node.least || v < 1.0 {
                break;
            }
            if fresh < GROUP || u < node.least {
                continue;
            }
            fresh = 0;
            let score = a * a / (u + LEAST) + b * b / (v + LEAST);
            if score > least {
                (least, found) = (score, Some((backwards, place)));
            }
        }
    }
    let (backwards, last) = found?;
    let mut set = [0; 4];
    for place in 0..=last {
        let code = usize::from(order[if backwards { order.len() - 1 - place } else { place }].1);
        set[code / 64] |= 1 << (code % 64);
    }
    Some(CategorySplit { score: least, set })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use provost_predict::trees::sets::has;

    proptest! {
        /// Of all sets that are as large as allowed, where each category's rows are a group.
        #[test]
        fn no_other_set_of_few_categories_scores_higher(
            rates in prop::collection::vec((200i64..260, -1f64..1.0), 2..9), rest in (0i64..300, -1f64..1.0),
        ) {
            let packing = Packing::new(3000, 1.0);
            let cell = |(rows, rate): &(i64, f64)| packing.pack(*rate) * rows;
            let mut cells: Vec<Cell> = rates.iter().map(cell).collect();
            // Too few rows to be told apart.
            cells.push(packing.pack(1.0) * 59);
            let missing = cell(&rest);
            let (sum, rows) = packing.open(cells.iter().sum::<Cell>() + missing);
            let node = Totals { sum, rows: f64::from(rows), least: 1.0 };
            let score = |set: u64| {
                let inside = (0..cells.len()).filter(|code| set >> code & 1 == 1).map(|code| cells[code]).sum();
                let (a, u) = packing.open(inside);
                let (b, v) = (sum - a, node.rows - f64::from(u));
                a * a / (f64::from(u) + LEAST) + b * b / (v + LEAST)
            };
            let found = best(node, packing, &cells, &mut Vec::new(), -1.0).unwrap();
            let set = found.set[0];
            prop_assert!(found.set[1..] == [0; 3] && set >> rates.len() == 0, "{:?}", found.set);
            prop_assert!((score(set) - found.score).abs() <= 1e-9 * found.score);
            prop_assert!(best(node, packing, &cells, &mut Vec::new(), found.score).is_none());
            // One end of the order by rate: none outside is between two inside.
            let mut order: Vec<usize> = (0..rates.len()).collect();
            let leaning = |code: usize| {
                let (s, n) = packing.open(cells[code]);
                (s + LEAST * sum / node.rows) / (f64::from(n) + LEAST)
            };
            order.sort_by(|a, b| leaning(*a).total_cmp(&leaning(*b)));
            let sides: Vec<bool> = order.iter().map(|code| has(&found.set, *code)).collect();
            prop_assert_eq!(sides.windows(2).filter(|w| w[0] != w[1]).count(), 1);
            let ends = (1..=rates.len().div_ceil(2)).flat_map(|n| [order[..n].to_vec(), order[rates.len() - n..].to_vec()]);
            let highest = ends.map(|end| score(end.iter().map(|code| 1 << code).sum())).fold(0.0, f64::max);
            prop_assert!((highest - found.score).abs() <= 1e-9 * highest);
        }
    }

    #[test]
    fn sides_have_as_many_rows_as_they_need() {
        let packing = Packing::new(1000, 1.0);
        let cells = [packing.pack(1.0) * 200, packing.pack(-1.0) * 500];
        let (sum, rows) = packing.open(cells.iter().sum());
        let found = |least| {
            let node = Totals { sum, rows: f64::from(rows), least };
            best(node, packing, &cells, &mut Vec::new(), -1.0).is_some()
        };
        assert!(found(1.0) && found(200.0) && !found(201.0));
    }
}
