//! Shapley values of the calibrated probability (Shapley 1953; Lundberg and Lee 2017), interventional over background
//! rows: features in a coalition have the row's values, all others have the values of a background row. All coalitions
//! are computed, so the values are exact for the given background.
//!
//! For one background row, only the groups in which it differs from the row are players. Work is shared between
//! coalitions: a tree is walked once for all of them, and for several background rows together (`lanes`); a linear part
//! is a sum over its columns (`scores`).

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

/// Shapley values of one probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    /// The mean probability of the background rows.
    pub base: f64,
    /// One value per group. `base` and all contributions sum to the probability.
    pub contributions: Vec<f64>,
}

/// The Shapley values of `probability`, which is the model's for the row `x`. `background` has at least one row of the
/// same features, each with the model's probability. `groups` are at most 14 groups of these features.
pub fn shares(model: &Model, x: &[f32], probability: f64, background: &[(&[f32], f64)], groups: &[Group]) -> Shares {
    let used = |column: &usize| model.columns.contains(&(*column as u32));
    let players = |other: &[f32]| -> Vec<usize> {
        let differs = |group: &Group| group.columns.iter().any(|c| !same(x[*c], other[*c]) && used(c));
        (0..groups.len()).filter(|at| differs(&groups[*at])).collect()
    };
    // Shapley values are linear in the values of coalitions, so the values of games with the same players are added
    // first.
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
            // The values of the empty and the full coalition are known exactly, and do not depend on the order of sums.
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

/// Whether two values are equal for every model; NaN equals NaN.
fn same(a: f32, b: f32) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

/// The model's columns, each with the player whose group has the column's feature, if there is one.
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

/// The Shapley values of a game. `values[s]` is the value of coalition `s`, in which player i is if bit i is set.
fn of_game(values: &[f64], players: usize) -> Vec<f64> {
    // The weight of a coalition S that a player joins is |S|! (n - |S| - 1)! / n!. No player joins the full coalition.
    let mut weights = vec![0.0; players + 1];
    for (size, weight) in weights.iter_mut().enumerate().take(players) {
        let binomial = (0..size).fold(1.0, |b, k| b * (players - 1 - k) as f64 / (k + 1) as f64);
        *weight = 1.0 / (players as f64 * binomial);
    }
    // The Shapley value is the sum over coalitions with the player, weighted by the coalition that was joined, minus
    // the sum over coalitions without the player, weighted by themselves. The second sum equals a sum over all
    // coalitions minus one over those with the player. With both weights added, only the coalitions with a player need
    // to be summed for each player.
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
