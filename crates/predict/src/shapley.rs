//! Shapley values of the calibrated probability (Shapley 1953; Lundberg and Lee 2017), interventional over background rows: a
//! coalition of features has the row's values, all others have a background row's. All coalitions are visited, so the values are
//! exact given the background.
//!
//! For one background row only the groups in which it differs from the row can matter, and the work on their coalitions is
//! shared: a tree is walked once for all of them, and for several background rows (`lanes`); a linear part is a sum over its
//! columns (`scores`).

mod additive;
mod column;
mod cubes;
mod lanes;
mod network;
mod scores;
mod walk;

use crate::groups::Group;
use crate::model::Model;
use column::Column;

/// Shares of one answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    /// The mean probability of the background rows.
    pub base: f64,
    /// One per group; with `base` they sum to the probability.
    pub contributions: Vec<f64>,
}

/// The shares of `probability`, which `model` gave the row `x`. `background` are rows of the same features with what the model
/// gives them, one at least; `groups` are of these features, 14 at most.
pub fn shares(model: &Model, x: &[f32], probability: f64, background: &[(&[f32], f64)], groups: &[Group]) -> Shares {
    let used = |column: &usize| model.columns.contains(&(*column as u32));
    let players = |other: &[f32]| -> Vec<usize> {
        let differs = |group: &Group| group.columns.iter().any(|c| !same(x[*c], other[*c]) && used(c));
        (0..groups.len()).filter(|at| differs(&groups[*at])).collect()
    };
    // Shares are linear in what coalitions are worth: games with the same players are added up first.
    let mut games: Vec<(Vec<usize>, Vec<f64>)> = Vec::new();
    let calibrator = model.calibration.for_many();
    for block in background.chunks(lanes::LANES) {
        let of_rows: Vec<Vec<usize>> = block.iter().map(|(other, _)| players(other)).collect();
        let columns: Vec<Vec<Column>> =
            block.iter().zip(&of_rows).map(|((other, _), players)| columns(model, x, other, groups, players)).collect();
        let counts: Vec<usize> = of_rows.iter().map(Vec::len).collect();
        let scores = scores::scores(&model.predictor, &columns, &counts);
        for ((scores, players), (_, theirs)) in scores.into_iter().zip(of_rows).zip(block) {
            let mut values = scores.calibrated(&calibrator);
            // Both ends are known to the last bit, whatever the order of sums.
            let last = values.len() - 1;
            values[0] = *theirs;
            values[last] = probability;
            match games.iter_mut().find(|(known, _)| *known == players) {
                Some((_, sums)) => sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value),
                None => games.push((players, values)),
            }
        }
    }
    let mut contributions = vec![0.0; groups.len()];
    for (players, values) in games {
        for (player, share) in players.iter().zip(of_game(&values, players.len())) {
            contributions[*player] += share;
        }
    }
    let n = background.len().max(1) as f64;
    contributions.iter_mut().for_each(|share| *share /= n);
    Shares { base: background.iter().map(|(_, p)| p).sum::<f64>() / n, contributions }
}

/// Whether a model cannot tell the two apart.
fn same(a: f32, b: f32) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

/// The model's columns, each by the player that its group is.
fn columns(model: &Model, x: &[f32], other: &[f32], groups: &[Group], players: &[usize]) -> Vec<Column> {
    let player = |feature: usize| players.iter().position(|group| groups[*group].columns.contains(&feature));
    let column = |feature: &u32| {
        let feature = *feature as usize;
        match player(feature).filter(|_| !same(x[feature], other[feature])) {
            Some(player) => Column::of_player(player, other[feature], x[feature]),
            None => Column::constant(x[feature]),
        }
    };
    model.columns.iter().map(column).collect()
}

/// The Shapley values of a game whose coalition `s` (bit i: player i is in it) is worth `values[s]`.
fn of_game(values: &[f64], players: usize) -> Vec<f64> {
    // A coalition that a player joins has the weight |S|! (n - |S| - 1)! / n!; none joins that of all.
    let mut weights = vec![0.0; players + 1];
    for (size, weight) in weights.iter_mut().enumerate().take(players) {
        let binomial = (0..size).fold(1.0, |b, k| b * (players - 1 - k) as f64 / (k + 1) as f64);
        *weight = 1.0 / (players as f64 * binomial);
    }
    // A player's value: each coalition with it by the weight of what it joined, less each without it by its own weight. By both
    // weights for all with it, less all by their own, only the coalitions with a player are to be summed up for each.
    let mut without = 0.0;
    let weighted = |(s, value): (usize, &f64)| {
        let size = s.count_ones() as usize;
        without += weights[size] * value;
        (weights[size] + size.checked_sub(1).map_or(0.0, |before| weights[before])) * value
    };
    let mut rest: Vec<f64> = values.iter().enumerate().map(weighted).collect();
    let mut shares = vec![0.0; players];
    for player in (0..players).rev() {
        let (lower, upper) = rest.split_at_mut(1 << player);
        shares[player] = upper.iter().sum::<f64>() - without;
        lower.iter_mut().zip(upper).for_each(|(lower, upper)| *lower += *upper);
        rest.truncate(1 << player);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The glove game: a left glove and two right ones; a pair is worth 1.
    #[test]
    fn shares_of_a_known_game() {
        let values: Vec<f64> = (0..8u32).map(|s| f64::from(u8::from(s & 1 == 1 && s & 6 != 0))).collect();
        let shares = of_game(&values, 3);
        let expected = [2.0 / 3.0, 1.0 / 6.0, 1.0 / 6.0];
        assert!(shares.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{shares:?}");
        assert!(of_game(&[0.4], 0).is_empty());
    }
}
