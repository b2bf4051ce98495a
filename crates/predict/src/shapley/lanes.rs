//! Trees for several background rows at once: each split is evaluated once for all of them, with the row's value and
//! with the background rows' values. The coalitions that reach a leaf are then a cube: with the players for whom only
//! the row's value leads there, and without those for whom only the background row's value does.

use super::column::Column;
use super::cubes::Cubes;
use crate::trees::sets::Set;
use crate::trees::{Node, Tree};

/// Background rows that are computed together, one per lane.
pub const LANES: usize = 8;
/// Stands for a player where both values are the same. A leaf that the common value does not reach is reached by no
/// coalition.
const NOBODY: u32 = 1 << 31;
/// Leaves of one background row that are added together, so that its sums stay in the cache.
const TOGETHER: usize = 2_048;

/// A predictor's column for each background row.
#[derive(Clone)]
struct Lanes {
    /// The column's value with its player in the coalition, and without.
    inside: [f32; LANES],
    outside: [f32; LANES],
    /// The player's bit.
    player: [u32; LANES],
}

/// For each background row, the players who must be outside of a coalition that reaches a node, and those who must be
/// inside. If a player must be both, no coalition reaches the node.
#[derive(Clone, Copy)]
struct Needs {
    outside: [u32; LANES],
    inside: [u32; LANES],
}

/// A leaf that some coalitions reach.
#[derive(Clone, Copy, Default)]
struct Reached {
    inside: u16,
    outside: u16,
    value: f32,
}

/// Leaves that are still to be added, for each background row.
struct Waiting {
    leaves: Vec<Reached>,
    most: usize,
    count: [usize; LANES],
}

/// For each background row and each coalition, `start` plus the sum of the trees' leaves. `columns` are the predictor's
/// own, for each of at most [`LANES`] background rows, and `players` the number of players of each. None if some column
/// depends on two players.
pub fn sums(
    trees: &[Tree],
    sets: &[Set],
    columns: &[Vec<Column>],
    players: &[usize],
    start: f64,
) -> Option<Vec<Vec<f64>>> {
    let width = columns.first().map_or(0, Vec::len);
    let lanes: Vec<Lanes> = (0..width).map(|at| lanes(columns, at)).collect::<Option<_>>()?;
    let mut sums: Vec<Cubes> = players.iter().map(|players| Cubes::new(*players)).collect();
    sums.iter_mut().for_each(|sums| sums.add_up(0, start));
    let leaves = |tree: &Tree| tree.len().div_ceil(2);
    let most = trees.iter().map(leaves).max().unwrap_or(0).max(TOGETHER);
    let mut waiting = Waiting { leaves: vec![Reached::default(); LANES * most], most, count: [0; LANES] };
    let mut parts = Vec::new();
    for tree in trees {
        if waiting.count.iter().any(|count| count + leaves(tree) > most) {
            add_up(&mut waiting, &mut sums);
        }
        walk(tree, sets, &lanes, &mut waiting, &mut parts);
    }
    add_up(&mut waiting, &mut sums);
    Some(sums.into_iter().map(Cubes::sums).collect())
}

fn lanes(columns: &[Vec<Column>], at: usize) -> Option<Lanes> {
    // Lanes without a background row are computed, but their leaves are not added.
    let mut lanes = Lanes { inside: [f32::NAN; LANES], outside: [f32::NAN; LANES], player: [NOBODY; LANES] };
    for (lane, columns) in columns.iter().enumerate() {
        let (outside, inside, player) = columns[at].ends()?;
        (lanes.outside[lane], lanes.inside[lane]) = (outside, inside);
        lanes.player[lane] = if player == 0 { NOBODY } else { player as u32 };
    }
    Some(lanes)
}

/// Adds the waiting leaves to the sums of their background rows, of which there may be fewer than lanes.
#[multiversion::multiversion(targets("x86_64+popcnt"))]
fn add_up(waiting: &mut Waiting, sums: &mut [Cubes]) {
    for ((sums, leaves), count) in sums.iter_mut().zip(waiting.leaves.chunks_exact(waiting.most)).zip(waiting.count) {
        for leaf in &leaves[..count] {
            sums.add(leaf.inside.into(), leaf.outside.into(), leaf.value.into());
        }
    }
    waiting.count = [0; LANES];
}

/// Collects the tree's leaves that coalitions reach. `parts` is a stack that is empty before and after; it is passed in
/// to reuse its memory.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512vl+avx2", "x86_64+avx2"))]
fn walk(tree: &[Node], sets: &[Set], columns: &[Lanes], waiting: &mut Waiting, parts: &mut Vec<(usize, Needs)>) {
    parts.push((0, Needs { outside: [0; LANES], inside: [0; LANES] }));
    while let Some((mut at, mut needs)) = parts.pop() {
        while let Some(child) = tree[at].child() {
            let [left, right] = split(&tree[at], sets, &columns[tree[at].column()], &needs);
            match (is_reached(&left), is_reached(&right)) {
                (true, true) => {
                    parts.push((child + 1, right));
                    (at, needs) = (child, left);
                }
                (true, false) => (at, needs) = (child, left),
                (false, _) => (at, needs) = (child + 1, right),
            }
        }
        let value = tree[at].as_leaf().unwrap_or_default();
        for lane in 0..LANES {
            let (inside, outside) = (needs.inside[lane], needs.outside[lane]);
            let place = lane * waiting.most + waiting.count[lane];
            waiting.leaves[place] = Reached { inside: inside as u16, outside: outside as u16, value };
            // No branch, since it is unpredictable whether a coalition reaches this leaf.
            waiting.count[lane] += usize::from(inside & outside == 0);
        }
    }
}

/// Whether some coalition reaches the node for some background row.
#[inline(always)]
fn is_reached(needs: &Needs) -> bool {
    let none =
        needs.inside.iter().zip(&needs.outside).fold(true, |none, (inside, outside)| none & (inside & outside != 0));
    !none
}

/// The needs of the two children of a split.
#[inline(always)]
fn split(node: &Node, sets: &[Set], column: &Lanes, needs: &Needs) -> [Needs; 2] {
    let (mut left, mut right) = (*needs, *needs);
    let mut add = |lane: usize, inside_left: bool, outside_left: bool| {
        let player = column.player[lane];
        let (inside_left, outside_left) = (mask(inside_left), mask(outside_left));
        left.outside[lane] |= player & !inside_left;
        left.inside[lane] |= player & !outside_left;
        right.outside[lane] |= player & inside_left;
        right.inside[lane] |= player & outside_left;
    };
    match node.threshold() {
        Some((threshold, missing_left)) => {
            let is_left = |v: f32| (v <= threshold) | (v.is_nan() & missing_left);
            for lane in 0..LANES {
                add(lane, is_left(column.inside[lane]), is_left(column.outside[lane]));
            }
        }
        None => {
            for lane in 0..LANES {
                let is_left = |v: f32| node.goes_left(v, sets);
                add(lane, is_left(column.inside[lane]), is_left(column.outside[lane]));
            }
        }
    }
    [left, right]
}

/// All bits set if `holds`, else none.
#[inline(always)]
fn mask(holds: bool) -> u32 {
    0u32.wrapping_sub(u32::from(holds))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::walk::tests::tree;
    use super::super::walk::walk;
    use super::*;
    use proptest::prelude::*;
    use provost_domain::rng::SplitMix64;

    proptest! {
        #[test]
        fn every_background_row_has_the_sums_that_it_has_alone(seed in 0u64..200, rows in 1usize..=LANES) {
            let mut r = SplitMix64::new(seed);
            let value = |r: &mut SplitMix64| if r.below(6) == 0 { f32::NAN } else { r.below(5) as f32 };
            let x: Vec<f32> = (0..7).map(|_| value(&mut r)).collect();
            // Columns 5 and 6 belong to one player; a value that is not another one has none.
            let row = |r: &mut SplitMix64| -> (Vec<Column>, usize) {
                let mut players = Vec::new();
                let columns = x.iter().enumerate().map(|(at, x)| {
                    let other = value(r);
                    let player = at.min(5);
                    if other == *x || (other.is_nan() && x.is_nan()) {
                        return Column::constant(*x);
                    }
                    let place = players.iter().position(|p| *p == player).unwrap_or(players.len());
                    if place == players.len() {
                        players.push(player);
                    }
                    Column::of_player(place, other, *x)
                });
                (columns.collect(), players.len())
            };
            let (columns, players): (Vec<Vec<Column>>, Vec<usize>) = (0..rows).map(|_| row(&mut r)).unzip();
            let trees: Vec<Tree> = (0..6).map(|_| tree(&mut r, 7)).collect();
            let found = sums(&trees, &[], &columns, &players, 0.25).unwrap();
            prop_assert_eq!(found.len(), rows);
            for ((found, columns), players) in found.iter().zip(&columns).zip(&players) {
                let mut alone = Cubes::new(*players);
                alone.add_up(0, 0.25);
                trees.iter().for_each(|tree| walk(tree, &[], columns, &mut alone, &mut Vec::new()));
                let alone = alone.sums();
                prop_assert!(found.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} for {alone:?}");
            }
        }
    }
}
