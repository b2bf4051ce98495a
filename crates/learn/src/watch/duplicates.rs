//! Near duplicates: rows of different applicants that are equal in all features but at most one, and so unusual that
//! chance hardly explains such a pair.

use provost_domain::rng::mix;
use provost_predict::matrix::Matrix;
use std::collections::{BTreeMap, BTreeSet};

/// A pair is reported if fewer pairs like it than this are expected by chance among all rows, with independent
/// features.
const BY_CHANCE: f64 = 1e-3;
/// How far apart the two values of the differing feature may be, as a share of its column's range between the 5 % and
/// 95 % quantiles.
const NEAR: f32 = 0.1;
/// Most rows with equal keys that are compared; more rows than this are of an ordinary kind.
const MOST_ALIKE: usize = 64;

/// Two rows, the smaller number first.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The row with the smaller number.
    pub a: u32,
    /// The row with the larger number.
    pub b: u32,
    /// Number of features that are present and equal.
    pub equal: u64,
    /// The column in which the rows differ; None where they are equal.
    pub differs_in: Option<usize>,
    /// Expected number of such pairs by chance.
    pub by_chance: f64,
}

/// The shares of each column's values, and how far apart two differing values may be.
struct Column<'m> {
    cells: &'m [f32],
    shares: BTreeMap<u32, f64>,
    near: f32,
}

fn bits(value: f32) -> u32 {
    // Both zeros count as one value, and all missing values do.
    if value.is_nan() { f32::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

impl<'m> Column<'m> {
    fn new(cells: &'m [f32]) -> Self {
        let n = cells.len() as f64;
        let mut shares = BTreeMap::<u32, f64>::new();
        for cell in cells {
            *shares.entry(bits(*cell)).or_default() += 1.0 / n;
        }
        let mut present: Vec<f32> = cells.iter().copied().filter(|cell| !cell.is_nan()).collect();
        present.sort_by(f32::total_cmp);
        let at = |share: f64| present.get((share * present.len() as f64) as usize).copied().unwrap_or(0.0);
        Self { cells, shares, near: NEAR * (at(0.95) - at(0.05)) }
    }
}

/// Pairs of rows of different applicants that agree in all of `columns` but at most one, the least likely first.
/// `applicants`: one for each row of `x`. The columns should describe the applicant: many have the same program.
pub fn near_duplicates(x: &Matrix, columns: &[usize], applicants: &[u64]) -> Vec<Pair> {
    let rows = x.rows();
    let of: Vec<Column<'_>> = columns.iter().map(|c| Column::new(x.column(*c))).collect();
    let hash = |row: usize, but: Option<usize>| {
        let cells = of.iter().enumerate().filter(|(at, _)| Some(*at) != but);
        cells.fold(0u64, |hash, (at, column)| mix(hash ^ ((u64::from(bits(column.cells[row])) << 8) | at as u64)))
    };
    let all_pairs = rows as f64 * rows.saturating_sub(1) as f64 / 2.0;
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    let keys = std::iter::once(None).chain((0..of.len()).map(Some));
    for but in keys {
        let mut order: Vec<(u64, u32)> = (0..rows).map(|row| (hash(row, but), row as u32)).collect();
        order.sort_unstable();
        for alike in order.chunk_by(|a, b| a.0 == b.0).filter(|alike| (2..=MOST_ALIKE).contains(&alike.len())) {
            for (i, (_, a)) in alike.iter().enumerate() {
                for (_, b) in &alike[i + 1..] {
                    if applicants.get(*a as usize) == applicants.get(*b as usize) || seen.contains(&(*a, *b)) {
                        continue;
                    }
                    if let Some(pair) = compared(&of, columns, (*a, *b), all_pairs) {
                        seen.insert((*a, *b));
                        found.push(pair);
                    }
                }
            }
        }
    }
    found.sort_by(|x, y| x.by_chance.total_cmp(&y.by_chance).then((x.a, x.b).cmp(&(y.a, y.b))));
    found
}

fn compared(of: &[Column<'_>], columns: &[usize], (a, b): (u32, u32), all_pairs: f64) -> Option<Pair> {
    let mut pair = Pair { a, b, equal: 0, differs_in: None, by_chance: all_pairs };
    for (at, column) in of.iter().enumerate() {
        let (x, y) = (column.cells[a as usize], column.cells[b as usize]);
        if bits(x) == bits(y) {
            pair.equal += u64::from(!x.is_nan());
            pair.by_chance *= column.shares.get(&bits(x)).copied().unwrap_or(1.0);
        } else if pair.differs_in.is_some() || (x - y).is_nan() || (x - y).abs() > column.near {
            return None;
        } else {
            // Any one of the columns could have been the one that differs.
            pair.differs_in = columns.get(at).copied();
            pair.by_chance *= of.len() as f64;
        }
    }
    (pair.by_chance < BY_CHANCE).then_some(pair)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_domain::rng::SplitMix64;

    fn matrix(rows: usize, edit: impl Fn(&mut [Vec<f32>])) -> Matrix {
        let mut random = SplitMix64::new(8);
        let mut columns: Vec<Vec<f32>> = (0..8).map(|_| (0..rows).map(|_| random.below(40) as f32).collect()).collect();
        edit(&mut columns);
        Matrix::new((0..8).map(|c| format!("c{c}")).collect(), columns).unwrap()
    }

    #[test]
    fn a_copy_with_one_change_is_found_and_chance_makes_none() {
        let all: Vec<usize> = (0..8).collect();
        let applicants: Vec<u64> = (0..3000).collect();
        assert_eq!(near_duplicates(&matrix(3000, |_| {}), &all, &applicants), []);
        let copied = matrix(3000, |columns| {
            columns.iter_mut().for_each(|c| c[2000] = c[10]);
            columns.iter_mut().for_each(|c| c[2500] = c[11]);
            columns[3][2500] = columns[3][11] + 1.0;
            // Of the same applicant, and too far apart.
            columns.iter_mut().for_each(|c| c[2600] = c[12]);
            columns.iter_mut().for_each(|c| c[2700] = c[13]);
            columns[4][2700] = columns[4][13] + 30.0;
        });
        let mut same = applicants;
        same[2600] = 12;
        let found = near_duplicates(&copied, &all, &same);
        let pairs: Vec<_> = found.iter().map(|p| (p.a, p.b, p.differs_in, p.equal)).collect();
        assert_eq!(pairs, [(10, 2000, None, 8), (11, 2500, Some(3), 7)]);
    }

    #[test]
    fn ordinary_rows_are_no_duplicates_and_nothing_has_none() {
        let plain = matrix(500, |columns| columns.iter_mut().for_each(|c| c.fill(f32::NAN)));
        let all: Vec<usize> = (0..8).collect();
        assert_eq!(near_duplicates(&plain, &all, &(0..500).collect::<Vec<u64>>()), []);
        assert_eq!(near_duplicates(&matrix(0, |_| {}), &all, &[]), []);
        assert_eq!(near_duplicates(&matrix(1, |_| {}), &[], &[1]), []);
    }
}
