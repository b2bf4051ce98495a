//! Which parameters to try: the defaults, the whole grid, or distinct draws from it.

use crate::learner::key;
use crate::{LearnError, Learner, Params};
use provost_domain::config::{Grid, Tuning};
use provost_domain::rng::SplitMix64;
use provost_domain::{Fault, Faults};
use serde_json::{Map, Value};
use std::collections::HashSet;

const DRAW_STREAM: u64 = 0x6472_6177;
/// Up to here the grid's points are shuffled; above, they are drawn until enough differ.
const SHUFFLED: u64 = 1 << 20;

/// The candidates of a search, checked and complete, in a fixed order. No two grow the same model.
///
/// `none`: the defaults. `grid_search`: the whole grid, the last parameter (by name) turning fastest. `random_search`:
/// `iterations` draws by `seed`, at most the whole grid. `bayesian` asks its own sampler; here it is as `random_search`.
///
/// Errors: `Params` with every bad name and value of the grid.
pub fn candidates(
    learner: &dyn Learner,
    tuning: Tuning,
    iterations: u32,
    grid: Option<&Grid>,
    seed: u64,
) -> Result<Vec<Params>, LearnError> {
    if tuning == Tuning::None {
        return Ok(vec![learner.check(&Params::new()).map_err(LearnError::Params)?]);
    }
    let own = learner.grid();
    let grid = grid.unwrap_or(&own);
    check_grid(learner, grid)?;
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let wanted = if tuning == Tuning::GridSearch { usize::MAX } else { iterations as usize };
    for point in points(grid, tuning, seed) {
        let params = learner.check(&point).map_err(LearnError::Params)?;
        if seen.insert(key(&params, learner.idle())) {
            found.push(params);
            if found.len() == wanted {
                break;
            }
        }
    }
    Ok(found)
}

/// As `random_search`, but grid points that grow the same model count as different, as scikit-learn's sampler has it.
pub fn whole_grid_draws(learner: &dyn Learner, iterations: u32, seed: u64) -> Result<Vec<Params>, LearnError> {
    let grid = learner.grid();
    points(&grid, Tuning::RandomSearch, seed)
        .take(iterations as usize)
        .map(|point| learner.check(&point).map_err(LearnError::Params))
        .collect()
}

/// How long a fit takes, up to a factor that is the same for all candidates of an algorithm: for starting the longest
/// first.
pub fn cost(params: &Params) -> f64 {
    let number = |name: &str| params.get(name).and_then(Value::as_f64);
    let mut cost = number("n_estimators").unwrap_or(1.0);
    if params.contains_key("max_depth") {
        cost *= number("max_depth").unwrap_or(20.0).min(20.0);
    }
    if let Some(layers) = params.get("hidden_layer_sizes").and_then(Value::as_array) {
        let sizes: Vec<f64> = layers.iter().filter_map(Value::as_f64).collect();
        cost *= 12.0 * sizes.first().unwrap_or(&1.0) + sizes.windows(2).map(|w| w[0] * w[1]).sum::<f64>();
    }
    cost
}

fn check_grid(learner: &dyn Learner, grid: &Grid) -> Result<(), LearnError> {
    let mut faults = Vec::new();
    let base = format!("/grids/{}", learner.algorithm());
    if grid.is_empty() {
        faults.push(Fault { pointer: base.clone(), message: "an empty grid: nothing to try".to_owned() });
    }
    for (name, values) in grid {
        if values.is_empty() {
            let message = "no values: give at least one to try".to_owned();
            faults.push(Fault { pointer: format!("{base}/{name}"), message });
        }
        for (at, value) in values.iter().enumerate() {
            if let Err(Faults(found)) = learner.check(&Map::from_iter([(name.clone(), value.clone())])) {
                let pointer = format!("{base}/{name}/{at}");
                faults.extend(found.into_iter().map(|f| Fault { pointer: pointer.clone(), message: f.message }));
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(LearnError::Params(Faults(faults))) }
}

/// The grid's points in the order of the search, each once.
fn points(grid: &Grid, tuning: Tuning, seed: u64) -> Box<dyn Iterator<Item = Params> + '_> {
    let size = grid.values().fold(1u64, |n, values| n.saturating_mul(values.len() as u64));
    let at = move |mut index: u64| {
        let mut point = Vec::with_capacity(grid.len());
        for (name, values) in grid.iter().rev() {
            let n = values.len() as u64;
            point.push((name.clone(), values[(index % n) as usize].clone()));
            index /= n;
        }
        point.reverse();
        Map::from_iter(point)
    };
    let mut random = SplitMix64::keyed(seed, &[DRAW_STREAM]);
    match tuning {
        Tuning::None | Tuning::GridSearch => Box::new((0..size).map(at)),
        _ if size <= SHUFFLED => {
            let mut order: Vec<u64> = (0..size).collect();
            random.shuffle(&mut order);
            Box::new(order.into_iter().map(at))
        }
        // Far larger than any number of iterations: repeats are rare and left out.
        _ => {
            let mut seen = HashSet::new();
            let draws = std::iter::repeat_with(move || random.next_u64() % size).take(SHUFFLED as usize);
            Box::new(draws.filter(move |index| seen.insert(*index)).map(at))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::learners::learner;
    use provost_domain::Algorithm;

    fn keys(algorithm: Algorithm, found: &[Params]) -> HashSet<String> {
        found.iter().map(|p| key(p, learner(algorithm).unwrap().idle())).collect()
    }

    #[test]
    fn draws_are_distinct_seeded_and_at_most_the_grid() {
        // 96 points of the logistic grid are 24 models, 96 of the network's are 48.
        let expected = [
            (Algorithm::LogisticRegression, 24),
            (Algorithm::NeuralNetwork, 48),
            (Algorithm::RandomForest, 50),
            (Algorithm::GradientBoosting, 50),
            (Algorithm::Xgboost, 50),
        ];
        for (algorithm, count) in expected {
            let learner = learner(algorithm).unwrap();
            let drawn = candidates(learner, Tuning::RandomSearch, 50, None, 42).unwrap();
            assert_eq!((drawn.len(), keys(algorithm, &drawn).len()), (count, count), "{algorithm}");
            assert_eq!(candidates(learner, Tuning::Bayesian, 50, None, 42).unwrap(), drawn);
            assert_ne!(candidates(learner, Tuning::RandomSearch, 50, None, 43).unwrap(), drawn);
            assert_eq!(candidates(learner, Tuning::None, 50, None, 42).unwrap().len(), 1);
            assert_eq!(whole_grid_draws(learner, 50, 42).unwrap().len(), 50);
        }
    }

    #[test]
    fn the_whole_grid_is_visited_once_whatever_the_iterations() {
        let forest = learner(Algorithm::RandomForest).unwrap();
        let all = candidates(forest, Tuning::GridSearch, 10, None, 42).unwrap();
        assert_eq!(keys(Algorithm::RandomForest, &all).len(), 432);
        assert_eq!(candidates(forest, Tuning::GridSearch, 99, None, 7).unwrap(), all);
        let few: Grid = [("max_depth".to_owned(), vec![3.into(), Value::Null])].into_iter().collect();
        assert_eq!(candidates(forest, Tuning::RandomSearch, 50, Some(&few), 1).unwrap().len(), 2);
    }

    #[test]
    fn a_grid_too_large_to_list_is_drawn_from() {
        let many = |n: i64| (1..=n).map(Value::from).collect::<Vec<_>>();
        let grid: Grid = [("n_estimators", 3000), ("min_samples_split", 900), ("min_samples_leaf", 900)]
            .into_iter()
            .map(|(name, n)| (name.to_owned(), many(n).into_iter().skip(1).collect()))
            .collect();
        let forest = learner(Algorithm::RandomForest).unwrap();
        let drawn = candidates(forest, Tuning::RandomSearch, 200, Some(&grid), 1).unwrap();
        assert_eq!(keys(Algorithm::RandomForest, &drawn).len(), 200);
    }
}
