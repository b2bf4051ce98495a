//! Scores of a predictor for every coalition.

use super::column::Column;
use super::cubes::Cubes;
use super::{additive, lanes, network, walk};
use crate::calibration::{Calibration, Calibrator, logit};
use crate::encoder::Encoder;
use crate::matrix::Matrix;
use crate::predictor::Predictor;
use crate::predictor::member::Member;
use crate::predictor::stack::StackMember;
use crate::trees::Tree;
use crate::trees::sets::Categories;

/// One score per coalition.
pub enum Scores {
    /// Log-odds, before the logistic function.
    LogOdds(Vec<f64>),
    /// Probabilities.
    Shares(Vec<f64>),
}

impl Scores {
    /// The calibrated probability of each coalition.
    pub fn calibrated(self, calibrator: &Calibrator<'_>) -> Vec<f64> {
        match (self, calibrator.calibration()) {
            // Platt calibration takes the log-odds of the probability, which are these log-odds.
            (Scores::LogOdds(mut z), Calibration::Platt { a, b }) => {
                let most = logit(1.0);
                z.iter_mut().for_each(|z| *z = a * finite(*z).clamp(-most, most) + b);
                sigmoids(&mut z);
                z
            }
            (Scores::LogOdds(mut z), _) => {
                z.iter_mut().for_each(|z| *z = finite(*z));
                sigmoids(&mut z);
                calibrator.apply(&mut z);
                z
            }
            (Scores::Shares(mut p), _) => {
                calibrator.apply(&mut p);
                p
            }
        }
    }
}

/// Replaces NaN by 0. NaN arises only from infinities of both signs, which only the weights of a manipulated artifact
/// reach.
fn finite(z: f64) -> f64 {
    if z.is_nan() { 0.0 } else { z }
}

/// Replaces each number by its logistic function, within 1e-15.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn sigmoids(z: &mut [f64]) {
    for z in z {
        *z = 1.0 / (1.0 + exp(-z.clamp(-700.0, 700.0)));
    }
}

/// 1 / 13!, 1 / 12! and so on to 1 / 0!.
const INVERSE_FACTORIALS: [f64; 14] = {
    let mut inverse = [1.0; 14];
    let (mut at, mut factorial) = (13, 1.0);
    while at > 0 {
        at -= 1;
        factorial *= (13 - at) as f64;
        inverse[at] = 1.0 / factorial;
    }
    inverse
};

/// e^x for x from -708 to 708, within a few units in the last place: 2^k times a series, without a branch, so that it
/// compiles to vector instructions.
#[inline(always)]
fn exp(x: f64) -> f64 {
    // Adding 1.5 · 2^52 rounds to an integer, which is then in the lowest bits.
    let shifted = x * std::f64::consts::LOG2_E + 6_755_399_441_055_744.0;
    let k = shifted - 6_755_399_441_055_744.0;
    // ln 2 is split in two parts, so that the product of the first part and k is exact.
    let r = (x - k * 0.693_147_180_369_123_8) - k * 1.908_214_929_270_587_7e-10;
    let series = INVERSE_FACTORIALS.iter().fold(0.0, |series, coefficient| series * r + coefficient);
    series * f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52)
}

/// For each background row, the scores of its `1 << players` coalitions. `columns` are the predictor's own columns and
/// `players` the number of players, for each of at most [`lanes::LANES`] background rows.
pub fn scores(predictor: &Predictor, columns: &[Vec<Column>], players: &[usize]) -> Vec<Scores> {
    let rows = || columns.iter().zip(players.iter().copied());
    let log_odds = |sums: Vec<Vec<f64>>| sums.into_iter().map(Scores::LogOdds).collect();
    match predictor {
        Predictor::Constant(p) => rows().map(|(_, players)| Scores::Shares(vec![*p; 1 << players])).collect(),
        Predictor::Logistic(model) => log_odds(rows().map(|(row, n)| additive::log_odds(model, row, n)).collect()),
        Predictor::Forest(forest) => {
            let count = forest.trees().len() as f64;
            let mut sums = tree_sums(forest.trees(), None, columns, players, 0.0);
            sums.iter_mut().flatten().for_each(|sum| *sum /= count);
            sums.into_iter().map(Scores::Shares).collect()
        }
        Predictor::Boosting(model) => log_odds(tree_sums(model.trees(), None, columns, players, model.base())),
        Predictor::CategoryBoosting(model) => {
            let trees = model.boosting();
            let coded: Vec<Vec<Column>> = columns.iter().map(|columns| coded(model.categories(), columns)).collect();
            log_odds(tree_sums(trees.trees(), Some(model.categories()), &coded, players, trees.base()))
        }
        Predictor::Xgboost(model) => {
            log_odds(tree_sums(model.trees(), None, columns, players, f64::from(model.margin())))
        }
        Predictor::Network(model) => log_odds(rows().map(|(row, n)| network::log_odds(model, row, n)).collect()),
        Predictor::Encoded(model) => {
            let encoded: Vec<Vec<Column>> = columns.iter().map(|columns| encoded(model.encoder(), columns)).collect();
            scores(model.predictor(), &encoded, players)
        }
        Predictor::Ensemble(members) => mean(members, columns, players).into_iter().map(Scores::Shares).collect(),
        Predictor::Stack(stack) => {
            let of_member = |m: &StackMember| of_member((&m.columns, &m.predictor, &m.calibration), columns, players);
            let of_members: Vec<Vec<Vec<f64>>> = stack.members.iter().map(of_member).collect();
            let combined = |row: usize, s: usize| stack.combine(of_members.iter().map(|p| p[row][s]));
            let of_row = |(row, n): (usize, &usize)| (0..1 << n).map(|s| combined(row, s)).collect();
            players.iter().enumerate().map(of_row).map(Scores::Shares).collect()
        }
    }
}

fn tree_sums(
    trees: &[Tree],
    categories: Option<&Categories>,
    columns: &[Vec<Column>],
    players: &[usize],
    start: f64,
) -> Vec<Vec<f64>> {
    let sets = categories.map_or(&[][..], Categories::sets);
    let of_row = |(columns, players): (&Vec<Column>, &usize)| {
        let mut sums = Cubes::new(*players);
        sums.add_up(0, start);
        let mut parts = Vec::new();
        trees.iter().for_each(|tree| walk::walk(tree, sets, columns, &mut sums, &mut parts));
        sums.sums()
    };
    lanes::sums(trees, sets, columns, players, start)
        .unwrap_or_else(|| columns.iter().zip(players).map(of_row).collect())
}

/// The columns with known categories replaced by their codes, as the trees' sets use them.
fn coded(categories: &Categories, columns: &[Column]) -> Vec<Column> {
    columns.iter().enumerate().map(|(at, column)| column.map(|value| categories.code(at, value))).collect()
}

/// The encoder's outputs. Each depends only on the players of its own sources.
fn encoded(encoder: &Encoder, columns: &[Column]) -> Vec<Column> {
    let sources = encoder.sources();
    let of = |sources: &[u32]| sources.iter().map(|s| &columns[*s as usize]).collect::<Vec<_>>();
    // All coalitions that some output must distinguish.
    let mut coalitions: Vec<usize> = Vec::new();
    for sources in &sources {
        let column = Column::of_sources(of(sources).into_iter(), |_| f32::NAN);
        coalitions.extend((0..column.values().len()).map(|index| column.coalition(index)));
    }
    coalitions.sort_unstable();
    coalitions.dedup();
    let of_coalitions = |column: &Column| coalitions.iter().map(|c| column.value(*c)).collect();
    let x = Matrix::of_finite(Vec::new(), columns.iter().map(of_coalitions).collect());
    let (own, rows): (Vec<usize>, Vec<u32>) = ((0..columns.len()).collect(), (0..coalitions.len() as u32).collect());
    let outputs = encoder.encode(&x, &own, &rows);
    let place = |coalition: usize| coalitions.partition_point(|c| *c < coalition);
    let output = |(sources, output): (&Vec<u32>, &Vec<f32>)| {
        Column::of_sources(of(sources).into_iter(), |coalition| output[place(coalition)])
    };
    sources.iter().zip(&outputs).map(output).collect()
}

fn mean(members: &[Member], columns: &[Vec<Column>], players: &[usize]) -> Vec<Vec<f64>> {
    let mut means: Vec<Vec<f64>> = players.iter().map(|players| vec![0.0; 1 << players]).collect();
    for member in members {
        let of_rows = of_member((&member.columns, &member.predictor, &member.calibration), columns, players);
        for (mean, p) in means.iter_mut().zip(of_rows) {
            mean.iter_mut().zip(p).for_each(|(mean, p)| *mean += member.weight * p);
        }
    }
    means.iter_mut().flatten().for_each(|p| *p = p.clamp(0.0, 1.0));
    means
}

/// For each background row, a member's calibrated probability of each coalition.
fn of_member(
    (own, predictor, calibration): (&[u32], &Predictor, &Calibration),
    columns: &[Vec<Column>],
    players: &[usize],
) -> Vec<Vec<f64>> {
    let of_row = |columns: &Vec<Column>| own.iter().map(|at| columns[*at as usize].clone()).collect();
    let own: Vec<Vec<Column>> = columns.iter().map(of_row).collect();
    let calibrator = calibration.for_many();
    scores(predictor, &own, players).into_iter().map(|scores| scores.calibrated(&calibrator)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::sigmoid;

    #[test]
    fn the_logistic_function_of_many_is_that_of_each() {
        let z: Vec<f64> =
            (-8_000..=8_000).map(|i| f64::from(i) / 200.0).chain([1e300, -1e300, f64::INFINITY]).collect();
        let mut found = z.clone();
        sigmoids(&mut found);
        for (z, p) in z.iter().zip(found) {
            assert!((p - sigmoid(*z)).abs() <= 1e-15, "{z}: {p} for {}", sigmoid(*z));
        }
    }
}
