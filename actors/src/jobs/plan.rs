//! What a configuration asks for: the units of work, in the order they are done.

use crate::error::SubmitError;
use crate::options::Options;
use provost_domain::config::{self as configuration, Grid, Tuning, too_many_candidates};
use provost_domain::limits::GRID_CANDIDATES;
use provost_domain::{Algorithm, Fault, Faults, TrainingConfig};
use provost_learn::train::TrainSpec;
use std::collections::BTreeMap;

/// One algorithm of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    pub algorithm: Algorithm,
    /// A member that is trained for the ensemble alone is not registered.
    pub registered: bool,
}

/// As configured, the ensemble last; an ensemble alone has all five others as members.
pub fn units(config: &TrainingConfig) -> Vec<Unit> {
    let listed = |a: &Algorithm| *a != Algorithm::Ensemble;
    let mut units: Vec<Unit> = config
        .algorithms
        .iter()
        .copied()
        .filter(listed)
        .map(|algorithm| Unit { algorithm, registered: true })
        .collect();
    if config.algorithms.contains(&Algorithm::Ensemble) {
        if units.is_empty() {
            units.extend(Algorithm::BASE.map(|algorithm| Unit { algorithm, registered: false }));
        }
        units.push(Unit { algorithm: Algorithm::Ensemble, registered: true });
    }
    units
}

pub fn spec(config: &TrainingConfig, algorithm: Algorithm, options: &Options) -> TrainSpec {
    let own = config.grids.as_ref().and_then(|g| g.get(&algorithm));
    TrainSpec {
        algorithm,
        tuning: config.hyperparameter_tuning,
        iterations: config.tuning_iterations,
        folds: config.cross_validation_folds,
        metric: config.target_metric,
        seed: config.random_state,
        feature_selection: config.feature_selection,
        selected_features: config.selected_features.clone(),
        scale: config.scale_features,
        early_stopping_rounds: config.early_stopping_rounds,
        pruning: config.pruning,
        grid: own.or_else(|| options.grids.get(&algorithm)).cloned(),
    }
}

/// Threads of one fit; 0 is the whole core budget.
pub fn threads(config: &TrainingConfig) -> usize {
    usize::try_from(config.n_jobs).unwrap_or(0)
}

/// The product of the lengths of the lists that a search of this algorithm has.
fn in_grid(config: &TrainingConfig, algorithm: Algorithm, configured: &BTreeMap<Algorithm, Grid>) -> u64 {
    let own = config.grids.as_ref().and_then(|g| g.get(&algorithm));
    match own.or_else(|| configured.get(&algorithm)) {
        Some(grid) => configuration::candidates(grid).max(1),
        None => provost_learn::learners::learner(algorithm).map_or(1, |l| configuration::candidates(&l.grid())),
    }
}

/// Candidates that a search of this algorithm looks at, at most, from the lengths of the grid's lists. `configured`: the
/// service's own grids.
pub fn candidates(config: &TrainingConfig, algorithm: Algorithm, configured: &BTreeMap<Algorithm, Grid>) -> u64 {
    let all = in_grid(config, algorithm, configured);
    match config.hyperparameter_tuning {
        Tuning::None => 1,
        // A search over more is refused.
        Tuning::GridSearch => all.min(GRID_CANDIDATES as u64),
        Tuning::RandomSearch | Tuning::Bayesian => all.min(u64::from(config.tuning_iterations)),
    }
}

/// Refuses a `grid_search` over more candidates than may be fitted. The configuration's own grids are checked where it is
/// read; the operator's, and what an older version stored, are checked here.
pub fn check_spaces(config: &TrainingConfig, options: &Options) -> Result<(), SubmitError> {
    if config.hyperparameter_tuning != Tuning::GridSearch {
        return Ok(());
    }
    let searched = units(config).into_iter().map(|unit| unit.algorithm).filter(|a| *a != Algorithm::Ensemble);
    let faults: Vec<Fault> = searched
        .filter_map(|algorithm| {
            let found = in_grid(config, algorithm, &options.grids);
            let message = (found > GRID_CANDIDATES as u64).then(|| too_many_candidates(algorithm, found))?;
            Some(Fault { pointer: format!("/grids/{algorithm}"), message })
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(SubmitError::Config(Faults(faults))) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn the_ensemble_comes_last_and_alone_trains_the_others_unregistered() {
        use Algorithm::*;
        let of = |algorithms: &[Algorithm]| {
            let config = TrainingConfig { algorithms: algorithms.to_vec(), ..TrainingConfig::default() };
            units(&config).into_iter().map(|u| (u.algorithm, u.registered)).collect::<Vec<_>>()
        };
        assert_eq!(of(&[Ensemble, Xgboost, RandomForest]), [(Xgboost, true), (RandomForest, true), (Ensemble, true)]);
        let alone = of(&[Ensemble]);
        assert_eq!(alone.len(), 6);
        assert!(alone[..5].iter().all(|(a, registered)| *a != Ensemble && !registered));
        assert_eq!(alone[5], (Ensemble, true));
    }

    #[test]
    fn candidates_are_counted_from_the_lengths_of_the_lists() {
        let cube = |values: i64| -> Grid {
            ["a", "b", "c", "d", "e", "f", "g"]
                .map(|name| (name.to_owned(), (0..values).map(Into::into).collect()))
                .into()
        };
        let of = |values, hyperparameter_tuning| {
            let grids = Some(BTreeMap::from([(Algorithm::Xgboost, cube(values))]));
            let config = TrainingConfig { hyperparameter_tuning, grids, ..TrainingConfig::default() };
            candidates(&config, Algorithm::Xgboost, &BTreeMap::new())
        };
        assert_eq!(of(2, Tuning::GridSearch), 128);
        assert_eq!(of(2_000, Tuning::GridSearch), GRID_CANDIDATES as u64);
        assert_eq!(of(2_000, Tuning::RandomSearch), 50);
        assert_eq!(of(1, Tuning::Bayesian), 1);
        assert_eq!(of(2_000, Tuning::None), 1);
        let own = TrainingConfig { hyperparameter_tuning: Tuning::GridSearch, ..TrainingConfig::default() };
        assert_eq!(candidates(&own, Algorithm::Xgboost, &BTreeMap::new()), 6_912);
        assert_eq!(candidates(&own, Algorithm::Xgboost, &BTreeMap::from([(Algorithm::Xgboost, cube(3))])), 2_187);
    }
}
