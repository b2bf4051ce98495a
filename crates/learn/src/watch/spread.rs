//! How much the cycles of a reference differ among themselves: a window that differs no more than that has not drifted.

use super::measure::{ascending, measure};
use provost_domain::watch::DriftTest;

/// Cycles with fewer rows show chance rather than a change.
const LEAST_ROWS: usize = 200;

/// The mean effect between a cycle and all other cycles, weighted by the rows of the cycles: of the values (in the unit
/// of the test's effect) and of the share of missing values. 0 with fewer than two cycles of 200 rows. `values` (NaN is
/// missing) and `cycles` are of the same rows; `i32::MIN` is an unknown cycle, whose rows are left out.
pub(super) fn spread(test: DriftTest, values: &[f32], cycles: &[i32], deviation: f64) -> (f64, f64) {
    let mut known: Vec<(i32, f32)> =
        cycles.iter().copied().zip(values.iter().copied()).filter(|(cycle, _)| *cycle != i32::MIN).collect();
    // Parts of a sorted list are sorted, which makes sorting them again quick.
    known.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
    let mut names: Vec<i32> = known.iter().map(|(cycle, _)| *cycle).collect();
    names.sort_unstable();
    let sizes: Vec<(i32, usize)> =
        names.chunk_by(|a, b| a == b).filter_map(|run| Some((*run.first()?, run.len()))).collect();
    let large = || sizes.iter().filter(|(_, rows)| *rows >= LEAST_ROWS);
    if large().count() < 2 {
        return (0.0, 0.0);
    }
    let missing = |rows: &[(i32, f32)]| rows.iter().filter(|(_, v)| v.is_nan()).count() as f64;
    let (mut of_values, mut of_missing, mut whole) = (0.0, 0.0, 0.0);
    for (cycle, rows) in large() {
        let (inside, outside): (Vec<_>, Vec<_>) = known.iter().copied().partition(|(c, _)| c == cycle);
        let sorted = |rows: &[(i32, f32)]| ascending(rows.iter().map(|(_, v)| *v));
        let weight = *rows as f64;
        of_values += weight * measure(test, &sorted(&outside), &sorted(&inside), deviation).effect.unwrap_or(0.0);
        let others = outside.len() as f64;
        of_missing += weight * (missing(&inside) / weight - missing(&outside) / others).abs();
        whole += weight;
    }
    (of_values / whole, of_missing / whole)
}
